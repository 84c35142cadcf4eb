// IpTunnelFigures: what an operator is shown of an open CONNECT-IP tunnel (IpFlow).
#pragma once

#include "base/time.h"
#include "http/message.h"
#include "net/address.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::masque {

struct IpTunnelFigures {
  std::vector<net::IpAddress> addresses;  ///< that it was assigned, one at least
  std::vector<net::IpPrefix> networks;    ///< that the client announced, and has
  std::string identity;                   ///< who opened it; empty where nobody was asked
  net::SocketAddress client;              ///< the other end of the connection
  http::Version version{};
  Duration open_for{};
  std::uint64_t packets_up = 0, bytes_up = 0;      ///< from the client; before they are routed
  std::uint64_t packets_down = 0, bytes_down = 0;  ///< to the client
  /// Meant for the client: the queue of its connection was full, or they waited in it for too long. The
  /// latter are counted in packets_down as well.
  std::uint64_t dropped_queue = 0;
};

}  // namespace sallyport::masque
