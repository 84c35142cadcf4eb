// UdpReceiveBatch: one recvmmsg call's messages, each a run of datagrams that UDP_GRO joined. One a thread,
// not for each socket: thousands of idle sockets need no buffers.
#pragma once

#include "net/datagram_path.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace sallyport::net {

/// The bytes live until the batch's next receive().
struct ReceivedMessage {
  DatagramRun run;
  SocketAddress remote;                ///< set only when names were asked for
  std::optional<SocketAddress> local;  ///< without port; where packet info is on
  std::optional<std::uint32_t>
      overflow;            ///< SO_RXQ_OVFL: datagrams dropped since the socket was made, modulo 2^32
  bool truncated = false;  ///< longer than the buffer: unusable, and no other member is set
};

class UdpReceiveBatch {
 public:
  static constexpr std::size_t capacity = 16;
  static UdpReceiveBatch& of_this_thread();

  /// The number of messages received, at most `limit` (up to capacity); 0 when `error` is set.
  std::size_t receive(int fd, std::size_t limit, bool want_names, int& error);
  /// `index` < the result of receive().
  ReceivedMessage message(std::size_t index) const;

 private:
  UdpReceiveBatch();
  struct Slots;
  std::unique_ptr<Slots> slots_;
};

}  // namespace sallyport::net
