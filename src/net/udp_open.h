// Makes the kernel sockets behind UdpSocket: their options, binding and connecting.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/address.h"
#include "net/udp_socket.h"

#include <string>

namespace sallyport::net {

/// If the kernel would grant smaller buffers than in `options`, a sentence that names the sysctl; empty
/// otherwise. For programs that report this themselves, with warn_small_buffers off.
std::string small_udp_buffers(const UdpSocketOptions& options);

Result<UniqueFd> open_bound_udp(const SocketAddress& local, const UdpSocketOptions& options);
Result<UniqueFd> open_connected_udp(const SocketAddress& remote, const UdpSocketOptions& options);

}  // namespace sallyport::net
