// LoopHome: the way back to an EventLoop for threads that may outlive it, such as one that waits for a disk.
#pragma once

#include "net/event_loop.h"

#include <functional>
#include <mutex>
#include <utility>

namespace sallyport::net {

/// Shared by those threads and by the object of the loop for which they work; that one says when it goes.
class LoopHome {
 public:
  explicit LoopHome(EventLoop& loop) : loop_(&loop) {}
  void close() {
    const std::scoped_lock lock(mutex_);
    loop_ = nullptr;
  }
  /// As EventLoop::post; lost after close().
  void post(std::function<void()> work) {
    const std::scoped_lock lock(mutex_);
    if (loop_ != nullptr) loop_->post(std::move(work));
  }

 private:
  std::mutex mutex_;
  EventLoop* loop_;
};

}  // namespace sallyport::net
