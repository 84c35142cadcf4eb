// Makes the kernel sockets behind UdpSocket: their options, binding and connecting.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/address.h"
#include "net/udp_socket.h"

#include <string>

namespace sallyport::net {

/// Whether the kernel would grant less than the buffers in `options`, as a sentence that names the sysctl;
/// empty where it would not. For programs that say so themselves, with warn_small_buffers off.
std::string small_udp_buffers(const UdpSocketOptions& options);

Result<UniqueFd> open_bound_udp(const SocketAddress& local, const UdpSocketOptions& options);
Result<UniqueFd> open_connected_udp(const SocketAddress& remote, const UdpSocketOptions& options);

}  // namespace sallyport::net
