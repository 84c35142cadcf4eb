#include "net/readable_file.h"

#include <cerrno>
#include <utility>

#include <linux/magic.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace sallyport::net {
namespace {

/// Whether the file system is local: in memory, on a disk, or stacked on one.
bool lies_here(int fd) {
  struct statfs status{};
  if (::fstatfs(fd, &status) != 0) return true;
  switch (static_cast<std::uint32_t>(status.f_type)) {
    case NFS_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case CEPH_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
    case V9FS_MAGIC:
    case FUSE_SUPER_MAGIC:
      return false;
    default:
      return true;
  }
}

}  // namespace

ReadableFile::ReadableFile(UniqueFd fd) : fd_(std::move(fd)), local_(lies_here(fd_.get())) {}

std::expected<std::size_t, int> ReadableFile::read(MutableBytes out, std::uint64_t offset) const {
  while (true) {
    const auto count = ::pread(fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) return std::unexpected(errno);
  }
}

std::expected<std::size_t, int> ReadableFile::read_now(MutableBytes out, std::uint64_t offset) const {
  while (tells_.load(std::memory_order_relaxed)) {
    const iovec part{out.data(), out.size()};
    const auto count = ::preadv2(fd_.get(), &part, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno == EOPNOTSUPP || errno == ENOSYS)
      tells_.store(false, std::memory_order_relaxed);
    else if (errno != EINTR)
      return std::unexpected(errno);
  }
  // File systems without RWF_NOWAIT that are in memory (tmpfs), or mostly cached (overlayfs): reading on
  // another thread would cost more than it saves.
  if (!local_) return std::unexpected(EAGAIN);
  return read(out, offset);
}

}  // namespace sallyport::net
