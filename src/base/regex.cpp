#include "base/regex.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>
#include <re2/set.h>

namespace sallyport {
namespace {

constexpr std::size_t longest_pattern = 4096;
constexpr std::int64_t most_memory = 1 << 20;         // of one, in bytes
constexpr std::int64_t most_memory_of_all = 8 << 20;  // of a set

re2::StringPiece piece(std::string_view text) {
  return {text.data(), text.size()};
}

RE2::Options options(std::int64_t memory) {
  RE2::Options made;
  made.set_log_errors(false);
  made.set_max_mem(memory);
  // Texts of peers are octets, any of them: nothing may escape a pattern by being no UTF-8, or a line break.
  made.set_encoding(RE2::Options::EncodingLatin1);
  made.set_dot_nl(true);
  return made;
}

}  // namespace

Result<Regex> Regex::make(std::string_view pattern) {
  if (pattern.size() > longest_pattern)
    return fail(ErrorKind::usage, fmt::format("it is longer than {} bytes", longest_pattern));
  auto compiled = std::make_shared<const re2::RE2>(piece(pattern), options(most_memory));
  if (!compiled->ok()) return fail(ErrorKind::usage, compiled->error());
  return Regex(std::move(compiled));
}

bool Regex::matches(std::string_view text) const {
  return re2::RE2::FullMatch(piece(text), *compiled_);
}

struct RegexSet::Compiled {
  re2::RE2::Set set{options(most_memory_of_all), re2::RE2::ANCHOR_BOTH};
  bool usable = false;      // all of them fit into the set's memory
  std::vector<Regex> each;  // where they do not, and for texts that exhaust it
};

RegexSet::RegexSet(const std::vector<std::string>& patterns) {
  if (patterns.empty()) return;
  auto made = std::make_shared<Compiled>();
  for (const std::string& pattern : patterns) {
    made->set.Add(piece(pattern), nullptr);
    made->each.push_back(*Regex::make(pattern));
  }
  made->usable = made->set.Compile();
  compiled_ = std::move(made);
}

std::vector<std::size_t> RegexSet::matches(std::string_view text) const {
  std::vector<std::size_t> found;
  if (!compiled_) return found;
  std::vector<int> indexes;
  re2::RE2::Set::ErrorInfo error{};
  if (!compiled_->usable ||
      (!compiled_->set.Match(piece(text), &indexes, &error) && error.kind != re2::RE2::Set::kNoError)) {
    for (std::size_t i = 0; i < compiled_->each.size(); ++i)
      if (compiled_->each[i].matches(text)) found.push_back(i);
    return found;
  }
  found.assign(indexes.begin(), indexes.end());
  std::ranges::sort(found);
  return found;
}

}  // namespace sallyport
