#include "files/served_folder.h"

#include "files/request_path.h"

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sallyport::files {
namespace {

// O_NONBLOCK: opening a FIFO must not block the worker until it has a writer.
constexpr int reading = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

// Opens the directory entry only, not its content.
constexpr int naming = O_PATH | O_CLOEXEC;

/// For kernels and sandboxes without openat2: one segment after the other, following no links.
std::expected<UniqueFd, int> open_by_segments(int root, std::string_view relative, int how) {
  UniqueFd folder;
  while (true) {
    const auto slash = relative.find('/');
    const bool last = slash == std::string_view::npos;
    const std::string segment(relative.substr(0, slash));
    const int flags = last ? how | O_NOFOLLOW : naming | O_DIRECTORY | O_NOFOLLOW;
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

/// Only with the kernel's cached data; also EAGAIN where the kernel cannot tell.
std::expected<UniqueFd, int> open_cached(int root, const std::string& relative, int flags,
                                         std::uint64_t resolve) {
  auto fd = open_beneath(root, relative, flags, RESOLVE_CACHED | resolve);
  if (!fd && (fd.error() == EINVAL || fd.error() == ENOSYS || fd.error() == EINTR))
    return std::unexpected(EAGAIN);
  return fd;
}

std::expected<UniqueFd, int> open_waiting(int root, const std::string& relative, int flags,
                                          std::uint64_t resolve) {
  // EAGAIN: a concurrent rename; the kernel cannot tell whether the path stays inside.
  for (int attempt = 0; attempt < 4; ++attempt) {
    auto fd = open_beneath(root, relative, flags, resolve);
    if (fd) return fd;
    if (fd.error() == ENOSYS) return open_by_segments(root, relative, flags);
    if (fd.error() != EAGAIN && fd.error() != EINTR) return fd;
  }
  return std::unexpected(EAGAIN);
}

std::expected<UniqueFd, int> open_as(int root, const std::string& relative, int flags, MayWait may_wait,
                                     std::uint64_t resolve = 0) {
  const std::string path = relative.empty() ? "." : relative;
  return may_wait == MayWait::yes ? open_waiting(root, path, flags, resolve)
                                  : open_cached(root, path, flags, resolve);
}

/// The kernel's current path of the descriptor. Empty where unknown (no /proc).
std::string place_of(int fd) {
  std::array<char, PATH_MAX> place;
  const ssize_t size = ::readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), place.data(), place.size());
  return size > 0 ? std::string(place.data(), static_cast<std::size_t>(size)) : std::string();
}

/// Whether `fd`, reached below `root` through symbolic links, has a hidden path there. Names that begin with
/// two dots are allowed: Kubernetes volumes consist of such links.
bool is_hidden_below(int root, int fd) {
  const std::string folder = place_of(root), place = place_of(fd);
  if (folder.empty() || !place.starts_with(folder)) return true;
  std::string_view rest = std::string_view(place).substr(folder.size());
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const auto name = rest.substr(0, slash);
    if (is_hidden_name(name) && !name.starts_with("..")) return true;
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  return false;
}

/// Follows the links that are followed for clients. EXDEV: it is hidden.
std::expected<UniqueFd, int> open_served(int root, const std::string& relative, int flags, MayWait may_wait) {
  // Without links the path is the one in the request.
  auto fd = open_as(root, relative, flags, may_wait, RESOLVE_NO_SYMLINKS);
  if (fd || fd.error() != ELOOP) return fd;
  fd = open_as(root, relative, flags, may_wait);
  if (fd && is_hidden_below(root, fd->get())) return std::unexpected(EXDEV);
  return fd;
}

std::expected<FileIdentity, int> identity_of(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::unexpected(errno);
  return FileIdentity(status);
}

}  // namespace

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
  auto fd = open_served(root_.get(), relative, reading, may_wait);
  if (!fd) return std::unexpected(fd.error());
  const auto identity = identity_of(fd->get());
  if (!identity) return std::unexpected(identity.error());
  if (!S_ISREG(identity->mode) && !identity->is_folder()) return std::unexpected(EACCES);
  return OpenedFile{std::move(*fd), *identity};
}

std::expected<FileIdentity, int> ServedFolder::identify(const std::string& relative, MayWait may_wait) const {
  if (may_wait == MayWait::yes) {
    struct stat status{};
    if (::fstatat(root_.get(), relative.empty() ? "." : relative.c_str(), &status, 0) != 0)
      return std::unexpected(errno);
    return FileIdentity(status);
  }
  const auto fd = open_as(root_.get(), relative, naming, may_wait);
  if (!fd) return std::unexpected(fd.error());
  return identity_of(fd->get());
}

std::expected<FileIdentity, int> ServedFolder::identify_served(const std::string& relative,
                                                               MayWait may_wait) const {
  const auto fd = open_served(root_.get(), relative, naming, may_wait);
  if (!fd) return std::unexpected(fd.error());
  const auto identity = identity_of(fd->get());
  // Without openat2, O_PATH has opened the link itself.
  if (identity && identity->is_link()) return std::unexpected(ELOOP);
  return identity;
}

std::expected<FileIdentity, int> ServedFolder::identify_itself(const std::string& relative,
                                                               MayWait may_wait) const {
  const auto fd = open_as(root_.get(), relative, naming | O_NOFOLLOW, may_wait);
  if (!fd) return std::unexpected(fd.error());
  return identity_of(fd->get());
}

bool ServedFolder::is_same(const ServedFolder& other) const {
  const auto one = identity_of(root_.get()), two = identity_of(other.root_.get());
  return one && two && one->device == two->device && one->inode == two->inode;
}

}  // namespace sallyport::files
