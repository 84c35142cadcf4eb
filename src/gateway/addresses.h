// Addresses of listeners: choosing free ports before any worker starts.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/event_loop.h"

#include <vector>

namespace sallyport::gateway {

/// The same addresses with a port chosen for each port 0, free for UDP and, with `tcp`, for TCP. The error
/// names the address and the remedy: in use, not permitted, or not of this machine.
Result<std::vector<net::SocketAddress>> claim_ports(net::EventLoop& loop,
                                                    const std::vector<net::SocketAddress>& wanted, bool tcp);

}  // namespace sallyport::gateway
