// QlogWriter: the thread that empties the rings of all recorded connections into their files. A slow or full
// disk costs records, which are counted, never a connection's time (docs/threat-model.md, "slow disk for
// records" and "full disk").
#pragma once

#include "base/unique_fd.h"
#include "trace/qlog_recorder.h"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sallyport::trace {

/// One qlog file, created with its first bytes. Contains complete appends only: an append that fails half-way
/// is undone.
class QlogFile {
 public:
  QlogFile(std::string folder, std::string stem) : folder_(std::move(folder)), stem_(std::move(stem)) {}
  /// True: all of `text` was appended. False: none of it.
  bool append(std::string_view text);

 private:
  bool open();

  std::string folder_, stem_;
  UniqueFd fd_;
  std::uint64_t size_ = 0;
};

class QlogWriter {
 public:
  explicit QlogWriter(std::string folder);
  /// Writes the remaining events, and returns when all are on disk.
  ~QlogWriter();

  /// From any thread.
  std::unique_ptr<Recorder> start(QlogIdentity identity, std::size_t ring_bytes);

 private:
  struct Open;
  WriterThread::Left round();
  enum class Left : std::uint8_t { more, nothing, closed };
  /// Writes a bounded number of events of a ring.
  Left drain(Open& open);
  /// Starts an empty buffer with the header or the gap record that a file needs before its next record.
  void begin(Open& open);
  void flush(Open& open);

  const std::string folder_;
  std::shared_ptr<Alarm> alarm_ = std::make_shared<Alarm>();
  std::mutex mutex_;
  std::vector<std::shared_ptr<ConnectionLog>> started_;  ///< not yet seen by the thread; under mutex_
  std::vector<std::unique_ptr<Open>> open_;              ///< the thread's, as what follows
  std::string buffer_;                                   ///< records on their way to a file
  std::uint64_t buffered_events_ = 0;
  WriterThread thread_;
};

}  // namespace sallyport::trace
