// LineWriter: writes a file of lines, such as an access log, on its own thread. Each producing thread puts
// records into its own queue; the writer formats them as lines. When the sink is too slow or fails, lines are
// dropped and counted, and producers never wait (docs/threat-model.md, "full disk", "slow disk for records"
// and "gone log reader").
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

/// One producer thread's queue.
class LineQueue {
 public:
  LineQueue(std::size_t bytes, Alarm& alarm) : ring_(bytes), alarm_(alarm) {}
  /// Room for a record of at most `size` bytes, 8-aligned; null when the queue is full, and the record is
  /// counted as dropped. Only the last reserve counts.
  std::uint8_t* reserve(std::size_t size);
  /// Commits the first `size` bytes (more than 0) of the reserved room.
  void commit(std::size_t size);
  /// The writer sleeps until a record arrives.
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
  Duration interval = 100ms;                  ///< the longest delay of a line
  Duration patience_at_end = 2s;              ///< for a blocked sink at the end
};

class LineWriter {
 public:
  /// Appends the line of a record, without its line feed.
  using Format = std::function<void(Bytes record, std::string& out)>;
  struct Counters {
    std::uint64_t written = 0;        ///< lines
    std::uint64_t dropped_queue = 0;  ///< the queue was full
    std::uint64_t dropped_write = 0;  ///< the sink failed, or was blocked at the end
  };

  /// `what`: its name in messages: "access log". Throws std::system_error where no thread can be started.
  LineWriter(std::string what, std::unique_ptr<LineSink> sink, Format format, LineWriterOptions options = {});
  /// Writes the queued records. The queues must not be used any more.
  ~LineWriter();

  /// From any thread; lives as long as this.
  LineQueue& add_queue();
  /// Reopens the file after the records queued so far. From any thread.
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
  std::string buffer_;           // lines to write; the first one may lack its front
  std::size_t first_queue_ = 0;  // round-robin
  bool cut_ = false;             // the sink's last line is incomplete
  bool mend_ = false;            // and its remainder was dropped
  bool idle_ = false;            // the last round found no records
  std::uint64_t overflow_told_ = 0;
  std::optional<Time> give_up_at_;
  LogLimit failures_{60s}, overflows_{60s};

  WriterThread thread_;
};

}  // namespace sallyport::trace
