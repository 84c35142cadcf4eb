// IdleTimer: ends a tunnel through which nothing passes any more (RFC 9298 §3.1 asks a proxy for two minutes
// at least). A member of each Flow, whatever its tunnel carries.
#pragma once

#include "net/timers.h"

#include <functional>

namespace sallyport::masque {

class IdleTimer {
 public:
  /// Not running before touch(). `on_idle` may destroy it.
  IdleTimer(net::Timers& timers, Duration after, std::function<void()> on_idle);

  /// Something passed. Called for everything that does: costs a comparison.
  void touch() { timer_.arm(timers_.now() + after_); }
  void stop() { timer_.disarm(); }

 private:
  net::Timers& timers_;
  const Duration after_;
  net::Timer timer_;
};

}  // namespace sallyport::masque
