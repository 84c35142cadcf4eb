// TunNetwork: the addresses and routes that `sallyport tun` gives to its machine, or its network namespace:
// which go into the tunnel, which are kept out of it, and the way to the first hop. What the device does not
// take along when it goes is removed at the end. Owned by Tun.
#pragma once

#include "base/result.h"
#include "masque/ip_capsules.h"
#include "net/address.h"
#include "net/routes.h"
#include "net/rtnetlink.h"

#include <memory>
#include <span>
#include <vector>

namespace sallyport::client {

struct TunNetworkOptions {
  std::vector<net::IpPrefix> routes;    ///< into the tunnel, where the proxy advertises them too
  std::vector<net::IpPrefix> excludes;  ///< which stay as they are
};

class TunNetwork {
 public:
  /// Of the network namespace of this thread. `link`: index of the device, which is up.
  static Result<std::unique_ptr<TunNetwork>> open(unsigned link, TunNetworkOptions options);
  /// Removes what is not the device's.
  ~TunNetwork();
  TunNetwork(const TunNetwork&) = delete;
  TunNetwork& operator=(const TunNetwork&) = delete;

  /// Packets to `address`, the first hop's, go where they go now. Before routes() is called.
  Result<> keep_way(const net::IpAddress& address);
  /// The addresses of the device from now on.
  Result<> set_addresses(std::span<const net::IpPrefix> addresses);
  /// The routes of the device from now on: those of the options that are advertised. Those of an IP version
  /// of which the device has no address are made unreachable, so that nothing leaks past the tunnel.
  Result<> set_routes(std::span<const masque::IpRange> advertised);

  /// The prefixes that lead into the tunnel now.
  std::vector<net::IpPrefix> routed() const;

 private:
  TunNetwork(net::Rtnetlink netlink, unsigned link, TunNetworkOptions options)
      : netlink_(std::move(netlink)), link_(link), options_(std::move(options)) {}
  Result<> keep(const net::IpPrefix& prefix);
  bool has_address(bool v4) const;

  net::Rtnetlink netlink_;
  const unsigned link_;
  const TunNetworkOptions options_;
  std::vector<net::IpPrefix> addresses_;
  std::vector<net::Route> routes_;  // into the tunnel, or unreachable in its place
  std::vector<net::Route> kept_;    // around it
};

}  // namespace sallyport::client
