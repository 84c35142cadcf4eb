// ReadableFile: a regular file open for reading. Tells whether a read would wait for a disk: a loop's thread
// reads what is in the page cache, a FileReader's thread the rest. Shared by threads.
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

  /// Reads at `offset`; returns the number of bytes, 0 at the file's end, or the errno. Waits for the disk.
  std::expected<std::size_t, int> read(MutableBytes out, std::uint64_t offset) const;
  /// The same from the page cache, perhaps fewer bytes. EAGAIN where it would have to wait for the disk.
  std::expected<std::size_t, int> read_now(MutableBytes out, std::uint64_t offset) const;
  /// False on file systems where even fstat() may wait, for a server.
  bool is_local() const { return local_; }

 private:
  const UniqueFd fd_;
  const bool local_;
  mutable std::atomic<bool> tells_ = true;  // the file system knows RWF_NOWAIT
};

}  // namespace sallyport::net
