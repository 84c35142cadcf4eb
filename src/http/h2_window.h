// H2Window: when to grow a receive window (RFC 9113 §5.2). A reader that empties a whole window within two
// round trips is held back by it, so the window doubles, up to a bound. One for each stream and one for the
// connection.
#pragma once

#include "base/time.h"

#include <algorithm>
#include <cstdint>

namespace sallyport::http {

inline constexpr std::int32_t h2_stream_window = 512 * 1024;
inline constexpr std::int32_t h2_connection_window = 1024 * 1024;
inline constexpr std::int32_t h2_largest_window = 16 * 1024 * 1024;

class H2Window {
 public:
  H2Window(std::int32_t size, std::int32_t largest) : size_(size), largest_(largest) {}

  std::int32_t size() const { return size_; }
  /// `bytes` were consumed. True when size() has grown. `round_trip` may be zero: not known yet.
  bool consumed(std::size_t bytes, Time now, Duration round_trip) {
    if (size_ >= largest_) return false;
    if (emptied_ == 0) since_ = now;
    emptied_ += bytes;
    if (emptied_ < static_cast<std::size_t>(size_)) return false;
    emptied_ = 0;
    if (now - since_ > 2 * round_trip) return false;
    size_ = size_ > largest_ / 2 ? largest_ : size_ * 2;
    return true;
  }

 private:
  std::int32_t size_;
  std::int32_t largest_;
  std::size_t emptied_ = 0;
  Time since_{};
};

}  // namespace sallyport::http
