// FileReader: runs file work that may block on a disk or a file server on its own threads, so the loop does
// not block. An interface, so its users can be tested without threads. Used by the file server.
#pragma once

#include "net/event_loop.h"
#include "net/readable_file.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>

namespace sallyport::net {

/// Destroying it cancels the work: the work may still run, but `done` is not called.
class Reading {
 public:
  virtual ~Reading() = default;
};

class FileReader {
 public:
  virtual ~FileReader() = default;
  /// Runs `work` on another thread, then `done` on the loop's, never inside this call. `done` may destroy the
  /// result. `work` owns all data it uses: it may still run after it was cancelled, or after the loop's end.
  [[nodiscard]] virtual std::unique_ptr<Reading> run(std::function<void()> work,
                                                     std::function<void()> done) = 0;
  /// ReadableFile::read_now(); EAGAIN where the file has to be read by run(). A member, so a test can decide
  /// which content is in memory.
  virtual std::expected<std::size_t, int> read_now(const ReadableFile& file, MutableBytes out,
                                                   std::uint64_t offset) const {
    return file.read_now(out, offset);
  }
  /// The process's queue of reads is long: callers that can refuse new work should.
  virtual bool is_busy() const = 0;
};

/// `loop` must outlive the result. All of them share a few threads.
std::unique_ptr<FileReader> make_file_reader(EventLoop& loop);

}  // namespace sallyport::net
