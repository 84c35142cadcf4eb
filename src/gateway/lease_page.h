// The pages /leases and /leases.json of the admin port: the CONNECT-IP tunnels that are open, and the
// addresses that are kept for clients who have none. The fields are documented in docs/gateway.md.
#pragma once

#include "base/time.h"
#include "masque/client_key.h"
#include "masque/ip_tunnel_figures.h"
#include "net/address.h"

#include <string>
#include <utility>
#include <vector>

namespace sallyport::gateway {

struct Leases {
  std::vector<std::vector<masque::IpTunnelFigures>> open;                ///< of each worker
  std::vector<std::pair<net::IpAddress, masque::ClientKey>> remembered;  ///< as the AddressPool has them
};

/// One line each, with tabs between its fields, and a line with their names in front.
std::string leases_as_text(const Leases& leases, WallTime now);
/// One array of objects.
std::string leases_as_json(const Leases& leases, WallTime now);

}  // namespace sallyport::gateway
