// EventLoop::Impl, for event_loop.cpp and fd_watch.cpp: the epoll instance and the work of a turn.
//
// A descriptor is registered once, level-triggered; what its watch wants is told to the kernel at the end of
// the turn, where it differs from what the kernel knows. So a request that is answered, a batch that is
// forwarded and a write that was blocked and is blocked again cost no call but those that move bytes and the
// wait.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/event_loop.h"
#include "net/fd_watch.h"
#include "net/signal_inbox.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <sys/epoll.h>

namespace sallyport::net {

struct FdWatch::Node {
  EventLoop::Impl& loop;
  FdWatcher* watcher;  // null once the FdWatch is gone
  UniqueFd fd;
  std::uint32_t registered = 0;  // the events that the kernel looks for
  bool want_read = false;
  bool want_write = false;
  bool changed = false;  // is in the loop's list
};

struct EventLoop::Impl {
  explicit Impl(Timers& loop_timers);

  // For FdWatch.
  Result<> add(FdWatch::Node& node);
  /// The node wants other events: the kernel is told at the end of the turn.
  void change(FdWatch::Node& node);
  /// Of a closed watch. An event of this turn may still name it, so it is freed at the end of the turn.
  void retire(FdWatch::Node* node);

  // For EventLoop.
  void run();
  void stop();
  void post(std::function<void()> work);
  void on_signals(std::initializer_list<int> signals, std::function<void(int)> handler);
  void keep_signals();

 private:
  struct SignalHandler {
    std::vector<int> signals;
    std::shared_ptr<std::function<void(int)>> call;
  };

  void register_or_abort(int fd, void* tag);
  void wait();
  /// Returns the number of `events` that are filled.
  std::size_t wait_for_events();
  int wait_until(Time deadline);
  void apply_changes();
  void dispatch(const epoll_event& event);
  void hand_over_signals();
  void wake_up();
  void run_posted();

  Timers& timers_;
  UniqueFd epoll_;
  UniqueFd wake_;  // an eventfd, registered edge-triggered, so it is never read
  std::array<epoll_event, 256> events_;
  std::vector<FdWatch::Node*> changed_;
  std::vector<std::unique_ptr<FdWatch::Node>> retired_;

  SignalInbox inbox_;
  std::vector<SignalHandler> signal_handlers_;

  std::atomic<bool> stopping_ = false;
  std::atomic<std::thread::id> thread_;  // the one in run(), which needs no waking
  std::atomic<bool> has_posted_ = false;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;  // under posted_mutex_
  std::vector<std::function<void()>> running_;
};

}  // namespace sallyport::net
