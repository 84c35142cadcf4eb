#include "trace/json_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace sallyport::trace {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

/// Bytes of the well-formed UTF-8 sequence at the front of `text`, or 0 where there is none.
std::size_t utf8_sequence(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  // What the lead byte alone does not exclude: overlong forms, surrogates, and beyond U+10FFFF.
  if (lead == 0xe0 && at(1) < 0xa0) return 0;
  if (lead == 0xed && at(1) > 0x9f) return 0;
  if (lead == 0xf0 && at(1) < 0x90) return 0;
  if (lead == 0xf4 && at(1) > 0x8f) return 0;
  return size;
}

bool is_plain(char c) {
  return static_cast<std::uint8_t>(c) >= 0x20 && static_cast<std::uint8_t>(c) < 0x7f && c != '"' && c != '\\';
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_sequence(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

void JsonText::separate() {
  if (comma_) out_.push_back(',');
  comma_ = true;
}

void JsonText::open(char bracket) {
  separate();
  out_.push_back(bracket);
  comma_ = false;
}

void JsonText::close(char bracket) {
  out_.push_back(bracket);
  comma_ = true;
}

void JsonText::key(std::string_view name) {
  separate();
  out_.push_back('"');
  out_.append(name);
  out_.append("\":");
  comma_ = false;
}

void JsonText::text(std::string_view value) {
  separate();
  out_.push_back('"');
  while (!value.empty()) {
    std::size_t plain = 0;
    while (plain < value.size() && is_plain(value[plain])) ++plain;
    out_.append(value.substr(0, plain));
    value.remove_prefix(plain);
    if (value.empty()) break;
    const char c = value.front();
    std::size_t taken = 1;
    if (c == '"' || c == '\\') {
      out_.push_back('\\');
      out_.push_back(c);
    } else if (c == '\n') {
      out_.append("\\n");
    } else if (static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f) {
      out_.append("\\u00");
      out_.push_back(digits[static_cast<std::uint8_t>(c) >> 4]);
      out_.push_back(digits[c & 0xf]);
    } else if (const std::size_t size = utf8_sequence(value); size > 0) {
      out_.append(value.substr(0, size));
      taken = size;
    } else {
      out_.append("\xef\xbf\xbd");
    }
    value.remove_prefix(taken);
  }
  out_.push_back('"');
}

void JsonText::hex(Bytes value) {
  separate();
  out_.push_back('"');
  for (const std::uint8_t byte : value) {
    out_.push_back(digits[byte >> 4]);
    out_.push_back(digits[byte & 0xf]);
  }
  out_.push_back('"');
}

void JsonText::boolean(bool value) {
  separate();
  out_.append(value ? "true" : "false");
}

void JsonText::number(std::uint64_t value) {
  separate();
  std::array<char, 20> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out_.append(buffer.data(), end);
}

void JsonText::number(std::int64_t value) {
  separate();
  std::array<char, 20> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out_.append(buffer.data(), end);
}

void JsonText::real(double value) {
  separate();
  if (!std::isfinite(value)) {
    out_.append("null");
    return;
  }
  std::array<char, 340> buffer;  // the largest double has 309 digits before the point
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, 3).ptr;
  out_.append(buffer.data(), end);
}

void JsonText::milliseconds(Duration value) {
  separate();
  auto count = value.count();
  if (count < 0) {
    out_.push_back('-');
    count = count == std::numeric_limits<Duration::rep>::min() ? std::numeric_limits<Duration::rep>::max()
                                                               : -count;
  }
  std::array<char, 20> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), count / 1'000'000).ptr;
  out_.append(buffer.data(), end);
  std::uint32_t fraction = static_cast<std::uint32_t>(count % 1'000'000);
  if (fraction == 0) return;
  std::array<char, 7> decimals{'.', '0', '0', '0', '0', '0', '0'};
  for (std::size_t i = decimals.size(); i-- > 1; fraction /= 10)
    decimals[i] = static_cast<char>('0' + fraction % 10);
  std::size_t size = decimals.size();
  while (decimals[size - 1] == '0') --size;
  out_.append(decimals.data(), size);
}

}  // namespace sallyport::trace
