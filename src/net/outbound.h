// Outbound: resolves names and opens UDP and TCP sockets for clients and proxies: the kernel's, or a
// simulated network's in tests. The layers above open sockets only by Inbound and Outbound.
#pragma once

#include "net/datagram_path.h"
#include "net/event_loop.h"
#include "net/resolver.h"
#include "net/tcp.h"
#include "net/udp_socket.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace sallyport::net {

/// The sums over all sockets opened, closed ones included.
struct OutboundStats {
  UdpSocketStats udp;
  std::uint64_t shortages = 0;  ///< not opened: no descriptors or memory
};

enum class UdpBuffers : std::uint8_t {
  large,   ///< for full speed
  system,  ///< the system's default, for the many further sockets of one peer
};

class Outbound {
 public:
  virtual ~Outbound() = default;
  virtual Resolver& resolver() = 0;
  /// A socket of its own, connected to `target`.
  virtual Result<std::unique_ptr<DatagramPath>> open_udp(const SocketAddress& target, UdpBuffers buffers) = 0;
  Result<std::unique_ptr<DatagramPath>> open_udp(const SocketAddress& target) {
    return open_udp(target, UdpBuffers::large);
  }
  /// Races `targets` in order (Happy Eyeballs); destroying the result cancels. The callback never runs inside
  /// this call, nor does `failed` (may be null), which is called for each address that could not be reached.
  virtual std::unique_ptr<TcpConnecting> open_tcp(const std::vector<SocketAddress>& targets, Duration timeout,
                                                  TcpConnected connected, TcpAddressFailed failed) = 0;
  /// Whether `address` is one of this machine's own now: packets to it never leave the machine.
  virtual bool is_own(const IpAddress& /*address*/) { return false; }
  /// A simulated network has no sockets, and so counts nothing.
  virtual OutboundStats stats() const { return {}; }
};

/// Socket options of a kernel Outbound.
struct OutboundOptions {
  std::size_t udp_receive_buffer =
      7 * 1024 * 1024;  ///< bytes; a proxy with many flows wants less than a client
  std::size_t udp_send_buffer = 7 * 1024 * 1024;
  bool warn_small_buffers = true;  ///< as in UdpSocketOptions
  /// Each name is resolved once (remembering_resolver.h): for a client of very many connections.
  bool remember_names = false;
  /// UDP sockets leave this many of the process's last descriptors free for others.
  unsigned leave_descriptors = 0;
};

/// Sockets of the kernel and the system's resolver. `loop` must outlive the result.
std::unique_ptr<Outbound> make_kernel_outbound(EventLoop& loop, const OutboundOptions& options);

}  // namespace sallyport::net
