#include "masque/token_lines.h"

#include "masque/bearer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

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

/// The error is the end of a sentence that begins with file and line. An empty token: nothing stands there.
std::expected<TokenLine, std::string> read_line(std::string_view line, bool lone_tokens) {
  if (line.size() > TokenLines::max_line)
    return std::unexpected(fmt::format("is longer than {} bytes", TokenLines::max_line));
  std::string_view name = take_word(line);
  if (name.empty() || name.starts_with('#')) return TokenLine{};
  std::string_view token = take_word(line);
  const bool lone = token.empty();
  if (lone && !lone_tokens) return std::unexpected("has one word; write a name and its token: NAME TOKEN");
  if (lone) std::swap(name, token);
  if (!take_word(line).empty())
    return std::unexpected("has more than a name and a token; a comment needs a line of its own");
  if (name.size() > TokenLines::max_name)
    return std::unexpected(
        fmt::format("has a name of more than {} characters; write NAME TOKEN", TokenLines::max_name));
  if (!is_name(name))
    return std::unexpected(
        "has a name with other characters in it than letters, digits and . _ @ + - / : ; write NAME TOKEN");
  if (!is_bearer_token(token))
    return std::unexpected(
        "has no bearer token (RFC 6750): other characters in it than letters, digits and - . _ ~ + / with = "
        "at the end");
  return TokenLine{0, name, token};
}

}  // namespace

TokenLines::TokenLines(std::string_view content, std::string file, bool lone_tokens)
    : rest_(content), file_(std::move(file)), lone_tokens_(lone_tokens) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (rest_.starts_with(byte_order_mark)) rest_.remove_prefix(byte_order_mark.size());
}

Result<std::optional<TokenLine>> TokenLines::next() {
  while (!rest_.empty()) {
    ++number_;
    auto line = read_line(take_line(rest_), lone_tokens_);
    if (!line) return fail(ErrorKind::file, fmt::format("line {} of {} {}", number_, file_, line.error()));
    line->number = number_;
    if (!line->token.empty()) return *line;
  }
  return std::nullopt;
}

}  // namespace sallyport::masque
