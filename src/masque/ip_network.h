// IpNetwork: what all workers of a gateway share for CONNECT-IP: the addresses that clients are assigned, the
// routes that are advertised to them, and the networks that they may announce themselves.
#pragma once

#include "masque/address_pool.h"
#include "masque/ip_range.h"
#include "net/address.h"

#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace sallyport::masque {

/// Who may have which network behind a tunnel: no two overlap, and the first has it. Used by all workers,
/// when routes are advertised.
class ClientNetworks {
 public:
  static constexpr std::size_t most = 16'384;  ///< of all tunnels

  /// False: it overlaps one that is claimed, or there are too many.
  bool claim(const net::IpPrefix& network);
  void release(const net::IpPrefix& network);

 private:
  std::mutex mutex_;
  std::set<net::IpPrefix> claimed_;  // in order of address; none overlaps another
};

struct IpNetwork {
  std::unique_ptr<AddressPool> pool;
  /// As sendable() has them, of the IP versions that the pool has.
  std::vector<IpRange> routes;
  /// What a client may advertise routes to, so that packets for them go into its tunnel.
  std::vector<net::IpPrefix> client_networks;
  const std::unique_ptr<ClientNetworks> claims = std::make_unique<ClientNetworks>();
  bool between_clients = false;  ///< packets may go from one tunnel into another
};

}  // namespace sallyport::masque
