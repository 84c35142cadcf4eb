#include "config/configuration.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

namespace sallyport::config {
namespace {

template <class T>
bool same(const std::shared_ptr<const T>& one, const std::shared_ptr<const T>& other) {
  return one == other || (one && other && one->same_as(*other));
}

/// The IPv6 wildcard takes IPv4, too.
bool contains(const net::IpAddress& wildcard, const net::IpAddress& address) {
  return wildcard.is_unspecified() && (wildcard.is_v6() || address.is_v4());
}

/// Port 0 takes another one each time.
bool overlap(const net::SocketAddress& a, const net::SocketAddress& b) {
  const net::IpAddress first = a.ip().unmapped(), second = b.ip().unmapped();
  return a.port() == b.port() && a.port() != 0 &&
         (first == second || contains(first, second) || contains(second, first));
}

Result<> named_twice(std::string_view flag, const net::SocketAddress& address,
                     const net::SocketAddress& listen) {
  const net::IpAddress one = address.ip().unmapped(), other = listen.ip().unmapped();
  std::string why;
  if (one == other)
    why = "a --listen names that address and port, too";
  else if (contains(other, one))
    why = fmt::format("--listen {} has that port on all addresses", listen.to_string());
  else
    why = fmt::format("that is all addresses, and --listen {} has that port already", listen.to_string());
  return fail(ErrorKind::usage, fmt::format("{} {}: {}; give it another port, or leave one of them out", flag,
                                            address.to_string(), why));
}

Result<> validate_listeners(const std::vector<Listener>& listeners) {
  if (listeners.empty()) return fail(ErrorKind::usage, "there is no listener; give --listen HOST:PORT");
  std::set<std::string> ids;
  std::vector<net::SocketAddress> addresses;
  for (const Listener& listener : listeners) {
    const std::string_view flag = listener.clear ? "--listen-http" : "--listen";
    if (auto done = check_named_once(flag, listener.address, addresses); !done) return done;
    addresses.push_back(listener.address);
    if (!ids.insert(listener.id).second)
      return fail(ErrorKind::usage, fmt::format("two listeners have the ID '{}'", listener.id));
    if (!listener.clear && !listener.credentials)
      return fail(
          ErrorKind::usage,
          fmt::format("the listener {} has no certificate; give --cert FILE and --key FILE for it, or "
                      "--self-signed NAME",
                      listener.id));
    if (!listener.tcp && listener.alt_svc_port != 0)
      return fail(ErrorKind::usage,
                  "--alt-svc-port is advertised over TCP, which --no-tcp disables; give one of the two");
  }
  return {};
}

Result<> validate_routes(const std::vector<Route>& routes) {
  std::multimap<std::string, const Route*> by_name;
  const auto takes_the_same = [&by_name](const Route& route, const std::string& name) {
    const auto [first, last] = by_name.equal_range(name);
    return std::any_of(first, last,
                       [&route](const auto& other) { return other.second->conditions == route.conditions; });
  };
  for (const Route& route : routes) {
    const std::string name = route.name();
    if (takes_the_same(route, name))
      return fail(ErrorKind::usage,
                  fmt::format("two --route are for {}; several backends of one stand behind each other, with "
                              "commas between them",
                              name));
    by_name.emplace(name, &route);
  }
  return {};
}

Result<> validate_masque(const Configuration& configuration) {
  const Masque& masque = *configuration.masque;
  if (masque.protocols.empty())
    return fail(ErrorKind::usage, "a proxy without a protocol does nothing; give --masque udp,tcp");
  if (masque.tokens && masque.open)
    return fail(ErrorKind::usage,
                "--token-file and --open-proxy contradict each other; give --token-file for those who have a "
                "token, --open-proxy for everybody");
  if (masque.tokens || masque.open) return {};
  const auto exposed = std::ranges::find_if(configuration.listeners, [](const Listener& listener) {
    return !listener.clear && (!listener.address.ip().is_loopback() || !listener.proxy_protocol_from.empty());
  });
  if (exposed == configuration.listeners.end()) return {};
  return fail(
      ErrorKind::usage,
      fmt::format("--masque on {}, which other machines can reach{}, would be an open proxy; give "
                  "--token-file FILE with a line NAME TOKEN for each user, or --open-proxy if that is "
                  "meant",
                  exposed->address.to_string(),
                  exposed->address.ip().is_loopback() ? " through those of --proxy-protocol-from" : ""));
}

}  // namespace

bool Listener::operator==(const Listener& other) const {
  return id == other.id && address == other.address && quic == other.quic && tcp == other.tcp &&
         clear == other.clear && redirect_to == other.redirect_to && alt_svc_port == other.alt_svc_port &&
         proxy_protocol_from == other.proxy_protocol_from && same(credentials, other.credentials);
}

bool Masque::operator==(const Masque& other) const {
  return protocols == other.protocols && allow == other.allow && allow_ports == other.allow_ports &&
         never == other.never && same(tokens, other.tokens) && open == other.open &&
         max_tunnels == other.max_tunnels && udp_idle == other.udp_idle && tcp_idle == other.tcp_idle;
}

Result<> check_named_once(std::string_view flag, const net::SocketAddress& address,
                          std::span<const net::SocketAddress> listen) {
  for (const net::SocketAddress& other : listen)
    if (overlap(address, other)) return named_twice(flag, address, other);
  return {};
}

Result<> validate(const Configuration& configuration) {
  if (!configuration.files && configuration.routes.empty() && !configuration.masque)
    return fail(ErrorKind::usage, std::string(nothing_to_do));
  if (auto done = validate_routes(configuration.routes); !done) return done;
  if (auto done = validate_listeners(configuration.listeners); !done) return done;
  return configuration.masque ? validate_masque(configuration) : Result<>{};
}

}  // namespace sallyport::config
