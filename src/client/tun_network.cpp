#include "client/tun_network.h"

#include "net/interface_addresses.h"
#include "net/links.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <linux/rtnetlink.h>

namespace sallyport::client {
namespace {

// Routes and rules of ours say so (`ip route` and `ip rule` show the number), as no other program's do.
constexpr std::uint8_t own_protocol = 83;
// A table for each device: `sun` in letters, with the device's index.
constexpr std::uint32_t first_table = 0x53'000'000, last_table = 0x53'ffffff;
// Of the first of four rules, all before the main table's own: the way to the hop, which is unreachable where
// that table has none, lest its own packets go into the tunnel; the main table without its default route, our
// table. Other numbers for each device, so that no two have the same rules.
std::uint32_t first_priority(unsigned link) {
  return 5300 + link % 6000 * 4;
}
// Before those, so that who is bound to one of several devices uses that one.
constexpr std::uint32_t bound_priority = 5299;
// Behind every other.
constexpr std::uint32_t last_metric = 0xffff0000;

/// What both have in common: the longer one, where one contains the other.
std::optional<net::IpPrefix> common(const net::IpPrefix& one, const net::IpPrefix& other) {
  if (one.address().is_v4() != other.address().is_v4() || !one.overlaps(other)) return std::nullopt;
  return one.length() > other.length() ? one : other;
}

/// Removes what a process left behind whose device is gone.
Result<> sweep(net::Rtnetlink& netlink) {
  const auto rules = net::list_rules(netlink);
  if (!rules) return std::unexpected(rules.error());
  for (const net::RoutingRule& rule : *rules) {
    if (rule.protocol != own_protocol) continue;
    const bool in_own_table = rule.table >= first_table && rule.table <= last_table;
    // The rules for the main table belong to the one that leads to a table of ours.
    if (in_own_table && net::find_link(netlink, rule.table - first_table)) return {};
  }
  for (const net::RoutingRule& rule : *rules) {
    if (rule.protocol != own_protocol) continue;
    [[maybe_unused]] const auto removed = net::remove_rule(netlink, rule);
    if (rule.table < first_table || rule.table > last_table) continue;
    const auto routes = net::list_routes(netlink, rule.table);
    if (!routes) continue;
    for (const net::Route& route : *routes) {
      [[maybe_unused]] const auto gone = net::remove_route(netlink, route);
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TunNetwork>> TunNetwork::open(unsigned link, TunNetworkOptions options) {
  auto netlink = net::Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  if (auto swept = sweep(*netlink); !swept) return std::unexpected(std::move(swept.error()));
  return std::unique_ptr<TunNetwork>(new TunNetwork(std::move(*netlink), link, std::move(options)));
}

TunNetwork::~TunNetwork() {
  // Rules first: without them nothing of the table is looked at. What somebody else removed is gone.
  for (const net::RoutingRule& rule : rules_) {
    [[maybe_unused]] const auto removed = net::remove_rule(netlink_, rule);
  }
  for (const net::Route& route : fixed_) {
    [[maybe_unused]] const auto removed = net::remove_route(netlink_, route);
  }
  for (const net::IpPrefix& prefix : routed_) {
    [[maybe_unused]] const auto removed = net::remove_route(netlink_, into_tunnel(prefix));
  }
}

std::uint32_t TunNetwork::table() const {
  return first_table + link_;
}

net::Route TunNetwork::into_tunnel(const net::IpPrefix& prefix) const {
  return {.destination = prefix, .link = link_, .table = table(), .metric = 1, .protocol = own_protocol};
}

Result<> TunNetwork::add(const net::RoutingRule& rule) {
  if (auto done = net::add_rule(netlink_, rule); !done) return done;
  rules_.push_back(rule);
  return {};
}

Result<> TunNetwork::add(const net::Route& route) {
  if (auto done = net::add_route(netlink_, route); !done) return done;
  fixed_.push_back(route);
  return {};
}

Result<> TunNetwork::take_over(const net::IpAddress& hop) {
  for (const net::IpPrefix& prefix : options_.routes)
    if (auto done = add(net::Route{.destination = prefix,
                                   .type = net::RouteType::unreachable,
                                   .table = table(),
                                   .metric = last_metric,
                                   .protocol = own_protocol});
        !done)
      return done;
  for (const net::IpPrefix& prefix : options_.excludes)
    if (auto done = add(net::Route{.destination = prefix,
                                   .type = net::RouteType::pass_on,
                                   .table = table(),
                                   .protocol = own_protocol});
        !done)
      return done;
  for (const bool v4 : {true, false}) {
    if (!wants(v4)) continue;
    if (!options_.device.empty())
      if (auto done = add({.v4 = v4,
                           .priority = bound_priority,
                           .table = table(),
                           .out_link = options_.device,
                           .protocol = own_protocol});
          !done)
        return done;
    if (!options_.of_everybody) continue;
    if (auto done = add_rules_for_everybody(hop, v4); !done) return done;
  }
  return {};
}

Result<> TunNetwork::add_rules_for_everybody(const net::IpAddress& hop, bool v4) {
  net::RoutingRule rule{.v4 = v4, .protocol = own_protocol};
  rule.table = net::main_route_table;
  if (hop.is_v4() == v4) {
    rule.priority = first_priority(link_);
    rule.destination = masque::host_prefix(hop);
    if (auto done = add(rule); !done) return done;
    if (auto done = add({.v4 = v4,
                         .priority = first_priority(link_) + 1,
                         .action = net::RuleAction::unreachable,
                         .destination = rule.destination,
                         .protocol = own_protocol});
        !done)
      return done;
    rule.destination.reset();
  }
  rule.priority = first_priority(link_) + 2;
  rule.suppress_prefix_length = 0;
  if (auto done = add(rule); !done) return done;
  rule.suppress_prefix_length.reset();
  rule.priority = first_priority(link_) + 3;
  rule.table = table();
  return add(rule);
}

bool TunNetwork::wants(bool v4) const {
  return std::ranges::any_of(options_.routes,
                             [v4](const auto& each) { return each.address().is_v4() == v4; });
}

net::RoutingRule TunNetwork::rule_of_source(const net::IpAddress& address) const {
  return {.v4 = address.is_v4(),
          .priority = bound_priority,
          .table = table(),
          .source = masque::host_prefix(address),
          .protocol = own_protocol};
}

Result<std::vector<net::Route>> TunNetwork::routes_before_ours(const net::IpAddress& hop) {
  auto all = net::list_routes(netlink_);
  if (!all || !options_.of_everybody) return all ? std::vector<net::Route>() : std::move(all);
  std::erase_if(*all, [&](const net::Route& route) {
    const net::IpPrefix& to = route.destination;
    const auto overlaps = [&](const net::IpPrefix& other) {
      return other.address().is_v4() == to.address().is_v4() && other.overlaps(to);
    };
    const auto covers = [&](const net::IpPrefix& other) {
      return other.length() <= to.length() && other.contains(to.address());
    };
    const bool is_of_a_connected_network =
        !route.gateway &&
        (route.protocol == RTPROT_KERNEL || route.protocol == RTPROT_RA || route.protocol == RTPROT_DHCP);
    return route.type != net::RouteType::unicast || to.length() == 0 || route.link == link_ ||
           is_of_a_connected_network || to == masque::host_prefix(hop) || to.address().is_multicast() ||
           to.address().is_link_local() || std::ranges::none_of(options_.routes, overlaps) ||
           std::ranges::any_of(options_.excludes, covers);
  });
  return all;
}

Result<> TunNetwork::set_addresses(std::span<const net::IpAddress> addresses) {
  const auto as_of_link = [this](const net::IpAddress& address) {
    return net::InterfaceAddress{
        .link = link_, .address = address, .prefix_length = masque::host_prefix(address).length()};
  };
  for (const net::IpAddress& each : addresses) {
    if (std::ranges::find(addresses_, each) != addresses_.end()) continue;
    if (each.is_unspecified() || each.is_loopback() || each.is_multicast() || each.is_link_local())
      return fail(ErrorKind::protocol,
                  fmt::format("the proxy assigned {}, which no host can have", each.to_string()));
    const auto clash = net::find_network_clash(netlink_, masque::host_prefix(each), link_);
    if (!clash) return std::unexpected(clash.error());
    if (*clash)
      return fail(ErrorKind::protocol,
                  fmt::format("the proxy assigned {}, and this machine has {} on {}", each.to_string(),
                              (*clash)->network.to_string(), (*clash)->link));
    if (auto done = net::add_address(netlink_, as_of_link(each)); !done && done.error().code != EEXIST)
      return done;
    addresses_.push_back(each);
    if (!options_.device.empty())
      if (auto done = add(rule_of_source(each)); !done) return done;
  }
  for (std::size_t i = 0; i < addresses_.size();) {
    if (std::ranges::find(addresses, addresses_[i]) != addresses.end()) {
      ++i;
      continue;
    }
    if (auto done = net::remove_address(netlink_, as_of_link(addresses_[i]));
        !done && done.error().code != EADDRNOTAVAIL)
      return done;
    std::erase_if(rules_, [&](const net::RoutingRule& rule) {
      if (rule != rule_of_source(addresses_[i])) return false;
      [[maybe_unused]] const auto removed = net::remove_rule(netlink_, rule);
      return true;
    });
    addresses_.erase(addresses_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return {};
}

Result<> TunNetwork::set_routes(std::span<const masque::IpRange> advertised) {
  std::vector<net::IpPrefix> wanted;
  for (const masque::IpRange& range : advertised) {
    const bool has_address = std::ranges::any_of(
        addresses_, [&](const net::IpAddress& each) { return each.is_v4() == range.is_v4(); });
    // Of a single protocol the kernel knows no routes.
    if (!has_address || range.protocol != masque::any_protocol) continue;
    for (const net::IpPrefix& part : masque::prefixes_of(range))
      for (const net::IpPrefix& prefix : options_.routes)
        if (const auto both = common(prefix, part)) wanted.push_back(*both);
    if (wanted.size() > max_routes)
      return fail(
          ErrorKind::resource,
          fmt::format("the proxy advertises routes that make more than {} of this machine's", max_routes));
  }
  std::ranges::sort(wanted);
  wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());
  // What an exclude covers is left to it: a longer route of ours would win.
  std::erase_if(wanted, [this](const net::IpPrefix& prefix) {
    return std::ranges::any_of(options_.excludes, [&](const net::IpPrefix& exclude) {
      return exclude.length() <= prefix.length() && exclude.contains(prefix.address());
    });
  });
  for (const net::IpPrefix& prefix : wanted) {
    if (std::ranges::binary_search(routed_, prefix)) continue;
    if (auto done = net::replace_route(netlink_, into_tunnel(prefix)); !done) return done;
    routed_.insert(std::ranges::upper_bound(routed_, prefix), prefix);
  }
  for (std::size_t i = 0; i < routed_.size();) {
    if (std::ranges::binary_search(wanted, routed_[i])) {
      ++i;
      continue;
    }
    if (auto done = net::remove_route(netlink_, into_tunnel(routed_[i])); !done && done.error().code != ESRCH)
      return done;
    routed_.erase(routed_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return {};
}

}  // namespace sallyport::client
