#include "net/listen_address.h"

#include "net/localhost.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <netdb.h>

namespace sallyport::net {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// What follows the last colon, where it is a number.
std::string_view number_behind_colon(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  const auto number = text.substr(colon + 1);
  return number.find_first_not_of("0123456789") == std::string_view::npos ? number : std::string_view();
}

}  // namespace

bool has_port(std::string_view text) {
  return !number_behind_colon(text).empty();
}

Result<std::vector<SocketAddress>> parse_listen(std::string_view text, std::string_view forms) {
  if (const auto address = SocketAddress::parse(text)) return std::vector{*address};
  const auto number = number_behind_colon(text);
  const auto port = parse_port(number);
  if (!number.empty() && !port)
    return fail(ErrorKind::usage,
                fmt::format("'{}' has no port to listen on: {} is not from 1 to 65535, or 0 for one that is "
                            "free",
                            text, number));
  const auto host = std::string(text.substr(0, text.rfind(':')));
  if (!port || host.empty() || host.find_first_of("[]:/") != std::string::npos)
    return fail(ErrorKind::usage,
                fmt::format("'{}' is not an address to listen on; write it as {}", text, forms));
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* answers = nullptr;
  std::vector<SocketAddress> out;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &answers); error != 0) {
    for (const IpAddress& own : localhost_addresses(host)) out.emplace_back(own, *port);
    if (!out.empty()) return out;
    return fail(ErrorKind::resolve, fmt::format("cannot listen on {}: {}", text, ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(answers, &::freeaddrinfo);
  for (const auto* answer = answers; answer != nullptr; answer = answer->ai_next) {
    SocketAddress address(answer->ai_addr, answer->ai_addrlen);
    address.set_port(*port);
    if (std::ranges::find(out, address) == out.end()) out.push_back(address);
  }
  return out;
}

Error explain_bind(std::string_view flag, const SocketAddress& address, std::string_view transport,
                   const Error& why) {
  const auto where = address.to_string();
  switch (why.code) {
    case EADDRINUSE:
      return {why.kind,
              fmt::format("{} is in use for {}; stop the program that listens there, or choose another {}",
                          where, transport, flag),
              why.code};
    case EACCES:
    case EPERM:
      return {why.kind,
              fmt::format("no permission to listen on {}; ports below 1024 need root or "
                          "CAP_NET_BIND_SERVICE, others such as "
                          "{} :8443 do not",
                          where, flag),
              why.code};
    case EADDRNOTAVAIL:
      return {why.kind,
              fmt::format("{} is not an address of this machine; give {} one that is, or :{} for all", where,
                          flag, address.port()),
              why.code};
    default:
      return why;
  }
}

}  // namespace sallyport::net
