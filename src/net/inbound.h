// Inbound: opens a server's listening sockets: the kernel's, or a simulated network's in tests. The layers
// above open sockets only by Inbound and Outbound.
#pragma once

#include "net/tcp.h"
#include "net/udp_socket.h"

#include <memory>

namespace sallyport::net {

/// Which part of a QUIC connection ID names the worker that owns it; see attach_connection_id_steering().
struct SteeringLayout {
  std::size_t workers = 1;
  std::size_t worker_offset = 0, connection_id_length = 0;  ///< in bytes
};

/// A listening UDP socket.
class UdpListener : public DatagramPath {
 public:
  /// Steers each packet to the worker named by its connection ID, where the socket belongs to a complete
  /// SO_REUSEPORT group (UdpSocketOptions::reuse_port). On an error, packets may reach any worker of the
  /// group.
  virtual Result<> steer(const SteeringLayout& layout) = 0;
  virtual UdpSocketStats stats() const = 0;
};

class Inbound {
 public:
  virtual ~Inbound() = default;
  virtual Result<std::unique_ptr<UdpListener>> listen_udp(const SocketAddress& local,
                                                          const UdpSocketOptions& options) = 0;
  /// `accepted` never runs inside this call, and may close or destroy the listener.
  virtual Result<std::unique_ptr<TcpListener>> listen_tcp(const SocketAddress& local,
                                                          const TcpOptions& options,
                                                          TcpListener::Accepted accepted) = 0;
  /// On a Unix-domain socket at `path`; its addresses are default ones.
  virtual Result<std::unique_ptr<TcpListener>> listen_unix(const std::string& path, const TcpOptions& options,
                                                           TcpListener::Accepted accepted) = 0;
};

/// Kernel sockets. `loop` must outlive the result and its sockets.
std::unique_ptr<Inbound> make_kernel_inbound(EventLoop& loop);

}  // namespace sallyport::net
