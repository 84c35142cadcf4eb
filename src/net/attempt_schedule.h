// AttemptSchedule: when to try the addresses of a name, one after the other (RFC 8305 §5): the next one a
// while after the last, or as soon as one failed. For TCP's race and for QUIC's; it knows neither. Owned by
// who makes the attempts.
#pragma once

#include "net/timers.h"

#include <cstddef>
#include <functional>
#include <utility>

namespace sallyport::net {

constexpr Duration attempt_delay = 250ms;  ///< Connection Attempt Delay (RFC 8305 §8)

class AttemptSchedule {
 public:
  /// `start` is told to try the address of that number, from 0 on, each once and in order.
  AttemptSchedule(Timers& timers, std::function<void(std::size_t number)> start,
                  Duration delay = attempt_delay)
      : timers_(timers),
        start_(std::move(start)),
        delay_(delay),
        next_(timers, [this](Time) { advance(); }) {}

  /// Starts the first of `count`, which is not 0.
  void begin(std::size_t count) {
    count_ = count;
    started_ = 0;
    advance();
  }
  /// An attempt failed: the next one starts in this call. False when there is none left.
  bool advance() {
    if (!has_more()) return false;
    const std::size_t number = started_++;
    next_.arm(has_more() ? timers_.now() + delay_ : never);
    start_(number);  // may end this
    return true;
  }
  bool has_more() const { return started_ < count_; }
  /// Starts no more.
  void stop() {
    count_ = started_;
    next_.disarm();
  }

 private:
  Timers& timers_;
  const std::function<void(std::size_t)> start_;
  const Duration delay_;
  Timer next_;
  std::size_t count_ = 0, started_ = 0;
};

}  // namespace sallyport::net
