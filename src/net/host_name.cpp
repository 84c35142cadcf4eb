#include "net/host_name.h"

#include "base/hex.h"
#include "net/address.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include <arpa/inet.h>
#include <idn2.h>

namespace sallyport::net {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string lowered(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return result;
}

/// Characters refused in names although RFC 3986 allows some: they would end an authority, or mislead a
/// reader.
bool is_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) {
    constexpr std::string_view odd = "/:#?!@{}[]\\$'\"^`*<>=;,&+()|%";
    return c > ' ' && c < '\x7f' && odd.find(c) == std::string_view::npos;
  });
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto octet = from_hex(text.substr(i + 1, 2));
    if (!octet || octet->size() != 1) return std::nullopt;
    out += static_cast<char>(octet->front());
    i += 2;
  }
  return out;
}

struct Idn2Free {
  void operator()(std::uint8_t* text) const { idn2_free(text); }
};

Result<std::string> to_ascii(const std::string& name) {
  const auto* const source = reinterpret_cast<const std::uint8_t*>(name.c_str());
  int code = IDN2_OK;
  // A few names are valid in the older mapping only.
  for (const int flags : {IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL, IDN2_NFC_INPUT | IDN2_TRANSITIONAL}) {
    std::uint8_t* raw = nullptr;
    const int tried = idn2_lookup_u8(source, &raw, flags);
    const std::unique_ptr<std::uint8_t, Idn2Free> found(raw);
    if (tried == IDN2_OK) return std::string(reinterpret_cast<const char*>(found.get()));
    if (code == IDN2_OK) code = tried;
  }
  return fail(ErrorKind::usage,
              std::string("the host is not a valid internationalized name: ") + idn2_strerror(code));
}

/// Without brackets.
Result<std::string> parse_ipv6(std::string_view text) {
  const std::size_t percent = text.find('%');
  const auto address = IpAddress::parse(text.substr(0, percent));
  if (!address || !address->is_v6())
    return fail(ErrorKind::usage, "the host in brackets is not an IPv6 address");
  std::string result = address->to_string();
  if (percent == std::string_view::npos) return result;
  std::string_view zone = text.substr(percent + 1);
  if (zone.starts_with("25") && zone.size() > 2) zone.remove_prefix(2);  // RFC 6874 §2
  const auto fits = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
           c == '_' || c == '~';
  };
  constexpr std::size_t longest_zone = 15;  // IF_NAMESIZE, without its end
  if (zone.empty() || zone.size() > longest_zone || !std::all_of(zone.begin(), zone.end(), fits))
    return fail(ErrorKind::usage, "the host's IPv6 zone identifier is not the name of an interface");
  return result.append("%").append(zone);
}

/// "127.1", "0x7f000001": getaddrinfo treats these as addresses, so they must not be treated as names
/// elsewhere.
std::optional<std::string> parse_ipv4(std::string name) {
  if (name.ends_with('.')) name.pop_back();
  const bool may_be =
      !name.empty() && is_digit(name.front()) && std::all_of(name.begin(), name.end(), [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'f') || c == 'x' || c == '.';
      });
  in_addr address{};
  if (!may_be || ::inet_aton(name.c_str(), &address) == 0) return std::nullopt;
  std::array<char, INET_ADDRSTRLEN> text{};
  return std::string(::inet_ntop(AF_INET, &address, text.data(), text.size()));
}

}  // namespace

Result<std::string> parse_host(std::string_view text) {
  if (text.starts_with('[')) {
    if (!text.ends_with(']'))
      return fail(ErrorKind::usage, "the closing bracket of the IPv6 address is missing");
    return parse_ipv6(text.substr(1, text.size() - 2));
  }
  const std::string odd = "the host has a character that host names cannot have";
  const auto decoded = percent_decoded(text);
  // A name for the library ends at its first NUL.
  if (!decoded || decoded->find('\0') != std::string::npos) return fail(ErrorKind::usage, odd);
  std::string name = *decoded;
  if (!is_ascii(name)) {
    auto ascii = to_ascii(name);
    if (!ascii) return ascii;
    name = std::move(*ascii);
  }
  name = lowered(name);
  if (name.empty()) return fail(ErrorKind::usage, "the host is missing");
  if (!is_name(name)) return fail(ErrorKind::usage, odd);
  if (name.front() == '.') return fail(ErrorKind::usage, "the host begins with a dot");
  if (auto address = parse_ipv4(name)) return *address;
  return name;
}

Result<HostAndPort> parse_host_and_port(std::string_view authority) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos)
    return fail(ErrorKind::usage, "the closing bracket of the IPv6 address is missing");
  HostAndPort made;
  const std::size_t colon = authority.find(':', bracket);
  if (colon != std::string_view::npos && colon + 1 < authority.size()) {
    const std::string_view text = authority.substr(colon + 1);
    const char* const end = text.data() + text.size();
    std::uint16_t port = 0;
    const auto [rest, error] = std::from_chars(text.data(), end, port);
    if (error != std::errc() || rest != end || port == 0)
      return fail(ErrorKind::usage, "the port must be 1 to 65535");
    made.port = port;
  }
  auto host = parse_host(authority.substr(0, colon));
  if (!host) return std::unexpected(std::move(host.error()));
  made.host = std::move(*host);
  return made;
}

std::string_view without_zone(std::string_view host) {
  return host.substr(0, host.find('%'));
}

std::string_view certificate_name(std::string_view host) {
  host = without_zone(host);
  if (host.ends_with('.')) host.remove_suffix(1);
  return host;
}

}  // namespace sallyport::net
