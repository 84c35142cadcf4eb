// RateLimit: a token bucket, for answers to packets whose sender is unproven (Version Negotiation, stateless
// resets, refusals).
#pragma once

#include "base/time.h"

#include <algorithm>
#include <cstdint>

namespace sallyport::quic {

class RateLimit {
 public:
  RateLimit(std::uint32_t per_second, std::uint32_t burst)
      : cost_(Duration(1s) / per_second), depth_(cost_ * burst) {}

  /// Whether one more is allowed at `now`; if so it is counted.
  bool allow(Time now) {
    full_at_ = std::max(full_at_, now);
    if (full_at_ + cost_ > now + depth_) return false;
    full_at_ += cost_;
    return true;
  }

 private:
  Duration cost_, depth_;
  Time full_at_{};  // when the bucket will have filled up again
};

}  // namespace sallyport::quic
