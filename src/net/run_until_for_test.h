// Runs a loop until a test's condition holds.
#pragma once

#include "net/event_loop.h"

#include <chrono>
#include <functional>

#include <gtest/gtest.h>

namespace sallyport::net {

/// Runs turns until `done`; `patience` guards against hanging only.
inline void run_until(EventLoop& loop, const std::function<bool()>& done, Duration patience) {
  const Time end = std::chrono::steady_clock::now() + patience;
  Timer timer(loop.timers(), [&](Time now) {
    if (done()) return loop.stop();
    if (now > end) {
      ADD_FAILURE() << "nothing came in time";
      return loop.stop();
    }
    timer.arm(now + 200us);
  });
  timer.arm(Time{});
  loop.run();
}

/// Runs this many turns, each of which polls every socket: to show that something does not happen.
inline void run_turns(EventLoop& loop, int count) {
  std::function<void()> next = [&] {
    if (count-- > 0) return loop.post(next);
    loop.stop();
  };
  next();
  loop.run();
}

}  // namespace sallyport::net
