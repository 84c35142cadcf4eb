// UdpSocket: a DatagramPath over a kernel UDP socket. Receives with recvmmsg and UDP_GRO, sends runs with
// UDP_SEGMENT, carries ECN and, on listening sockets, the local address of each datagram.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/datagram_path.h"
#include "net/event_loop.h"

#include <cstdint>
#include <memory>

namespace sallyport::net {

struct UdpSocketOptions {
  /// Asked for with SO_RCVBUF/SO_SNDBUF (the FORCE forms where we may). If less is granted, one warning for
  /// the process names the sysctl. 0 leaves the system's default.
  std::size_t receive_buffer = 7 * 1024 * 1024;
  std::size_t send_buffer = 7 * 1024 * 1024;
  bool reuse_port = false;  ///< SO_REUSEPORT, for a group of workers
  bool packet_info =
      false;  ///< receive each datagram's local address and reply from it; for listening sockets
  bool dont_fragment = true;        ///< IP_PMTUDISC_PROBE: path MTU discovery is QUIC's (RFC 9000 §14)
  bool report_unreachable = false;  ///< tell the receiver of ICMP errors (on_unreachable); connected sockets
  bool warn_small_buffers = true;
};

/// Counters over the socket's life; read by metrics.
struct UdpSocketStats {
  std::uint64_t datagrams_in = 0, datagrams_out = 0, bytes_in = 0, bytes_out = 0;
  std::uint64_t receive_calls = 0, send_calls = 0;
  std::uint64_t dropped_backlog = 0;    ///< send queue full
  std::uint64_t dropped_too_large = 0;  ///< EMSGSIZE
  std::uint64_t dropped_error = 0;      ///< any other send error
  std::uint64_t dropped_kernel = 0;     ///< SO_RXQ_OVFL: the receive buffer overflowed
  std::uint64_t dropped_truncated = 0;  ///< longer than the receive buffer
};

/// Any call of the receiver may close or destroy the socket. Without a receiver nothing is read.
class UdpSocket final : public DatagramPath {
 public:
  /// For a server: bound to `local` (port 0 takes a free one).
  static Result<std::unique_ptr<UdpSocket>> bind(EventLoop& loop, const SocketAddress& local,
                                                 const UdpSocketOptions& options);
  /// For a client or a proxy's flow: connected to `remote`.
  static Result<std::unique_ptr<UdpSocket>> connect(EventLoop& loop, const SocketAddress& remote,
                                                    const UdpSocketOptions& options);
  /// Takes ownership of a connected, non-blocking datagram socket; its options are not changed.
  static Result<std::unique_ptr<UdpSocket>> adopt(EventLoop& loop, UniqueFd fd, const SocketAddress& remote);
  ~UdpSocket() override;

  void set_receiver(DatagramReceiver* receiver) override;
  SendStatus send(const NetPath& to, const DatagramRun& run) override;
  std::size_t max_datagram_size() const override;
  NetPath net_path() const override;

  /// While false nothing is read; the kernel drops and counts what overflows its buffer.
  void set_reading(bool on) override;
  /// Stops reading and clears the receiver.
  void close();
  int fd() const;
  const UdpSocketStats& stats() const;

 private:
  struct Impl;
  explicit UdpSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::net
