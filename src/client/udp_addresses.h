// The addresses of a TUN device whose packets travel in CONNECT-UDP flows: no proxy assigns any (RFC 9298 has
// no such thing), so they are fixed, or a user's. They leave this machine in no packet. Used by Tun.
#pragma once

#include "base/result.h"
#include "net/address.h"

#include <span>
#include <vector>

namespace sallyport::client {

/// Of the device: of the IPv4 prefix for either end of a tunnel that no Internet packet shows (RFC 7335), and
/// of a unique local IPv6 prefix (RFC 4193) whose global ID was drawn once for all.
net::IpAddress udp_device_v4();  ///< 192.0.0.2
net::IpAddress udp_device_v6();  ///< fd5e:1a53:b9c7::2
/// Of the router that its packets meet first, which is this program: what Time Exceeded comes from.
net::IpAddress udp_router_v4();  ///< 192.0.0.1
net::IpAddress udp_router_v6();  ///< fd5e:1a53:b9c7::1

/// The first of each family in `chosen`, else the fixed one. Error kind usage names the flag, `--address`:
/// one that no host can have, or two of a family.
Result<std::vector<net::IpAddress>> udp_device_addresses(std::span<const net::IpAddress> chosen);

/// An error where one belongs to a network that this machine, or its network namespace, is connected to other
/// than by `link`.
Result<> check_no_network_has(std::span<const net::IpAddress> addresses, unsigned link);

}  // namespace sallyport::client
