// EventLoop: one thread's event loop, on epoll. Each worker owns one; all waiting for the kernel in net is
// done here. A turn is: the ready sockets, posted work, the due timers, then the deferred work; it has one
// time, timers().now(), read from the clock when the wait before it ended.
#pragma once

#include "base/time.h"
#include "net/timers.h"

#include <functional>
#include <initializer_list>
#include <memory>

namespace sallyport::net {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Timers& timers() { return timers_; }
  /// Runs turns until stop(); may be called again after it.
  void run();
  /// Ends run() after the current turn, or after its first one. From any thread or from inside the loop.
  void stop();
  /// Runs `work` in a later turn on the loop's thread, or never, if the loop is destroyed before. From any
  /// thread.
  void post(std::function<void()> work);
  /// Calls `handler(signal)` on the loop for each SIGINT, SIGTERM, SIGHUP ... in `signals`.
  void on_signals(std::initializer_list<int> signals, std::function<void(int)> handler);
  /// From now on a signal watched by on_signals() does nothing once this loop is gone, where it would get its
  /// default action back: for a process that is ending by a signal and still has files to complete.
  void keep_signals_from_default();

 private:
  friend class FdWatch;
  struct Impl;
  Timers timers_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::net
