// LossInference: infers which sent packets the sender declared lost from the ACK frames it received (RFC 9002
// §6.1). For traces of a QUIC library that does not report losses. What it did not see is never called lost:
// on_gap(). One thread; memory is bounded.
#pragma once

#include "base/time.h"
#include "trace/recorder.h"

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

namespace sallyport::trace {

class LossInference {
 public:
  struct Lost {
    PacketType type{};
    std::uint64_t number = 0;
    bool by_time = false;  ///< the time threshold (§6.1.2), not the packet threshold (§6.1.1)
    bool probe = false;    ///< was sent as a path MTU probe
  };

  /// A packet number space forgets its oldest packets, unjudged, beyond this many that wait for an
  /// acknowledgement.
  static constexpr std::size_t max_tracked = 1 << 16;

  /// A packet was sent; only ack-eliciting ones are tracked. Numbers of one space only grow.
  void on_sent(Time now, PacketType type, std::uint64_t number, bool ack_eliciting, bool probe);
  /// One range of an ACK frame received in a packet of `type`; on_ack_end() follows the last range.
  void on_acked(PacketType type, std::uint64_t low, std::uint64_t high);
  /// Detects losses after the ACK frame. Calls found(const Lost&).
  template <class Found>
  void on_ack_end(Time now, PacketType type, Found&& found) {
    Space& space = space_of(type);
    take_sample(now, space);
    judge(now, space, found);
  }
  /// Another detector declared this packet lost. Nothing where it was not tracked, or is already acknowledged
  /// or lost.
  std::optional<Lost> on_reported(PacketType type, std::uint64_t number);
  /// Events are missing here, maybe acknowledgements of packets sent before: of those, only what
  /// on_reported() names is lost. RTT samples may be missing too, and nothing is judged by time any more.
  void on_gap();
  /// The keys of `type` are gone (RFC 9001 §4.9): packets in flight count neither as lost nor as delivered.
  void forget(PacketType type);
  /// Judges by time alone; cheap to call for every event.
  template <class Found>
  void advance(Time now, Found&& found) {
    if (now < next_deadline_) return;
    next_deadline_ = never;
    for (Space& space : spaces_) judge(now, space, found);
  }

 private:
  struct Sent {
    std::uint64_t number = 0;
    Time at{};
    PacketType type{};
    bool probe = false;
    bool done = false;      ///< acknowledged or lost
    bool doubtful = false;  ///< a gap followed
  };
  struct Space {
    std::deque<Sent> sent;  ///< by number; the front one is never done
    std::uint64_t largest_sent = 0;
    std::uint64_t largest_acked = 0;
    bool any_acked = false;
    Time newly_acked_at =
        never;  ///< when the largest newly acknowledged packet of the current ACK frame was sent
  };

  static constexpr std::uint64_t packet_threshold = 3;

  Space& space_of(PacketType type);
  void take_sample(Time now, Space& space);
  Duration loss_delay() const;

  template <class Found>
  void judge(Time now, Space& space, Found&& found) {
    if (!space.any_acked) return;
    const Duration delay = loss_delay();
    for (Sent& packet : space.sent) {
      if (packet.number > space.largest_acked) break;
      if (packet.done || packet.doubtful) continue;
      const bool by_number = space.largest_acked - packet.number >= packet_threshold;
      const bool by_time = !any_gap_ && packet.at + delay <= now;
      if (by_number || by_time) {
        packet.done = true;
        found(Lost{packet.type, packet.number, !by_number, packet.probe});
      } else if (!any_gap_ && packet.at + delay < next_deadline_) {
        next_deadline_ = packet.at + delay;
      }
    }
    trim(space);
  }
  static void trim(Space& space);
  static void trim_doubtful(Space& space);
  /// The first packet of at least that number.
  static std::deque<Sent>::iterator find(Space& space, std::uint64_t number);

  std::array<Space, 3> spaces_;
  Duration smoothed_rtt_ = Duration::zero(), latest_rtt_ = Duration::zero();  ///< zero: no sample yet
  Time next_deadline_ = never;
  bool any_gap_ = false;
};

}  // namespace sallyport::trace
