// WriterThread: a thread that writes rings to files, so other threads never wait for a disk. For QlogWriter
// and LineWriter.
#pragma once

#include "base/time.h"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace sallyport::trace {

/// Wakes a writer's thread early: a ring is half full, or has its first record.
class Alarm {
 public:
  void ring();
  /// Waits until ring(), or for `most` (zero: without limit). Returns at once if ring() was called since the
  /// last wait.
  void wait(Duration most);

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool rung_ = false;
};

class WriterThread {
 public:
  /// The result of a round.
  enum class Left : std::uint8_t {
    more,     ///< the next round follows at once
    some,     ///< after `interval`, or an alarm
    nothing,  ///< after an alarm
  };
  /// One pass over all rings. `last`: no further round unless it returns `more`.
  using Round = std::function<Left(bool last)>;

  /// Starts the thread, called `name` (at most 15 letters). `alarm` outlives this. Throws std::system_error
  /// where no thread can be started.
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
