// Output: where a download's bytes go. A regular file is written beside its final name, as NAME.part, with
// NAME.part.json saying which ranges are there, so that a broken download can be resumed; it takes its name
// when it is whole. What an earlier run left is touched when the first byte comes, not before.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::net {
class EventLoop;
}

namespace sallyport::client {

/// Bytes [begin, end).
struct ByteRange {
  std::uint64_t begin = 0, end = 0;
  std::uint64_t size() const { return end - begin; }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// Adds `range` to a sorted list of disjoint ranges, joining what touches.
void add_range(std::vector<ByteRange>& ranges, ByteRange range);
/// What of [0, size) is not in `ranges`.
std::vector<ByteRange> missing_ranges(const std::vector<ByteRange>& ranges, std::uint64_t size);

/// The bytes of disjoint ranges.
std::uint64_t total_size(const std::vector<ByteRange>& ranges);

/// What is known of a download that was cut, kept in NAME.part.json.
struct PartState {
  std::string validator;  ///< a strong ETag, or Last-Modified; what If-Range takes
  std::uint64_t size = 0;
  std::vector<ByteRange> done;
};

class Output {
 public:
  virtual ~Output() = default;
  /// Whether ranges may come in any order (a regular file).
  virtual bool seekable() const = 0;
  /// Takes all of it. What the receiver has no room for now is queued: pause while there is any.
  virtual Result<> write_at(std::uint64_t offset, Bytes bytes) = 0;
  virtual std::size_t queued_bytes() const { return 0; }
  /// Called when the queue is empty again, or can never be: then the next write fails.
  /// Where nothing is queued, it is never called.
  virtual void set_drained_handler(std::function<void()> drained) { drained = nullptr; }
  /// Whether each write costs a system call, so that gathering small ones pays.
  virtual bool gather_writes() const { return true; }
  /// What an earlier run left of the same URL; empty `done` when nothing.
  virtual PartState earlier() const { return {}; }
  /// Why nothing of an earlier run is gone on with, as a sentence, where that was asked for and is worth
  /// telling; else empty.
  virtual std::string why_from_start() const { return {}; }
  /// Bytes that an earlier run wrote without telling of them in its state: they are asked for again.
  virtual std::uint64_t untold_bytes() const { return 0; }
  /// How many bytes a later run could go on with, by the state that is on disk.
  virtual std::uint64_t kept_bytes() const { return 0; }
  /// Remembers how far it came: the first time, then after a second or some MiB, or if `now` is true. A state
  /// that cannot be written leaves the last one. No-op where nothing can be resumed.
  virtual void note_progress(const PartState& /*state*/, bool /*now*/) {}
  /// Starts over: the resource changed since the earlier run. What is there goes when something comes.
  virtual Result<> truncate() { return {}; }
  /// It is whole: takes its final name.
  virtual Result<> complete() { return {}; }
  /// Where the bytes are while it is not whole; empty where they are not kept.
  virtual std::string partial_path() const { return {}; }
};

/// "-" is standard output. Links are followed; open descriptors (/dev/stdout, /dev/fd/N), devices and pipes
/// are written to and never replaced; a file keeps its mode. With `resume`, what an earlier run of the same
/// URL (as the user named it) left is kept, else it is replaced. Pipes and terminals are waited for on
/// `loop`; without one they hold up the caller. A FIFO is opened only where somebody reads it.
Result<std::unique_ptr<Output>> open_output(const std::string& path, const std::string& url, bool resume,
                                            net::EventLoop* loop = nullptr);

/// Whether open_output() failed because nobody reads the FIFO yet: then it may be called again, later.
bool lacks_reader(const Error& error);

}  // namespace sallyport::client
