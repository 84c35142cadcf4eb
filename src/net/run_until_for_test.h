// A loop that runs until what a test waits for has come about.
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

/// Runs that many turns, each of which looks at every socket: for what is not to happen.
inline void run_turns(EventLoop& loop, int count) {
  std::function<void()> next = [&] {
    if (count-- > 0) return loop.post(next);
    loop.stop();
  };
  next();
  loop.run();
}

}  // namespace sallyport::net
