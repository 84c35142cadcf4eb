// TcpReceiver: the receiving half of a TCP connection of the simulated network: puts segments in order and
// holds what nobody has read yet, of which the receive window is what is left over (RFC 9293 §3.8.6).
#pragma once

#include "tcp_segment.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace sallyport::sim {

class TcpReceiver {
 public:
  /// Of the receive buffer, in bytes.
  static constexpr std::size_t capacity = 256 * 1024;

  /// Takes what is new and fits the window; true when the next one expected moved on.
  bool take(const TcpSegment& segment);
  /// What to acknowledge.
  std::uint64_t next() const { return next_; }
  std::size_t window() const { return capacity - unread_.size(); }
  /// The FIN came, and all before it.
  bool ended() const { return ended_; }
  std::size_t unread() const { return unread_.size(); }
  /// At most `most` bytes; none when there are none.
  std::vector<std::uint8_t> read(std::size_t most);

 private:
  void join();

  std::uint64_t next_ = 1;  // after the SYN
  std::vector<std::uint8_t> unread_;
  std::map<std::uint64_t, std::vector<std::uint8_t>> pieces_;  // beyond next_, by their sequence numbers
  std::optional<std::uint64_t> fin_;                           // its sequence number
  bool ended_ = false;
};

}  // namespace sallyport::sim
