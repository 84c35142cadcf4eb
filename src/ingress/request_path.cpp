#include "ingress/request_path.h"

#include <array>
#include <cstdint>

namespace sallyport::ingress {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// RFC 3986 §2.3.
bool is_unreserved(char c) {
  const char lower = static_cast<char>(c | 0x20);
  return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

/// What stands at the beginning of `text`, decoded, and how long it is there.
struct Character {
  char value;
  std::size_t size;
};
Character first_of(std::string_view text) {
  if (text.front() == '%' && text.size() >= 3) {
    const int high = hex_digit(text[1]), low = hex_digit(text[2]);
    if (high >= 0 && low >= 0) return {static_cast<char>(high * 16 + low), 3};
  }
  return {text.front(), 1};
}

}  // namespace

bool is_ambiguous(std::string_view path) {
  std::size_t dots = 0;
  bool others = false, parameters = false;
  while (!path.empty()) {
    const auto [value, size] = first_of(path);
    path.remove_prefix(size);
    if (value == '/' || value == '\\') {
      if (!others && (dots == 1 || dots == 2)) return true;
      dots = 0;
      others = parameters = false;
    } else if (parameters || value == ';') {
      parameters = true;
    } else if (value == '.') {
      ++dots;
    } else {
      others = true;
    }
  }
  return !others && (dots == 1 || dots == 2);
}

std::string_view normalized(std::string_view path, std::string& buffer) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::size_t at = path.find('%');
  if (at == std::string_view::npos) return path;
  buffer.assign(path.substr(0, at));
  for (path.remove_prefix(at); !path.empty();) {
    const auto [value, size] = first_of(path);
    path.remove_prefix(size);
    if (size == 1 || is_unreserved(value)) {
      buffer += value;
      continue;
    }
    const auto octet = static_cast<std::uint8_t>(value);
    buffer += '%';
    buffer += digits[octet >> 4];
    buffer += digits[octet & 15];
  }
  return buffer;
}

}  // namespace sallyport::ingress
