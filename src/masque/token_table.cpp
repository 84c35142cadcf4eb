#include "masque/token_table.h"

#include "masque/bearer.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

namespace sallyport::masque {
namespace {

using Key = std::array<std::uint8_t, 32>;

const Key& process_key() {
  static const Key key = [] {
    Key made{};
    // Without a random source nothing that follows could be safe.
    if (gnutls_rnd(GNUTLS_RND_KEY, made.data(), made.size()) < 0) std::abort();
    return made;
  }();
  return key;
}

/// Names become labels of metrics and fields of logs.
bool is_name(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._@+-/:").find(c) != std::string_view::npos;
  });
}

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view take_word(std::string_view& line) {
  constexpr std::string_view blanks = " \t";
  line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(blanks));
  line.remove_prefix(word.size());
  return word;
}

struct Line {
  std::string_view name, token;  // both empty: nothing stands there
};

/// The error is the end of a sentence that begins with file and line.
std::expected<Line, std::string> read_line(std::string_view line) {
  if (line.size() > TokenTable::max_line)
    return std::unexpected(fmt::format("is longer than {} bytes", TokenTable::max_line));
  const std::string_view name = take_word(line);
  if (name.empty() || name.starts_with('#')) return Line{};
  const std::string_view token = take_word(line);
  if (token.empty()) return std::unexpected("has one word; write a name and its token: NAME TOKEN");
  if (!take_word(line).empty())
    return std::unexpected("has more than a name and a token; a comment needs a line of its own");
  if (name.size() > TokenTable::max_name)
    return std::unexpected(
        fmt::format("has a name of more than {} characters; write NAME TOKEN", TokenTable::max_name));
  if (!is_name(name))
    return std::unexpected(
        "has a name with other characters in it than letters, digits and . _ @ + - / : ; write NAME TOKEN");
  if (!is_bearer_token(token))
    return std::unexpected(
        "has no bearer token (RFC 6750): other characters in it than letters, digits and - . _ ~ + / with = "
        "at the end");
  return Line{name, token};
}

}  // namespace

CredentialId TokenTable::credential_of(std::string_view token) {
  CredentialId id{};
  const Key& key = process_key();
  if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data(), key.size(), token.data(), token.size(), id.data()) < 0)
    std::abort();
  return id;
}

Result<std::shared_ptr<const TokenTable>> TokenTable::parse(std::string_view content,
                                                            const std::string& file) {
  std::shared_ptr<TokenTable> table(new TokenTable);
  std::map<CredentialId, std::size_t> lines;
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (content.starts_with(byte_order_mark)) content.remove_prefix(byte_order_mark.size());
  for (std::size_t number = 1; !content.empty(); ++number) {
    const auto line = read_line(take_line(content));
    if (!line) return fail(ErrorKind::file, fmt::format("line {} of {} {}", number, file, line.error()));
    if (line->name.empty()) continue;
    const CredentialId id = credential_of(line->token);
    if (const auto [at, added] = lines.emplace(id, number); !added)
      return fail(ErrorKind::file,
                  fmt::format("line {} of {} has the token of line {}; each needs one of its own", number,
                              file, at->second));
    if (line->token.size() < short_token) table->weak_lines_.push_back(number);
    table->entries_.push_back({std::string(line->name), id});
    table->names_.emplace_back(line->name);
  }
  std::ranges::sort(table->entries_, {}, &Identity::credential);
  std::ranges::sort(table->names_);
  const auto doubles = std::ranges::unique(table->names_);
  table->names_.erase(doubles.begin(), doubles.end());
  return std::shared_ptr<const TokenTable>(std::move(table));
}

// The search compares as many bytes as agree, and so its time tells something of the digests, but these are
// keyed with what nobody outside knows: who sends a token can foresee as little of its digest as of a random
// number, so it tells nothing of tokens. The last comparison is of all bytes in any case.
const Identity* TokenTable::find(const CredentialId& credential) const {
  const auto at = std::ranges::lower_bound(entries_, credential, {}, &Identity::credential);
  if (at == entries_.end() || gnutls_memcmp(at->credential.data(), credential.data(), credential.size()) != 0)
    return nullptr;
  return &*at;
}

bool TokenTable::has_name(std::string_view name) const {
  return std::ranges::binary_search(names_, name);
}

}  // namespace sallyport::masque
