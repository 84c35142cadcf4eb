// ReceiveWindow: when to grow a flow-control window (RFC 9000 §4.2, RFC 9113 §5.2). When a window, or the
// share of it that is granted at a time, is consumed within two round trips, the window limits the rate, so
// it doubles, up to a bound. For quic's streams, and for HTTP/2.
#pragma once

#include "base/time.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sallyport::quic {

class ReceiveWindow {
 public:
  /// The window grows when a `share`th of it is consumed. It stays at `size` with a `largest` of 0.
  ReceiveWindow(std::size_t size, std::size_t largest, std::size_t share = 1)
      : size_(size), largest_(largest), share_(share) {}

  std::size_t size() const { return size_; }
  /// `bytes` were consumed. True when size() has grown. `round_trip` may be zero: not known yet.
  bool consumed(std::size_t bytes, Time now, Duration round_trip) {
    if (size_ >= largest_) return false;
    if (emptied_ == 0) since_ = now;
    emptied_ += bytes;
    if (emptied_ < size_ / share_) return false;
    emptied_ = 0;
    if (now - since_ > 2 * round_trip) return false;
    size_ = size_ > largest_ / 2 ? largest_ : size_ * 2;
    return true;
  }
  /// Lowers the bound. Returns by how much size() shrank: this much was granted already, so withhold it from
  /// the credit for consumed bytes.
  std::size_t lower(std::size_t largest) {
    largest_ = std::min(largest_, largest);
    const std::size_t before = size_;
    size_ = std::min(size_, largest);
    return before - size_;
  }

 private:
  std::size_t size_;
  std::size_t largest_;
  std::size_t share_;
  std::size_t emptied_ = 0;
  Time since_{};
};

}  // namespace sallyport::quic
