// Makes the kernel sockets behind UdpSocket: their options, binding and connecting.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/address.h"
#include "net/udp_socket.h"

namespace sallyport::net {

Result<UniqueFd> open_bound_udp(const SocketAddress& local, const UdpSocketOptions& options);
Result<UniqueFd> open_connected_udp(const SocketAddress& remote, const UdpSocketOptions& options);

}  // namespace sallyport::net
