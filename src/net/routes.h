// The kernel's routes: changed, listed and looked up by rtnetlink. And whether a network that somebody wants
// to use is in use here already.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/rtnetlink.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::net {

enum class RouteType : std::uint8_t {
  unicast,
  local,        ///< to this machine
  unreachable,  ///< senders get an ICMP error
  blackhole,    ///< dropped without a word
  prohibit,     ///< senders get an ICMP error that says so
  pass_on,      ///< "throw": as if the table had no route; the next routing rule is asked
  other,        ///< broadcast, multicast, anycast ...; listed and looked up only
};

inline constexpr std::uint32_t main_route_table = 254;
inline constexpr std::uint32_t local_route_table = 255;

struct Route {
  IpPrefix destination{IpAddress(), 0};
  RouteType type = RouteType::unicast;
  unsigned link = 0;                 ///< index of the device; a unicast route needs it, or a gateway
  std::optional<IpAddress> gateway;  ///< may be of the other family (RFC 8950)
  std::optional<IpAddress> source;   ///< preferred by sockets without an address
  std::uint32_t table = main_route_table;
  std::uint32_t metric = 0;  ///< of equal destinations the lowest wins; for IPv6, 0 stands for 1,024
  /// Who made it (rtnetlink(7), RTPROT_*): 4 is "static", an administrator. A program that gives its routes a
  /// number of its own finds them again after a crash.
  std::uint8_t protocol = 4;
  friend bool operator==(const Route&, const Route&) = default;
};

/// Errors: code EEXIST where this destination has a route of this metric.
Result<> add_route(Rtnetlink& netlink, const Route& route);
/// Adds it, or puts it in the place of the route of the same destination, table and metric.
Result<> replace_route(Rtnetlink& netlink, const Route& route);
/// Errors: code ESRCH where there is none such.
Result<> remove_route(Rtnetlink& netlink, const Route& route);
/// Of one table, both families. Of a route with several gateways, neither gateway nor link.
Result<std::vector<Route>> list_routes(Rtnetlink& netlink, std::uint32_t table = main_route_table);

/// Where the kernel sends packets for an address now.
struct RouteLookup {
  RouteType type = RouteType::unicast;  ///< never one of those that cannot be used
  unsigned link = 0;
  std::optional<IpAddress> gateway;  ///< nullopt: the address is on the link itself
  std::optional<IpAddress> source;   ///< of a packet from a socket without an address
};
/// Errors: kind `unreachable` or `denied` where no route can be used.
Result<RouteLookup> look_up_route(Rtnetlink& netlink, const IpAddress& to);

struct NetworkClash {
  IpPrefix network;
  std::string link;  ///< name of the device
};
/// A network that overlaps `wanted` and that this machine is connected to without a gateway: one of an
/// address of its own, or an on-link route. Default routes, whole or in halves, multicast and IPv6 link-local
/// networks never clash. The link `except` is left out: the one that is to get the network.
Result<std::optional<NetworkClash>> find_network_clash(Rtnetlink& netlink, const IpPrefix& wanted,
                                                       unsigned except = 0);

}  // namespace sallyport::net
