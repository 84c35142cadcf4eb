#include "client/tun_network.h"

#include "net/interface_addresses.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

// A route of ours says so (`ip route` shows the number), as no other program's does.
constexpr std::uint8_t own_protocol = 83;

/// What both have in common: the longer one, where one contains the other.
std::optional<net::IpPrefix> common(const net::IpPrefix& one, const net::IpPrefix& other) {
  if (one.address().is_v4() != other.address().is_v4() || !one.overlaps(other)) return std::nullopt;
  return one.length() > other.length() ? one : other;
}

/// A default route in two halves, which are preferred to the one that the machine has, and leave it in place.
std::vector<net::IpPrefix> halves(const net::IpPrefix& prefix) {
  if (prefix.length() > 0) return {prefix};
  if (prefix.address().is_v4()) return {{net::IpAddress(), 1}, {net::IpAddress::v4({128, 0, 0, 0}), 1}};
  return {{net::IpAddress::v6({}), 1}, {net::IpAddress::v6({0x80}), 1}};
}

}  // namespace

Result<std::unique_ptr<TunNetwork>> TunNetwork::open(unsigned link, TunNetworkOptions options) {
  auto netlink = net::Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  std::unique_ptr<TunNetwork> network(new TunNetwork(std::move(*netlink), link, std::move(options)));
  for (const net::IpPrefix& prefix : network->options_.excludes)
    if (auto done = network->keep(prefix); !done) return std::unexpected(std::move(done.error()));
  return network;
}

TunNetwork::~TunNetwork() {
  // Those that lead into the device go with it; another program may have removed the others.
  for (const net::Route& route : routes_)
    if (route.type == net::RouteType::unreachable) {
      [[maybe_unused]] const auto removed = net::remove_route(netlink_, route);
    }
  for (const net::Route& route : kept_) {
    [[maybe_unused]] const auto removed = net::remove_route(netlink_, route);
  }
}

Result<> TunNetwork::keep(const net::IpPrefix& prefix) {
  const auto way = net::look_up_route(netlink_, prefix.address());
  if (!way) return {};  // there is none that could be kept
  if (way->type != net::RouteType::unicast) return {};
  const net::Route route{
      .destination = prefix, .link = way->link, .gateway = way->gateway, .protocol = own_protocol};
  auto done = net::add_route(netlink_, route);
  if (!done && done.error().code == EEXIST) return {};  // it is kept by itself
  if (!done) return done;
  kept_.push_back(route);
  return {};
}

Result<> TunNetwork::keep_way(const net::IpAddress& address) {
  return keep({address, address.is_v4() ? 32U : 128U});
}

bool TunNetwork::has_address(bool v4) const {
  return std::ranges::any_of(addresses_,
                             [v4](const net::IpPrefix& each) { return each.address().is_v4() == v4; });
}

Result<> TunNetwork::set_addresses(std::span<const net::IpPrefix> addresses) {
  const auto as_of_link = [this](const net::IpPrefix& prefix) {
    return net::InterfaceAddress{
        .link = link_, .address = prefix.address(), .prefix_length = prefix.length()};
  };
  for (const net::IpPrefix& each : addresses) {
    if (std::ranges::find(addresses_, each) != addresses_.end()) continue;
    if (auto done = net::add_address(netlink_, as_of_link(each)); !done && done.error().code != EEXIST)
      return done;
  }
  for (const net::IpPrefix& each : addresses_) {
    if (std::ranges::find(addresses, each) != addresses.end()) continue;
    if (auto done = net::remove_address(netlink_, as_of_link(each));
        !done && done.error().code != EADDRNOTAVAIL)
      return done;
  }
  addresses_.assign(addresses.begin(), addresses.end());
  return {};
}

Result<> TunNetwork::set_routes(std::span<const masque::IpRange> advertised) {
  std::vector<net::Route> wanted;
  const auto add = [&](const net::IpPrefix& prefix, net::RouteType type) {
    for (const net::IpPrefix& part : halves(prefix)) {
      const net::Route route{.destination = part,
                             .type = type,
                             .link = type == net::RouteType::unicast ? link_ : 0,
                             .protocol = own_protocol};
      if (std::ranges::find(wanted, route) == wanted.end()) wanted.push_back(route);
    }
  };
  for (const net::IpPrefix& prefix : options_.routes) {
    if (!has_address(prefix.address().is_v4())) {
      add(prefix, net::RouteType::unreachable);
      continue;
    }
    for (const masque::IpRange& range : advertised)
      for (const net::IpPrefix& part : masque::prefixes_of(range))
        if (const auto both = common(prefix, part)) add(*both, net::RouteType::unicast);
  }
  for (const net::Route& route : routes_) {
    if (std::ranges::find(wanted, route) != wanted.end()) continue;
    if (auto done = net::remove_route(netlink_, route); !done && done.error().code != ESRCH) return done;
  }
  for (const net::Route& route : wanted) {
    if (std::ranges::find(routes_, route) != routes_.end()) continue;
    if (auto done = net::replace_route(netlink_, route); !done) return done;
  }
  routes_ = std::move(wanted);
  return {};
}

std::vector<net::IpPrefix> TunNetwork::routed() const {
  std::vector<net::IpPrefix> prefixes;
  for (const net::Route& route : routes_)
    if (route.type == net::RouteType::unicast) prefixes.push_back(route.destination);
  return prefixes;
}

}  // namespace sallyport::client
