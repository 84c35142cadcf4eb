#include "net/unix_socket.h"

#include "base/file.h"
#include "net/socket_calls.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace sallyport::net {
namespace {

UniqueFd open_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos)
    return fail(ErrorKind::usage,
                fmt::format("'{}' is not a path for a Unix-domain socket; it must have 1 to {} bytes", path,
                            sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// Whether a socket has the path.
Result<bool> is_there(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return false;  // else bind() reports it
  if (!S_ISSOCK(status.st_mode))
    return fail(ErrorKind::file,
                fmt::format("{} exists and is not a socket; give another path, or remove it", path));
  return true;
}

std::unexpected<Error> cannot_listen(const std::string& path, int error) {
  return std::unexpected(socket_error("cannot listen on " + path, error));
}

/// Removes a stale socket at `path` that has no listener.
Result<> remove_stale(const std::string& path, const sockaddr_un& address) {
  const auto there = is_there(path);
  if (!there) return std::unexpected(there.error());
  if (!*there) return {};
  const UniqueFd probe = open_socket();
  if (!probe)
    return std::unexpected(socket_error("cannot check whether a program listens on " + path, errno));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno != ECONNREFUSED)
    return fail(ErrorKind::file,
                fmt::format("another program listens on {}; stop it, or give another path", path));
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return std::unexpected(socket_error("cannot replace " + path, errno));
  return {};
}

}  // namespace

Result<> check_unix_socket(const std::string& path) {
  if (const auto address = address_of(path); !address) return std::unexpected(address.error());
  if (const auto there = is_there(path); !there) return std::unexpected(there.error());
  if (const int error = creation_error(path); error != 0) return cannot_listen(path, error);
  return {};
}

Result<UnixListening> listen_on_unix_socket(const std::string& path) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  if (auto done = remove_stale(path, *address); !done) return std::unexpected(std::move(done.error()));

  UnixListening listening{open_socket(), {}};
  const int fd = listening.fd.get();
  struct stat status{};
  // The mode of the socket's inode is the mode of its name (less the umask); chmod() of the name could affect
  // another file.
  if (fd < 0 || ::fchmod(fd, 0600) != 0 ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0 ||
      ::lstat(path.c_str(), &status) != 0)
    return cannot_listen(path, errno);
  listening.name = OwnedName(path, status);
  if (::listen(fd, SOMAXCONN) != 0) return cannot_listen(path, errno);
  return listening;
}

}  // namespace sallyport::net
