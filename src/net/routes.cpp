#include "net/routes.h"

#include "net/interface_addresses.h"
#include "net/links.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

static_assert(main_route_table == RT_TABLE_MAIN && local_route_table == RT_TABLE_LOCAL);

constexpr std::array<std::pair<RouteType, std::uint8_t>, 6> route_types{
    {{RouteType::unicast, RTN_UNICAST},
     {RouteType::local, RTN_LOCAL},
     {RouteType::unreachable, RTN_UNREACHABLE},
     {RouteType::blackhole, RTN_BLACKHOLE},
     {RouteType::prohibit, RTN_PROHIBIT},
     {RouteType::pass_on, RTN_THROW}}};

std::uint8_t number_of(RouteType type) {
  for (const auto& [ours, kernels] : route_types)
    if (ours == type) return kernels;
  return RTN_UNSPEC;
}

RouteType type_of(std::uint8_t number) {
  for (const auto& [ours, kernels] : route_types)
    if (kernels == number) return ours;
  return RouteType::other;
}

unsigned char family_of(const IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

std::string describe(const Route& route) {
  std::string text = route.destination.to_string();
  if (route.gateway) text += " via " + route.gateway->to_string();
  if (route.table != main_route_table) text += fmt::format(" in table {}", route.table);
  return text;
}

/// RTA_VIA: the address family, in the host's order, and the octets.
void put_gateway(RtnetlinkRequest& request, const Route& route) {
  if (route.gateway->is_v4() == route.destination.address().is_v4())
    return request.put(RTA_GATEWAY, *route.gateway);
  std::array<std::uint8_t, 2 + 16> via;
  const std::uint16_t family = family_of(*route.gateway);
  std::memcpy(via.data(), &family, sizeof family);
  const Bytes octets = route.gateway->octets();
  copy_bytes(octets, via.data() + sizeof family);
  request.put(RTA_VIA, Bytes(via).first(sizeof family + octets.size()));
}

std::optional<IpAddress> read_gateway(const RtnetlinkAttributes& attributes) {
  const Bytes via = attributes.bytes(RTA_VIA);
  return via.size() > 2 ? IpAddress::from_octets(via.subspan(2)) : attributes.address(RTA_GATEWAY);
}

unsigned char scope_of(const Route& route, bool removing) {
  if (removing) return RT_SCOPE_NOWHERE;  // any
  if (route.type == RouteType::local) return RT_SCOPE_HOST;
  return route.type == RouteType::unicast && !route.gateway ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

Result<> change(Rtnetlink& netlink, std::uint16_t type, std::uint16_t flags, const Route& route,
                std::string_view verb) {
  RtnetlinkRequest request(type, flags);
  auto& header = request.header<rtmsg>();
  header.rtm_family = family_of(route.destination.address());
  header.rtm_dst_len = static_cast<std::uint8_t>(route.destination.length());
  // RTA_TABLE says it in full.
  header.rtm_table =
      route.table < 256 ? static_cast<std::uint8_t>(route.table) : std::uint8_t{RT_TABLE_UNSPEC};
  header.rtm_protocol = route.protocol;
  header.rtm_scope = scope_of(route, type == RTM_DELROUTE);
  header.rtm_type = number_of(route.type);
  if (route.destination.length() > 0) request.put(RTA_DST, route.destination.address());
  if (route.gateway) put_gateway(request, route);
  if (route.link != 0) request.put_u32(RTA_OIF, route.link);
  if (route.source) request.put(RTA_PREFSRC, *route.source);
  request.put_u32(RTA_TABLE, route.table);
  if (route.metric != 0) request.put_u32(RTA_PRIORITY, route.metric);
  return netlink.call(request, fmt::format("cannot {} the route to {}", verb, describe(route)));
}

std::optional<Route> read_route(const nlmsghdr& message) {
  const auto* header = header_of<rtmsg>(message);
  if (message.nlmsg_type != RTM_NEWROUTE || header == nullptr) return std::nullopt;
  // Cached exceptions, such as a path MTU, are listed among the routes.
  if ((header->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
  if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) return std::nullopt;
  const RtnetlinkAttributes attributes(message, sizeof *header);
  const IpAddress any = header->rtm_family == AF_INET ? IpAddress::v4({}) : IpAddress::v6({});
  Route route;
  route.destination = IpPrefix(attributes.address(RTA_DST).value_or(any), header->rtm_dst_len);
  route.type = type_of(header->rtm_type);
  route.link = attributes.u32(RTA_OIF).value_or(0);
  route.gateway = read_gateway(attributes);
  route.source = attributes.address(RTA_PREFSRC);
  route.table = attributes.u32(RTA_TABLE).value_or(header->rtm_table);
  route.metric = attributes.u32(RTA_PRIORITY).value_or(0);
  route.protocol = header->rtm_protocol;
  return route;
}

bool is_usable(RouteType type) {
  return type != RouteType::unreachable && type != RouteType::blackhole && type != RouteType::prohibit &&
         type != RouteType::pass_on;
}

/// A VPN's default route is often two halves of all addresses, 0.0.0.0/1 and 128.0.0.0/1, which win over the
/// one that was there.
bool is_default_route(const IpPrefix& network) {
  return network.length() <= 1;
}

bool is_never_a_clash(const IpPrefix& network) {
  return is_default_route(network) || network.address().is_multicast() ||
         (network.address().is_v6() && network.address().is_link_local());
}

}  // namespace

Result<> add_route(Rtnetlink& netlink, const Route& route) {
  return change(netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route, "add");
}

Result<> replace_route(Rtnetlink& netlink, const Route& route) {
  return change(netlink, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route, "set");
}

Result<> remove_route(Rtnetlink& netlink, const Route& route) {
  return change(netlink, RTM_DELROUTE, 0, route, "remove");
}

Result<std::vector<Route>> list_routes(Rtnetlink& netlink, std::uint32_t table) {
  RtnetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP);
  request.header<rtmsg>();
  return netlink.list<Route>(request, "cannot list the routes of this machine",
                             [table](const nlmsghdr& message) {
                               auto route = read_route(message);
                               if (route && route->table != table) route.reset();
                               return route;
                             });
}

Result<RouteLookup> look_up_route(Rtnetlink& netlink, const IpAddress& to) {
  const IpAddress address = to.unmapped();
  RtnetlinkRequest request(RTM_GETROUTE, 0);
  auto& header = request.header<rtmsg>();
  header.rtm_family = family_of(address);
  header.rtm_dst_len = static_cast<std::uint8_t>(address.octets().size() * 8);
  request.put(RTA_DST, address);
  if (address.scope_id() != 0) request.put_u32(RTA_OIF, address.scope_id());
  std::optional<RouteLookup> found;
  Result<> done =
      netlink.call(request, "there is no way to " + address.to_string(), [&](const nlmsghdr& message) {
        const auto* answer = header_of<rtmsg>(message);
        if (message.nlmsg_type != RTM_NEWROUTE || answer == nullptr) return;
        const RtnetlinkAttributes attributes(message, sizeof *answer);
        found = RouteLookup{type_of(answer->rtm_type), attributes.u32(RTA_OIF).value_or(0),
                            read_gateway(attributes), attributes.address(RTA_PREFSRC)};
      });
  if (!done) {
    // A route of the type "blackhole" answers so.
    if (done.error().code == EINVAL) done.error().kind = ErrorKind::unreachable;
    return std::unexpected(std::move(done.error()));
  }
  // IPv6 answers with the route itself.
  if (!found || !is_usable(found->type))
    return fail(ErrorKind::unreachable,
                fmt::format("there is no way to {}: a route forbids it", address.to_string()), EHOSTUNREACH);
  return *found;
}

Result<std::optional<NetworkClash>> find_network_clash(Rtnetlink& netlink, const IpPrefix& wanted,
                                                       unsigned except) {
  std::optional<std::pair<IpPrefix, unsigned>> clash;
  const auto consider = [&](const IpPrefix& network, unsigned link) {
    if (!clash && link != except && network.overlaps(wanted) && !is_never_a_clash(network))
      clash.emplace(network, link);
  };
  auto addresses = list_addresses(netlink);
  if (!addresses) return std::unexpected(std::move(addresses.error()));
  for (const InterfaceAddress& each : *addresses) consider(each.network(), each.link);
  auto routes = list_routes(netlink);
  if (!routes) return std::unexpected(std::move(routes.error()));
  for (const Route& each : *routes)
    if (each.type == RouteType::unicast && each.link != 0 && !each.gateway)
      consider(each.destination, each.link);
  if (!clash) return std::nullopt;
  const auto link = find_link(netlink, clash->second);  // its name is for people; it may be gone by now
  return NetworkClash{clash->first, link ? link->name : std::string("?")};
}

}  // namespace sallyport::net
