// AbuseBudget: a token bucket for events that cost us more than they cost the peer
// (docs/threat-model.md, "Rapid Reset" and "frame flood").
// One a connection.
#pragma once

#include "base/time.h"
#include "http/limits.h"

#include <algorithm>
#include <cstdint>

namespace sallyport::http {

class AbuseBudget {
 public:
  AbuseBudget(const Limits& limits, Time now)
      : burst_(limits.abuse_burst),
        per_second_(limits.abuse_per_second),
        tokens_(limits.abuse_burst),
        filled_(now) {}

  /// False when the peer has used up what it had: the connection is to be closed.
  bool spend(Time now, std::uint32_t events = 1) {
    if (tokens_ < events) refill(now);
    if (tokens_ < events) return false;
    tokens_ -= events;
    return true;
  }

  /// Something was done with the peer that was of use: a busy one may cost more.
  void earn(std::uint32_t events) { tokens_ += std::min(events, burst_ - tokens_); }
  /// The same for bytes of bodies, which cost us least: they buy four times `per_second` at most.
  void earn_by_bytes(Time now, std::uint32_t events) {
    if (now - earning_since_ >= std::chrono::seconds(1)) {
      earning_since_ = now;
      earned_ = 0;
    }
    events = std::min({events, burst_ - tokens_, 4 * per_second_ - earned_});
    earned_ += events;
    earn(events);
  }

 private:
  // Whole tokens only; the rest of the time stays in filled_.
  void refill(Time now) {
    if (per_second_ == 0 || now <= filled_) return;
    const auto interval = Duration(std::chrono::seconds(1)) / per_second_;
    const auto earned = (now - filled_) / interval;
    if (earned >= burst_ - tokens_) {
      tokens_ = burst_;
      filled_ = now;
    } else {
      tokens_ += static_cast<std::uint32_t>(earned);
      filled_ += interval * earned;
    }
  }

  std::uint32_t burst_, per_second_, tokens_, earned_ = 0;
  Time filled_, earning_since_{};
};

}  // namespace sallyport::http
