#include "gateway/served_folder.h"

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

// O_NONBLOCK: a FIFO must not hold up the worker until somebody writes to it.
constexpr int reading = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

/// For kernels and sandboxes without openat2: one segment after the other, following no links.
std::expected<UniqueFd, int> open_by_segments(int root, std::string_view relative) {
  UniqueFd folder;
  while (true) {
    const auto slash = relative.find('/');
    const bool last = slash == std::string_view::npos;
    const std::string segment(relative.substr(0, slash));
    const int flags = last ? reading | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    UniqueFd next(::openat(folder ? folder.get() : root, segment.c_str(), flags));
    if (!next) return std::unexpected(errno);
    if (last) return next;
    folder = std::move(next);
    relative.remove_prefix(slash + 1);
  }
}

/// As openat2; ENOSYS where sandboxes say EPERM for it.
std::expected<UniqueFd, int> open_beneath(int root, const std::string& relative, int flags,
                                          std::uint64_t resolve) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve;
  const long fd = ::syscall(SYS_openat2, root, relative.c_str(), &how, sizeof how);
  if (fd >= 0) return UniqueFd(static_cast<int>(fd));
  return std::unexpected(errno == EPERM ? ENOSYS : errno);
}

/// Only by what the kernel has in memory. EAGAIN too where it cannot tell.
std::expected<UniqueFd, int> open_cached(int root, const std::string& relative, int flags) {
  auto fd = open_beneath(root, relative, flags, RESOLVE_CACHED);
  if (!fd && (fd.error() == EINVAL || fd.error() == ENOSYS || fd.error() == EINTR))
    return std::unexpected(EAGAIN);
  return fd;
}

std::expected<UniqueFd, int> open_waiting(int root, const std::string& relative) {
  // EAGAIN: something was renamed meanwhile, so that the kernel cannot tell whether we stayed inside.
  for (int attempt = 0; attempt < 4; ++attempt) {
    auto fd = open_beneath(root, relative, reading, 0);
    if (fd) return fd;
    if (fd.error() == ENOSYS) return open_by_segments(root, relative);
    if (fd.error() != EAGAIN && fd.error() != EINTR) return fd;
  }
  return std::unexpected(EAGAIN);
}

}  // namespace

FileIdentity::FileIdentity(const struct stat& from)
    : device(from.st_dev),
      inode(from.st_ino),
      size(static_cast<std::uint64_t>(from.st_size)),
      modified_ns(std::int64_t{from.st_mtim.tv_sec} * 1'000'000'000 + from.st_mtim.tv_nsec),
      folder(S_ISDIR(from.st_mode)) {}

Result<std::shared_ptr<const ServedFolder>> ServedFolder::open(const std::string& path) {
  UniqueFd root(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root)
    return fail(ErrorKind::file,
                errno == ENOTDIR
                    ? fmt::format("--files {} is not a folder; name the folder that holds the files", path)
                    : fmt::format("cannot serve --files {}: {}", path, std::strerror(errno)),
                static_cast<std::uint64_t>(errno));
  return std::shared_ptr<const ServedFolder>(new ServedFolder(std::move(root)));
}

std::expected<OpenedFile, int> ServedFolder::open_file(const std::string& relative, MayWait may_wait) const {
  const std::string path = relative.empty() ? "." : relative;
  auto fd =
      may_wait == MayWait::yes ? open_waiting(root_.get(), path) : open_cached(root_.get(), path, reading);
  if (!fd) return std::unexpected(fd.error());
  struct stat status{};
  if (::fstat(fd->get(), &status) != 0) return std::unexpected(errno);
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return std::unexpected(EACCES);
  return OpenedFile{std::move(*fd), FileIdentity(status)};
}

std::expected<FileIdentity, int> ServedFolder::identify(const std::string& relative, MayWait may_wait) const {
  const std::string path = relative.empty() ? "." : relative;
  struct stat status{};
  if (may_wait == MayWait::yes) {
    if (::fstatat(root_.get(), path.c_str(), &status, 0) != 0) return std::unexpected(errno);
    return FileIdentity(status);
  }
  const auto fd = open_cached(root_.get(), path, O_PATH | O_CLOEXEC);
  if (!fd) return std::unexpected(fd.error());
  if (::fstat(fd->get(), &status) != 0) return std::unexpected(errno);
  return FileIdentity(status);
}

}  // namespace sallyport::gateway
