// Outbound: how clients and proxies reach the world: names, UDP and TCP. The kernel's sockets in earnest, a
// simulated network in tests; nothing above opens a socket by another way.
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

/// What the sockets that were opened add up to, those that are gone too.
struct OutboundStats {
  UdpSocketStats udp;
  std::uint64_t shortages = 0;  ///< not opened for want of descriptors or memory
};

enum class UdpBuffers : std::uint8_t {
  large,   ///< for full speed
  system,  ///< the system's default, which many sockets of one peer may have without harm to the rest
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
  /// this call, nor does `failed`, which is told of each address that could not be reached (may be null).
  virtual std::unique_ptr<TcpConnecting> open_tcp(const std::vector<SocketAddress>& targets, Duration timeout,
                                                  TcpConnected connected, TcpAddressFailed failed) = 0;
  /// Whether `address` is this machine's own at this moment: what is sent there never leaves it.
  virtual bool is_own(const IpAddress& /*address*/) { return false; }
  /// A simulated network has no sockets, and so counts nothing.
  virtual OutboundStats stats() const { return {}; }
};

/// What the sockets of a kernel Outbound are opened with.
struct OutboundOptions {
  std::size_t udp_receive_buffer =
      7 * 1024 * 1024;  ///< bytes; a proxy with many flows wants less than a client
  std::size_t udp_send_buffer = 7 * 1024 * 1024;
  bool warn_small_buffers = true;  ///< as in UdpSocketOptions
  /// Each name is looked up once (remembering_resolver.h): for a client of very many connections.
  bool remember_names = false;
  /// UDP sockets leave this many of the last descriptors that the process may have to others.
  unsigned leave_descriptors = 0;
};

/// Sockets of the kernel and the system's resolver. `loop` must outlive the result.
std::unique_ptr<Outbound> make_kernel_outbound(EventLoop& loop, const OutboundOptions& options);

}  // namespace sallyport::net
