// WorkerThread: runs a Worker on a thread of its own; the handle by which other threads reach it.
#pragma once

#include "base/result.h"
#include "gateway/worker.h"
#include "net/event_loop.h"

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

namespace sallyport::gateway {

class WorkerThread {
 public:
  WorkerThread() = default;
  /// Joins; stop() first, where it was started.
  ~WorkerThread();

  /// Returns when the worker listens, or why it does not.
  Result<> start(std::shared_ptr<const WorkerSetup> setup, unsigned number);
  /// Runs `work` on the worker's thread; lost when it has ended. From any thread, before start() too.
  void post(std::function<void(Worker&)> work);
  /// For datagrams, which anybody may send: dropped and counted when too many wait. From any thread.
  void post_stray(Stray stray);
  /// Closes what is open and ends the thread. Does not wait.
  void stop();
  void join();

  std::uint64_t strays_taken() const { return strays_taken_.load(std::memory_order_relaxed); }
  std::uint64_t strays_dropped() const { return strays_dropped_.load(std::memory_order_relaxed); }

 private:
  net::EventLoop loop_;       // outlives the thread, so that others may post until the end
  Worker* worker_ = nullptr;  // that thread's alone
  std::thread thread_;
  std::atomic<unsigned> strays_waiting_ = 0;
  std::atomic<std::uint64_t> strays_taken_ = 0, strays_dropped_ = 0;
};

}  // namespace sallyport::gateway
