// IpNetwork: what all workers of a gateway share for CONNECT-IP: the addresses that clients are assigned, the
// routes that are advertised to them, and the networks that they may announce themselves.
#pragma once

#include "masque/address_pool.h"
#include "masque/ip_range.h"
#include "net/address.h"

#include <memory>
#include <vector>

namespace sallyport::masque {

struct IpNetwork {
  std::unique_ptr<AddressPool> pool;
  /// As sendable() has them, of the IP versions that the pool has.
  std::vector<IpRange> routes;
  /// What a client may advertise routes to, so that packets for them go into its tunnel.
  std::vector<net::IpPrefix> client_networks;
  bool between_clients = false;  ///< packets may go from one tunnel into another
};

}  // namespace sallyport::masque
