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

std::expected<UniqueFd, int> open_beneath(int root, const std::string& relative) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(reading);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: something was renamed meanwhile, so that the kernel cannot tell whether we stayed inside.
  for (int attempt = 0; attempt < 4; ++attempt) {
    const long fd = ::syscall(SYS_openat2, root, relative.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == ENOSYS || errno == EPERM) return open_by_segments(root, relative);
    if (errno != EAGAIN && errno != EINTR) return std::unexpected(errno);
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

std::expected<OpenedFile, int> ServedFolder::open_file(const std::string& relative) const {
  auto fd = open_beneath(root_.get(), relative.empty() ? "." : relative);
  if (!fd) return std::unexpected(fd.error());
  struct stat status{};
  if (::fstat(fd->get(), &status) != 0) return std::unexpected(errno);
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return std::unexpected(EACCES);
  return OpenedFile{std::move(*fd), FileIdentity(status)};
}

bool ServedFolder::identify(const std::string& relative, FileIdentity& out) const {
  struct stat status{};
  if (::fstatat(root_.get(), relative.empty() ? "." : relative.c_str(), &status, 0) != 0) return false;
  out = FileIdentity(status);
  return true;
}

}  // namespace sallyport::gateway
