// TargetPolicy: which targets a proxy reaches for its clients (bad input 25). Loopback, link-local, private
// and other special ranges, and the proxy's own listeners, are refused unless a prefix allows them; every
// resolved address is checked, IPv4-mapped ones as IPv4.
#pragma once

#include "base/result.h"
#include "masque/uri_template.h"
#include "net/address.h"

#include <vector>

namespace sallyport::masque {

class TargetPolicy {
 public:
  /// `own`: the proxy's listeners. A wildcard address stands for none: give the machine's addresses instead.
  TargetPolicy(std::vector<net::IpPrefix> allow, std::vector<net::SocketAddress> own);
  /// Error kind denied naming the address and the flag that would allow it.
  Result<> check(const net::IpAddress& address, std::uint16_t port) const;

 private:
  std::vector<net::IpPrefix> allow_;
  std::vector<net::SocketAddress> own_;
};

/// What one client may hold at once (bad input 31): an IPv4 address or an IPv6 /64. All that comes through
/// another proxy is one client.
struct ClientLimits {
  std::size_t tunnels = 1024;
  std::size_t tunnels_all = 65536;
};

}  // namespace sallyport::masque
