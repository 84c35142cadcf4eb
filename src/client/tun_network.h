// TunNetwork: the addresses and routes that `sallyport tun` gives to its machine, or its network namespace.
// Routes into the tunnel are in a table of their own, to which routing rules lead: no route of anybody else's
// is touched, those of networks that the machine is connected to keep their place before ours, and so does
// the way to the first hop. One for each device; owned by its TunLink.
#pragma once

#include "base/result.h"
#include "masque/ip_capsules.h"
#include "net/address.h"
#include "net/routes.h"
#include "net/routing_rules.h"
#include "net/rtnetlink.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::client {

struct TunNetworkOptions {
  std::vector<net::IpPrefix> routes;    ///< into the tunnel, where the proxy advertises them too
  std::vector<net::IpPrefix> excludes;  ///< which stay as they are
  /// Whether the packets of everybody go into the tunnel; else only those of who is bound to the device or to
  /// an address of its.
  bool of_everybody = true;
  /// The device's name where there are several: who is bound to one of them, or to an address of its, uses
  /// that one. Empty: there is one.
  std::string device = {};
};

class TunNetwork {
 public:
  /// Routes into the tunnel that are set up; what a proxy advertises beyond them is an error.
  static constexpr std::size_t max_routes = 1024;

  /// Of the network namespace of this thread. `link`: index of the device, which is up. Removes what earlier
  /// ones left behind that were killed.
  static Result<std::unique_ptr<TunNetwork>> open(unsigned link, TunNetworkOptions options);
  /// Removes all of it.
  ~TunNetwork();
  TunNetwork(const TunNetwork&) = delete;
  TunNetwork& operator=(const TunNetwork&) = delete;

  /// Routes what the options name, around `hop`, the first hop's address. Until set_routes() says more, all
  /// of it is unreachable, so that nothing leaks past the tunnel.
  Result<> take_over(const net::IpAddress& hop);
  /// Routes of the machine's own, other than its default route, those of networks that it is connected to and
  /// the one to `hop`, that win over what the options name.
  Result<std::vector<net::Route>> routes_before_ours(const net::IpAddress& hop);
  /// The addresses of the device from now on. Error kind protocol: one that no host may have, or that belongs
  /// to a network that the machine is connected to.
  Result<> set_addresses(std::span<const net::IpAddress> addresses);
  /// What leads into the tunnel from now on: of the options, what is advertised, and of which the device has
  /// an address.
  Result<> set_routes(std::span<const masque::IpRange> advertised);

  /// Whether the options name prefixes of this IP version.
  bool wants(bool v4) const;
  /// The prefixes that lead into the tunnel now.
  const std::vector<net::IpPrefix>& routed() const { return routed_; }

 private:
  TunNetwork(net::Rtnetlink netlink, unsigned link, TunNetworkOptions options)
      : netlink_(std::move(netlink)), link_(link), options_(std::move(options)) {}
  Result<> add(const net::RoutingRule& rule);
  Result<> add_rules_for_everybody(const net::IpAddress& hop, bool v4);
  net::RoutingRule rule_of_source(const net::IpAddress& address) const;
  Result<> add(const net::Route& route);
  std::uint32_t table() const;
  net::Route into_tunnel(const net::IpPrefix& prefix) const;

  net::Rtnetlink netlink_;
  const unsigned link_;
  const TunNetworkOptions options_;
  std::vector<net::IpAddress> addresses_;
  std::vector<net::IpPrefix> routed_;
  std::vector<net::Route> fixed_;  // unreachable, or excluded
  std::vector<net::RoutingRule> rules_;
};

}  // namespace sallyport::client
