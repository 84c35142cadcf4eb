// Addresses of listeners: choosing free ports before any worker starts.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/event_loop.h"

#include <string_view>
#include <vector>

namespace sallyport::gateway {

/// What wants ports.
struct WantedPorts {
  std::string_view flag;  ///< that names the addresses
  std::vector<net::SocketAddress> addresses;
  bool udp = true, tcp = true;
};

/// All addresses in turn, with a port chosen for each port 0, free for UDP and TCP as far as is wanted. The
/// error names the address and the remedy: in use, not permitted, or not of this machine.
Result<std::vector<net::SocketAddress>> claim_ports(net::EventLoop& loop,
                                                    const std::vector<WantedPorts>& wanted);

}  // namespace sallyport::gateway
