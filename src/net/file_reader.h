// FileReader: work on files that may have to wait for a disk or a file server, done on threads of its own so
// that the loop goes on. An interface, so that what uses it can be tested without threads. Used by the file
// server.
#pragma once

#include "net/event_loop.h"
#include "net/readable_file.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>

namespace sallyport::net {

/// Cancels the work when destroyed before its end: it may run, but nothing is told.
class Reading {
 public:
  virtual ~Reading() = default;
};

class FileReader {
 public:
  virtual ~FileReader() = default;
  /// Runs `work` on another thread, then `done` on the loop's, never inside this call. `done` may destroy the
  /// result. `work` owns all it touches, as nobody waits for it: after a cancel, or the loop's end, it may
  /// still run.
  [[nodiscard]] virtual std::unique_ptr<Reading> run(std::function<void()> work,
                                                     std::function<void()> done) = 0;
  /// ReadableFile::read_now(), which says EAGAIN where the file has to be read by run(). Asked here, so that
  /// a test can decide what is in memory.
  virtual std::expected<std::size_t, int> read_now(const ReadableFile& file, MutableBytes out,
                                                   std::uint64_t offset) const {
    return file.read_now(out, offset);
  }
  /// So much waits in the process that whoever can refuse more should.
  virtual bool is_busy() const = 0;
};

/// `loop` must outlive the result. All of them share a few threads.
std::unique_ptr<FileReader> make_file_reader(EventLoop& loop);

}  // namespace sallyport::net
