#include "quic/codel.h"

#include <cmath>

namespace sallyport::quic {
namespace {

// How soon after a series of drops another one goes on where that one was (RFC 8289 §5.5: some intervals).
constexpr int remembered_intervals = 16;

/// The control law of RFC 8289 §3.3.
Duration pause_after(std::uint32_t drops, Duration interval) {
  return Duration(static_cast<std::int64_t>(static_cast<double>(interval.count()) / std::sqrt(drops)));
}

}  // namespace

bool CoDel::is_above(Duration sojourn, bool standing, Duration target, Duration interval, Time now) {
  if (sojourn < target || !standing) {
    above_since_ = {};
    return false;
  }
  if (above_since_ == Time{}) above_since_ = now;
  return now - above_since_ >= interval;
}

bool CoDel::drops(Duration sojourn, bool standing, Duration target, Duration interval, Time now) {
  const bool above = is_above(sojourn, standing, target, interval, now);
  if (!above) {
    dropping_ = false;
    return false;
  }
  if (dropping_) {
    if (now < next_) return false;
    next_ += pause_after(++count_, interval);
    return true;
  }
  dropping_ = true;
  const std::uint32_t before = count_ - last_count_;
  count_ = before > 1 && now - next_ < remembered_intervals * interval ? before : 1;
  last_count_ = count_;
  next_ = now + pause_after(count_, interval);
  return true;
}

}  // namespace sallyport::quic
