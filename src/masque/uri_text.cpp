#include "masque/uri_text.h"

#include "net/address.h"

#include <algorithm>

namespace sallyport::masque {
namespace {

constexpr std::size_t max_name_size = 253;  // RFC 1035 §3.1, written with dots

bool is_unreserved(char c) {  // RFC 3986 §2.3
  return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_escape(std::string_view text, std::size_t at) {
  return at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 && hex_digit(text[at + 2]) >= 0;
}

void append_encoded(std::string& out, std::string_view value) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : value) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out += '%';
      out += digits[octet >> 4];
      out += digits[octet & 15];
    }
  }
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (!is_escape(text, i)) return std::nullopt;
    out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 2;
  }
  return out;
}

bool is_host(std::string_view host) {
  if (host.find(':') != std::string_view::npos) {
    if (host.find('%') != std::string_view::npos) return false;
    const auto address = net::IpAddress::parse(host);
    return address && address->is_v6();
  }
  return !host.empty() && host.size() <= max_name_size && std::ranges::all_of(host, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
  });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) out += c >= 0x20 && c < 0x7f && c != '"' ? c : '?';
  if (text.size() > 80) out += "...";
  return out + '"';
}

QueryPair::QueryPair(std::string_view query, std::string_view first_name, std::string_view second_name) {
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    const auto equals = pair.find('=');
    const std::string_view name = pair.substr(0, equals);
    if (name != first_name && name != second_name) continue;
    auto& value = name == first_name ? first : second;
    twice = twice || value.has_value();
    value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
  }
}

}  // namespace sallyport::masque
