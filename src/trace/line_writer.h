// LineWriter: a file of lines, an access log, written by a thread of its own. Each thread that has something
// to tell puts records into a queue of its own; the writer makes lines of them. Where the sink is slower than
// they come, or fails, lines are dropped and counted, and nobody waits (docs/threat-model.md, "full disk",
// "slow disk for records" and "gone log reader").
#pragma once

#include "base/log.h"
#include "base/ring.h"
#include "trace/line_sink.h"
#include "trace/writer_thread.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::trace {

/// One thread's way in.
class LineQueue {
 public:
  LineQueue(std::size_t bytes, Alarm& alarm) : ring_(bytes), alarm_(alarm) {}
  /// Room for a record of at most `size` bytes, 8-aligned; null when the queue is full, and the record is
  /// counted as dropped. Only the last reserve counts.
  std::uint8_t* reserve(std::size_t size);
  /// Hands over the first `size` bytes (more than 0) of what was reserved.
  void commit(std::size_t size);
  /// The writer sleeps until something comes.
  bool is_awaited() const { return awaited_.load(std::memory_order_acquire); }

 private:
  friend class LineWriter;
  Ring ring_;
  Alarm& alarm_;
  std::atomic<std::uint64_t> dropped_ = 0;
  std::atomic<bool> awaited_ = false;
};

struct LineWriterOptions {
  std::size_t queue_bytes = 4 * 1024 * 1024;  ///< of each thread
  Duration interval = 100ms;                  ///< how far a line may be behind
  Duration patience_at_end = 2s;              ///< for a sink that takes nothing when all is to be written
};

class LineWriter {
 public:
  /// Appends the line of a record, without its line feed.
  using Format = std::function<void(Bytes record, std::string& out)>;
  struct Counters {
    std::uint64_t written = 0;        ///< lines
    std::uint64_t dropped_queue = 0;  ///< the queue was full
    std::uint64_t dropped_write = 0;  ///< the sink failed, or took nothing at the end
  };

  /// `what` it is, in messages: "access log". Throws std::system_error where the system gives no thread.
  LineWriter(std::string what, std::unique_ptr<LineSink> sink, Format format, LineWriterOptions options = {});
  /// Writes what is in the queues. Nobody may use them any more.
  ~LineWriter();

  /// From any thread; lives as long as this.
  LineQueue& add_queue();
  /// The file is opened again, after what was recorded by now. From any thread.
  void reopen();
  /// From any thread.
  Counters counters() const;

 private:
  WriterThread::Left round(bool last);
  void adopt_queues();
  bool fill();
  void flush(Duration patience);
  bool mend();
  void drop_buffer(int error);
  void reopen_now();
  bool may_sleep();
  void give_up();
  void tell_overflow();

  const std::string what_;
  const std::unique_ptr<LineSink> sink_;
  const Format format_;
  const LineWriterOptions options_;
  Alarm alarm_;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<LineQueue>> queues_;  // under mutex_; they stay where they are
  std::atomic<bool> reopen_ = false;
  std::atomic<std::uint64_t> written_ = 0, dropped_write_ = 0;

  // The thread's.
  std::vector<LineQueue*> known_;
  std::string buffer_;           // lines on their way; the first one perhaps without its front
  std::size_t first_queue_ = 0;  // takes turns
  bool cut_ = false;             // the sink's last byte is no line feed
  bool mend_ = false;            // and the rest of that line was dropped
  bool idle_ = false;            // the last round found nothing
  std::uint64_t overflow_told_ = 0;
  std::optional<Time> give_up_at_;
  LogLimit failures_{60s}, overflows_{60s};

  WriterThread thread_;
};

}  // namespace sallyport::trace
