// WorkerThread: runs a Worker on its own thread; other threads reach the Worker through it.
#pragma once

#include "base/result.h"
#include "gateway/worker.h"
#include "net/event_loop.h"

#include <atomic>
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

  /// Returns when the worker listens as `configuration` says, or the error. It takes no connection before
  /// serve().
  Result<> start(std::shared_ptr<const WorkerSetup> setup, unsigned number,
                 std::shared_ptr<const config::Configuration> configuration);
  void serve();
  /// Runs `work` on the worker's thread, after serve(); discarded when the thread has ended. From any thread,
  /// also before start().
  void post(std::function<void(Worker&)> work);
  /// Closes all connections and ends the thread. Does not wait.
  void stop();
  void join();

 private:
  void run(const std::shared_ptr<const WorkerSetup>& setup, unsigned number,
           const std::shared_ptr<const config::Configuration>& configuration,
           std::promise<Result<>>& listening);

  net::EventLoop loop_;  // outlives the thread, so others may always post
  std::atomic<bool> serving_ = false;
  Worker* worker_ = nullptr;  // used by that thread only
  std::thread thread_;
};

}  // namespace sallyport::gateway
