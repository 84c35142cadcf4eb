#include "http/request_path.h"

#include <algorithm>
#include <cstdint>

namespace sallyport::http {
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

std::string form_decoded(std::string_view text) {
  std::string made;
  while (!text.empty()) {
    const auto [value, size] = first_of(text);
    made += size == 1 && value == '+' ? ' ' : value;
    text.remove_prefix(size);
  }
  return made;
}

}  // namespace

bool is_ambiguous_path(std::string_view path) {
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

std::string_view normalized_path(std::string_view path, std::string& buffer) {
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

std::optional<std::string> query_parameter(std::string_view target, std::string_view name) {
  const std::size_t question = target.find('?');
  if (question == std::string_view::npos) return std::nullopt;
  for (std::string_view rest = target.substr(question + 1); !rest.empty();) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view each = rest.substr(0, end);
    const std::size_t equals = std::min(each.find('='), each.size());
    if (form_decoded(each.substr(0, equals)) == name)
      return form_decoded(each.substr(std::min(equals + 1, each.size())));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

}  // namespace sallyport::http
