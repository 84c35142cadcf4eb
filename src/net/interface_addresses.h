// The addresses of network devices, listed and changed by rtnetlink.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/rtnetlink.h"

#include <vector>

namespace sallyport::net {

struct InterfaceAddress {
  unsigned link = 0;  ///< its index
  IpAddress address;
  unsigned prefix_length = 0;
  IpPrefix network() const { return IpPrefix(address, prefix_length); }
  friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

/// The kernel also makes a route to the network(). IPv6 addresses are used without duplicate address
/// detection (RFC 4862 §5.4), which finds nothing on a point-to-point link; still, the kernel begins to
/// receive packets for them only when a thread of its own has run. Errors: code EEXIST where the link has the
/// address.
Result<> add_address(Rtnetlink& netlink, const InterfaceAddress& address);
/// Errors: code EADDRNOTAVAIL where the link does not have it.
Result<> remove_address(Rtnetlink& netlink, const InterfaceAddress& address);
/// Of all links, or only of the one of this index.
Result<std::vector<InterfaceAddress>> list_addresses(Rtnetlink& netlink, unsigned link = 0);

}  // namespace sallyport::net
