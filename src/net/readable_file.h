// ReadableFile: a regular file open for reading. Tells what can be read without waiting for a disk from what
// cannot, so that a loop's thread reads the one and a FileReader's the other. Shared by threads.
#pragma once

#include "base/bytes.h"
#include "base/unique_fd.h"

#include <atomic>
#include <cstdint>
#include <expected>

namespace sallyport::net {

class ReadableFile {
 public:
  explicit ReadableFile(UniqueFd fd);
  int fd() const { return fd_.get(); }

  /// How many bytes at `offset` were read; 0 at the file's end. The errno otherwise. Waits for the disk.
  std::expected<std::size_t, int> read(MutableBytes out, std::uint64_t offset) const;
  /// The same of what is in memory, perhaps less than is in the file. EAGAIN where the disk has to be asked.
  std::expected<std::size_t, int> read_now(MutableBytes out, std::uint64_t offset) const;
  /// False on file systems where even fstat() may wait, for a server.
  bool is_local() const { return local_; }

 private:
  const UniqueFd fd_;
  const bool local_;
  mutable std::atomic<bool> tells_ = true;  // the file system knows RWF_NOWAIT
};

}  // namespace sallyport::net
