#include "base/escape.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace sallyport {
namespace {

enum class Style : std::uint8_t { line, page, quoted, json, printed_json };

constexpr std::string_view digits = "0123456789abcdef";

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

/// Of a well-formed sequence of `size` bytes.
char32_t code_point(std::string_view text, std::size_t size) {
  if (size == 1) return byte_at(text, 0);
  char32_t value = byte_at(text, 0) & (0xffu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) value = value << 6 | (byte_at(text, i) & 0x3f);
  return value;
}

struct Range {
  char32_t first, last;
};

// In order. Joiners (U+200C, U+200D) are not among them: scripts and emoji need them.
constexpr std::array<Range, 10> not_shown{{
    {0x00, 0x1f},        // C0
    {0x7f, 0x9f},        // DEL, C1
    {0x061c, 0x061c},    // Arabic letter mark
    {0x200e, 0x200f},    // left-to-right and right-to-left marks
    {0x2028, 0x202e},    // line and paragraph separators, embeddings, overrides
    {0x2066, 0x206f},    // isolates, and the deprecated format characters behind them
    {0xfeff, 0xfeff},    // byte order mark
    {0xfff9, 0xfffb},    // interlinear annotation
    {0xe0000, 0xe007f},  // tags
    {0xe0080, 0xe0fff},  // unassigned, shown as nothing
}};

bool is_shown(char32_t c) {
  for (const Range& range : not_shown) {
    if (c < range.first) return true;
    if (c <= range.last) return false;
  }
  return true;
}

bool is_plain(char c, Style style) {
  const auto byte = static_cast<std::uint8_t>(c);
  if (byte < 0x20 || byte >= 0x7f)
    return byte == '\n' && (style == Style::page || style == Style::printed_json);
  return (c != '"' && c != '\\') || (style != Style::quoted && style != Style::json);
}

void append_hex(std::string& out, std::uint32_t value, int width) {
  for (int shift = 4 * (width - 1); shift >= 0; shift -= 4) out.push_back(digits[value >> shift & 0xf]);
}

void append_json_unit(std::string& out, std::uint32_t unit) {
  out.append("\\u");
  append_hex(out, unit, 4);
}

void append_code(std::string& out, char32_t c, Style style) {
  if (c == '"' || c == '\\') {
    out.push_back('\\');
    out.push_back(static_cast<char>(c));
  } else if (c == '\n' || c == '\t') {
    out.append(c == '\n' ? "\\n" : "\\t");
  } else if (style == Style::json || style == Style::printed_json) {
    if (c < 0x10000) return append_json_unit(out, c);
    append_json_unit(out, 0xd800 + ((c - 0x10000) >> 10));  // RFC 8259 §7: a surrogate pair
    append_json_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
  } else if (c < 0x80) {
    out.append("\\x");
    append_hex(out, c, 2);
  } else {
    out.append("\\u{");
    append_hex(out, c, c < 0x10000 ? 4 : 5);
    out.push_back('}');
  }
}

void append_invalid(std::string& out, std::uint8_t byte, Style style) {
  if (style == Style::json || style == Style::printed_json) {
    out.append("\xef\xbf\xbd");
  } else {
    out.append("\\x");
    append_hex(out, byte, 2);
  }
}

void append(std::string& out, std::string_view text, Style style) {
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain], style)) ++plain;
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t size = utf8_sequence(text);
    if (size == 0) {
      append_invalid(out, byte_at(text, 0), style);
    } else if (const char32_t c = code_point(text, size); size > 1 && is_shown(c)) {
      out.append(text.substr(0, size));
    } else {
      append_code(out, c, style);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
}

std::string in_style(std::string_view text, Style style) {
  std::string out;
  out.reserve(text.size());
  append(out, text, style);
  return out;
}

/// A number of a JSON text, written out: 1500 for 1.5E3.
void append_plain_number(std::string& out, std::string_view number) {
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  // Of the longest, 5e-324, fixed notation has 326 characters; of the shortest form of others some more.
  std::array<char, 1100> text{};
  const auto [last, failed] =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != number.data() + number.size() || failed != std::errc())
    out.append(number);
  else
    out.append(text.data(), last);
}

/// Many readers of JSON are shell scripts, which know no 1.5E3.
std::string without_exponents(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool in_string = false;
  for (std::size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (in_string || !(c == '-' || (c >= '0' && c <= '9'))) {
      if (in_string && c == '\\' && i + 1 < json.size()) out += json[i++];
      if (c == '"') in_string = !in_string;
      out += json[i++];
      continue;
    }
    const std::string_view number =
        json.substr(i, std::min(json.find_first_not_of("0123456789+-.eE", i), json.size()) - i);
    i += number.size();
    if (number.find_first_of("eE") == std::string_view::npos)
      out.append(number);
    else
      append_plain_number(out, number);
  }
  return out;
}

}  // namespace

std::string escaped(std::string_view text) {
  return in_style(text, Style::line);
}

std::string escaped_page(std::string_view text) {
  return in_style(text, Style::page);
}

void append_quoted(std::string& out, std::string_view text) {
  append(out, text, Style::quoted);
}

void append_json_escaped(std::string& out, std::string_view text) {
  append(out, text, Style::json);
}

std::string escaped_json(std::string_view json) {
  return in_style(without_exponents(json), Style::printed_json);
}

std::size_t utf8_sequence(std::string_view text) {
  const std::uint8_t lead = byte_at(text, 0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte_at(text, i) & 0xc0) != 0x80) return 0;
  // What the lead byte alone does not exclude: overlong forms, surrogates, and beyond U+10FFFF.
  if (lead == 0xe0 && byte_at(text, 1) < 0xa0) return 0;
  if (lead == 0xed && byte_at(text, 1) > 0x9f) return 0;
  if (lead == 0xf0 && byte_at(text, 1) < 0x90) return 0;
  if (lead == 0xf4 && byte_at(text, 1) > 0x8f) return 0;
  return size;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_sequence(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string_view utf8_front(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t end = most;
  // A sequence has at most three bytes behind its lead.
  for (int i = 0; i < 3 && end > 0 && (byte_at(text, end) & 0xc0) == 0x80; ++i) --end;
  return text.substr(0, end);
}

}  // namespace sallyport
