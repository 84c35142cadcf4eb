// Output: where a download's bytes go. A regular file is written beside its final name, as NAME.part, with
// NAME.part.json saying which ranges are there, so that a broken download can be resumed; it takes its name
// when it is whole.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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

/// What is known of a download that was cut, kept in NAME.part.json.
struct PartState {
  std::string url;
  std::string validator;  ///< a strong ETag, or Last-Modified; what If-Range takes
  std::uint64_t size = 0;
  std::vector<ByteRange> done;
};

class Output {
 public:
  virtual ~Output() = default;
  /// Whether ranges may come in any order (a regular file).
  virtual bool seekable() const = 0;
  virtual Result<> write_at(std::uint64_t offset, Bytes bytes) = 0;
  /// Whether each write costs a system call, so that gathering small ones pays.
  virtual bool gather_writes() const { return true; }
  /// What an earlier run left of the same URL; empty `done` when nothing.
  virtual PartState earlier() const { return {}; }
  /// Remembers how far it came, at most once a second unless `now` is true. No-op where nothing can be
  /// resumed.
  virtual void note_progress(const PartState& /*state*/, bool /*now*/) {}
  /// Starts over: the resource changed since the earlier run.
  virtual Result<> truncate() { return {}; }
  /// It is whole: takes its final name.
  virtual Result<> complete() { return {}; }
  /// Where the bytes are while it is not whole; empty where they are not kept.
  virtual std::string partial_path() const { return {}; }
};

/// "-" is standard output. With `resume`, what an earlier run of the same URL left is kept, else it is
/// replaced.
Result<std::unique_ptr<Output>> open_output(const std::string& path, const std::string& url, bool resume);

}  // namespace sallyport::client
