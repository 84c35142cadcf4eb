// TargetPolicy: which targets a proxy reaches for its clients (docs/threat-model.md, "forbidden target").
// Loopback, link-local, private and other special ranges, and all of the proxy's own host, are refused unless
// a prefix allows them; every resolved address is checked, IPv4-mapped ones as IPv4. Ports that are abused
// through proxies are refused unless they are allowed by number.
#pragma once

#include "base/result.h"
#include "masque/uri_template.h"
#include "net/address.h"

#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::masque {

/// Whether a port is refused where allow_ports() does not name it: 25, by which mail servers talk to each
/// other (SMTP). Whoever sends unwanted mail looks for proxies that reach it, and the proxy's address pays
/// for that.
bool is_refused_port(std::uint16_t port);

class TargetPolicy {
 public:
  /// Whether an address is the proxy's own host's, at this moment. What arrives there from the host itself no
  /// firewall in front of it has seen, so it is inside, whatever the address.
  using IsOwn = std::function<bool(const net::IpAddress&)>;
  /// `never`: where the proxy's operator is served, which no prefix allows; a wildcard address stands for all
  /// of the host's.
  TargetPolicy(std::vector<net::IpPrefix> allow = {}, IsOwn is_own = nullptr,
               std::optional<net::SocketAddress> never = {});
  /// Ports that are refused otherwise: see is_refused_port().
  void allow_ports(std::vector<std::uint16_t> ports) { allow_ports_ = std::move(ports); }
  /// Before anything is resolved. Error kind denied naming the port and the flag that would allow it.
  Result<> check_port(std::uint16_t port) const;
  /// Whether this is where the proxy's operator is served.
  bool is_never(const net::IpAddress& address, std::uint16_t port) const;
  /// Error kind denied naming the address and the flag that would allow it.
  Result<> check(const net::IpAddress& address, std::uint16_t port) const;

 private:
  bool is_own(const net::IpAddress& address) const { return is_own_ && is_own_(address); }

  std::vector<net::IpPrefix> allow_;
  std::vector<std::uint16_t> allow_ports_;
  IsOwn is_own_;
  std::optional<net::SocketAddress> never_;
};

/// Tunnels that may be open at once (docs/threat-model.md, "tunnel flood"), in all proxies of a ProxyGroup
/// together. A client is whom ClientKey says; all that comes through another proxy without an identity of its
/// own is one client.
struct ClientLimits {
  std::size_t tunnels = 1024;  ///< of one client
  std::size_t tunnels_all = 65536;
};

}  // namespace sallyport::masque
