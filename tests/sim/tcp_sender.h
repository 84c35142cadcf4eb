// TcpSender: the sending half of a TCP connection of the simulated network: its send buffer, what the windows
// allow of it, and what is sent again (RFC 5681 and 6582: slow start, congestion avoidance, NewReno; RFC
// 6298: the retransmission timer).
#pragma once

#include "base/bytes.h"
#include "base/time.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::sim {

class TcpSender {
 public:
  /// Of the send buffer, in bytes.
  static constexpr std::size_t capacity = 256 * 1024;
  using Emit = std::function<void(std::uint64_t seq, Bytes data, bool fin)>;

  /// Sends segments by `emit`, which does not call back.
  explicit TcpSender(Emit emit) : emit_(std::move(emit)) {}

  /// The handshake is done: it said the peer's window and the largest segment, and perhaps took this long.
  void start(std::size_t mss, std::uint64_t window, std::optional<Duration> round_trip);
  std::size_t room() const { return capacity - buffered(); }
  /// `bytes` has at most room() bytes.
  void write(Bytes bytes);
  /// A FIN follows what was written.
  void finish() { finishing_ = true; }

  /// Sends what both windows allow.
  void send(Time now);
  /// `may_be_duplicate`: the segment carried nothing else.
  void on_ack(std::uint64_t acked, std::uint64_t window, bool may_be_duplicate, Time now);
  /// When on_timeout() is to be called.
  Time deadline() const { return deadline_; }
  void on_timeout(Time now);
  /// Timeouts since the peer last acknowledged something.
  unsigned timeouts() const { return timeouts_; }

  /// The sequence number of what is sent next.
  std::uint64_t next() const { return next_; }
  /// All was acknowledged, the FIN too.
  bool is_done() const { return finishing_ && una_ == data_end_ + 1; }

 private:
  struct Timed {
    std::uint64_t end;
    Time sent;
  };
  std::size_t buffered() const { return buffer_.size() - dropped_; }
  bool is_outstanding() const { return una_ < highest_; }
  std::uint64_t transmit(std::uint64_t seq, std::size_t size, Time now);
  void transmit_first(Time now);
  void advance(std::uint64_t acked, Time now);
  void drop(std::size_t count);
  void count_duplicate(Time now);
  void grow(std::size_t acked_bytes);
  void sample(Duration round_trip);
  void update_deadline(Time now);
  Duration timeout() const;

  const Emit emit_;
  std::vector<std::uint8_t> buffer_;  // unacknowledged and unsent, after what dropped_ counts
  std::size_t dropped_ = 0;
  std::uint64_t una_ = 1, next_ = 1, highest_ = 1;  // oldest unacknowledged; to be sent; never sent yet
  std::uint64_t data_end_ = 1;                      // where the FIN has its place
  bool finishing_ = false;
  std::uint64_t edge_ = 1;  // of the peer's window

  std::size_t mss_ = 536;
  std::size_t congestion_window_ = 0, slow_start_threshold_ = capacity;
  unsigned duplicates_ = 0;
  bool recovering_ = false;
  std::uint64_t recover_ = 1;  // RFC 6582 §3.2

  std::optional<Timed> timed_;  // the segment that the round trip is measured by
  std::optional<Duration> smoothed_;
  Duration variation_{};
  Duration base_timeout_ = 1s;
  unsigned backoff_ = 0, timeouts_ = 0;
  Time deadline_ = never;
};

}  // namespace sallyport::sim
