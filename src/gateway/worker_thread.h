// WorkerThread: runs a Worker on a thread of its own; the handle by which other threads reach it.
#pragma once

#include "base/result.h"
#include "gateway/worker.h"
#include "net/event_loop.h"

#include <functional>
#include <future>
#include <memory>
#include <thread>

namespace sallyport::gateway {

class WorkerThread {
 public:
  WorkerThread() = default;
  /// Joins; stop() first, where it was started.
  ~WorkerThread();

  /// Returns when the worker listens by `configuration`, or why it does not.
  Result<> start(std::shared_ptr<const WorkerSetup> setup, unsigned number,
                 std::shared_ptr<const config::Configuration> configuration);
  /// Runs `work` on the worker's thread; lost when it has ended. From any thread, before start() too.
  void post(std::function<void(Worker&)> work);
  /// Closes what is open and ends the thread. Does not wait.
  void stop();
  void join();

 private:
  void run(const std::shared_ptr<const WorkerSetup>& setup, unsigned number,
           const std::shared_ptr<const config::Configuration>& configuration,
           std::promise<Result<>>& listening);

  net::EventLoop loop_;       // outlives the thread, so that others may post until the end
  Worker* worker_ = nullptr;  // that thread's alone
  std::thread thread_;
};

}  // namespace sallyport::gateway
