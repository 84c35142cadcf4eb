// WriterThread: a thread that empties rings into files, for those whose own threads must not wait for a disk:
// QlogWriter and LineWriter.
#pragma once

#include "base/time.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace sallyport::trace {

/// Rouses a writer's thread before its time: a ring fills up, or there is something after nothing.
class Alarm {
 public:
  void ring();
  /// Until ring(), or for `most` (zero: without end). Returns at once when it rang since the last wait.
  void wait(Duration most);

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool rung_ = false;
};

class WriterThread {
 public:
  /// What a round leaves.
  enum class Left : std::uint8_t {
    more,     ///< the next round follows at once
    some,     ///< after `interval`, or an alarm
    nothing,  ///< after an alarm
  };
  /// One look at everything that there is to write. `last`: none follows unless there is more.
  using Round = std::function<Left(bool last)>;

  /// Starts the thread, called `name` (at most 15 letters). `alarm` outlives this. Throws std::system_error
  /// where the system gives no thread.
  WriterThread(const char* name, Duration interval, Alarm& alarm, Round round);
  /// Returns when the last round is done.
  ~WriterThread();
  WriterThread(const WriterThread&) = delete;
  WriterThread& operator=(const WriterThread&) = delete;

 private:
  void run();

  const Duration interval_;
  Alarm& alarm_;
  const Round round_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace sallyport::trace
