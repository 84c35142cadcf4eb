// AckWatch: loss detection for counters: ngtcp2 does not report lost packets. A packet counts as lost when it
// is unacknowledged and a packet sent three or more packets later is acknowledged (kPacketThreshold, RFC 9002
// §6.1.1). The time threshold is not applied: packets lost at the end of a transfer are counted once a later
// packet is acknowledged. A packet that was only reordered stays counted. Used by PacketTap, for 1-RTT and
// 0-RTT packets (one number space). Optimistic ACK (RFC 9000 §21.4): ngtcp2 1.11 skips no packet numbers, so
// an ACK of a packet that was sent and did not arrive is not detected. An ACK of a packet number that was
// never sent is detected by ngtcp2.
#pragma once

#include "quic/frame_reader.h"

#include <algorithm>
#include <cstdint>

namespace sallyport::quic {

class AckWatch {
 public:
  static constexpr std::uint64_t packet_threshold = 3;

  void on_sent(std::uint64_t number) { next_ = number + 1; }

  /// Calls `on_lost(number)` for each packet that this acknowledgement declares lost. Every packet is judged
  /// once.
  template <class OnLost>
  void on_ack(const AckRanges& ack, OnLost&& on_lost) {
    // ngtcp2 closes the connection on an ACK of packets never sent; here such numbers are ignored.
    if (ack.largest() >= next_ || ack.largest() < judged_) return;
    const std::uint64_t end =
        std::max(judged_, ack.largest() + 1 - std::min(packet_threshold, ack.largest() + 1));
    std::uint64_t at = judged_;
    if (ack.cut) at = std::max(at, std::min(end, ack.ranges[ack.count - 1].first));
    const auto judge_until = [&](std::uint64_t stop) {
      for (; at < stop; ++at) {
        if (was_acked(at)) continue;
        ++lost_;
        on_lost(at);
      }
    };
    for (std::size_t i = ack.count; i-- > 0;) {
      const AckRanges::Range& range = ack.ranges[i];
      if (range.last < at) continue;
      if (range.first >= end) break;
      judge_until(range.first);
      at = std::max(at, range.last + 1);
    }
    judge_until(end);
    // The peer may omit packets that are too new to be judged from later ACK frames, once this one is
    // acknowledged.
    unsigned recent = end - judged_ < 8 ? static_cast<unsigned>(recent_) >> (end - judged_) : 0;
    for (std::uint64_t number = end; number <= ack.largest(); ++number)
      if (ack.covers(number)) recent |= 1u << (number - end);
    judged_ = end;
    recent_ = static_cast<std::uint8_t>(recent);
  }

  std::uint64_t lost() const { return lost_; }
  std::uint64_t next() const { return next_; }

 private:
  bool was_acked(std::uint64_t number) const {
    return number - judged_ < 8 && (recent_ >> (number - judged_) & 1) != 0;
  }

  std::uint64_t next_ = 0;    // the number after the last one sent
  std::uint64_t judged_ = 0;  // all below are known to be acknowledged or lost
  std::uint64_t lost_ = 0;
  std::uint8_t recent_ = 0;  // bit i: judged_ + i, not to be judged yet, is acknowledged
};

}  // namespace sallyport::quic
