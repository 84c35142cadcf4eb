// LoopHome: posts to an EventLoop from threads that may outlive it, such as one that waits for a disk.
#pragma once

#include "net/event_loop.h"

#include <functional>
#include <mutex>
#include <utility>

namespace sallyport::net {

/// Shared by those threads and by their object on the loop, which calls close() when it is destroyed.
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
