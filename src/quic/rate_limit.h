// Rate limits for answers: RateLimit, a token bucket, where the address is not validated (Version
// Negotiation, stateless resets, refusals); EverRarer in the closing state.
#pragma once

#include "base/time.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

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

/// At the first, second, fourth, eighth ... datagram (RFC 9000 §10.2.1).
class EverRarer {
 public:
  /// Whether to answer `more` datagrams that were just received.
  bool is_due(std::uint64_t more) {
    const std::uint64_t before = std::exchange(seen_, seen_ + more);
    return std::bit_width(before) != std::bit_width(seen_);
  }

 private:
  std::uint64_t seen_ = 0;
};

}  // namespace sallyport::quic
