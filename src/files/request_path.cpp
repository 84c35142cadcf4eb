#include "files/request_path.h"

namespace sallyport::files {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

}  // namespace

bool is_hidden_name(std::string_view name) {
  return name.starts_with('.') && name != ".well-known";
}

std::expected<RequestPath, PathFault> parse_request_path(std::string_view path) {
  RequestPath out;
  if (const auto mark = path.find('?'); mark != std::string_view::npos) {
    out.query = path.substr(mark);
    path = path.substr(0, mark);
  }
  if (!path.starts_with('/')) return std::unexpected(PathFault::malformed);
  out.relative.reserve(path.size());
  out.folder = path.ends_with('/');

  // Segments are split before decoding: an encoded slash is not a separator.
  bool hidden = false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    if (segment.empty()) continue;
    if (!out.relative.empty()) out.relative += '/';
    const std::size_t begin = out.relative.size();
    for (std::size_t i = 0; i < segment.size(); ++i) {
      char c = segment[i];
      if (c == '%') {
        if (i + 2 >= segment.size()) return std::unexpected(PathFault::malformed);
        const int high = hex_digit(segment[i + 1]), low = hex_digit(segment[i + 2]);
        if (high < 0 || low < 0) return std::unexpected(PathFault::malformed);
        c = static_cast<char>(high * 16 + low);
        i += 2;
        if (c == '/') hidden = true;
      }
      if (c == '\0') return std::unexpected(PathFault::malformed);
      out.relative += c;
    }
    if (is_hidden_name(std::string_view(out.relative).substr(begin))) hidden = true;
  }
  if (hidden) return std::unexpected(PathFault::hidden);
  return out;
}

std::string encode_path(std::string_view relative) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  out.reserve(relative.size());
  for (const char c : relative) {
    if (is_unreserved(c) || c == '/') {
      out += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out += '%', out += digits[octet >> 4], out += digits[octet & 15];
    }
  }
  return out;
}

}  // namespace sallyport::files
