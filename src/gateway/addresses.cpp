#include "gateway/addresses.h"

#include "net/localhost.h"
#include "net/tcp.h"
#include "net/udp_socket.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <netdb.h>

namespace sallyport::gateway {
namespace {

/// A port that is free for UDP may be taken for TCP; one of these many is free for both, or none will be.
constexpr int attempts = 32;

struct Claim {
  std::unique_ptr<net::UdpSocket> udp;
  std::unique_ptr<net::TcpListener> tcp;
  net::SocketAddress address;
};

Result<Claim> claim_one(net::EventLoop& loop, const net::SocketAddress& wanted, bool tcp) {
  Error why;
  for (int attempt = 0; attempt < (wanted.port() == 0 ? attempts : 1); ++attempt) {
    Claim claim;
    // Without SO_REUSEPORT: with it, another program of this user could share the port unnoticed.
    auto udp = net::UdpSocket::bind(loop, wanted,
                                    {.receive_buffer = 0, .send_buffer = 0, .warn_small_buffers = false});
    if (!udp) return std::unexpected(explain_bind("--listen", wanted, "UDP", udp.error()));
    claim.udp = std::move(*udp);
    claim.address = wanted;
    claim.address.set_port(claim.udp->net_path().local.port());
    if (!tcp) return claim;
    auto listener =
        net::TcpListener::listen(loop, claim.address, {}, [](std::unique_ptr<net::ByteStream>) {});
    if (listener) {
      claim.tcp = std::move(*listener);
      return claim;
    }
    why = explain_bind("--listen", claim.address, "TCP", listener.error());
  }
  return std::unexpected(std::move(why));
}

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

Result<std::vector<net::SocketAddress>> parse_listen(std::string_view text, std::string_view forms) {
  if (const auto address = net::SocketAddress::parse(text)) return std::vector{*address};
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
  std::vector<net::SocketAddress> out;
  if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &answers); error != 0) {
    for (const net::IpAddress& own : net::localhost_addresses(host)) out.emplace_back(own, *port);
    if (!out.empty()) return out;
    return fail(ErrorKind::resolve, fmt::format("cannot listen on {}: {}", text, ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(answers, &::freeaddrinfo);
  for (const auto* answer = answers; answer != nullptr; answer = answer->ai_next) {
    net::SocketAddress address(answer->ai_addr, answer->ai_addrlen);
    address.set_port(*port);
    if (std::ranges::find(out, address) == out.end()) out.push_back(address);
  }
  return out;
}

Result<std::vector<net::SocketAddress>> claim_ports(net::EventLoop& loop,
                                                    const std::vector<net::SocketAddress>& wanted, bool tcp) {
  // Held until all are found, so no two are the same.
  std::vector<Claim> claims;
  std::vector<net::SocketAddress> out;
  for (const auto& address : wanted) {
    auto claim = claim_one(loop, address, tcp);
    if (!claim) return std::unexpected(std::move(claim.error()));
    out.push_back(claim->address);
    claims.push_back(std::move(*claim));
  }
  return out;
}

Error explain_bind(std::string_view flag, const net::SocketAddress& address, std::string_view transport,
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

}  // namespace sallyport::gateway
