#include "gateway/ready_file.h"

#include "base/file.h"
#include "base/of_flag.h"

#include <cerrno>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

constexpr std::string_view flag = "--ready-file";

}  // namespace

Result<> ReadyFile::check() const {
  if (path_.empty()) return {};
  auto done = check_write_file(path_);
  return done ? done : of_flag(flag, done.error());
}

Result<> ReadyFile::clear() const {
  if (auto done = check(); !done || path_.empty()) return done;
  struct stat status{};
  if (::lstat(path_.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
    return of_flag(flag, {ErrorKind::file, "cannot remove the old " + path_ + ": " + std::strerror(errno)});
  return {};
}

Result<> ReadyFile::write(std::span<const net::SocketAddress> addresses) {
  if (path_.empty()) return {};
  std::string lines;
  for (const net::SocketAddress& address : addresses) lines += address.to_string() + "\n";
  if (auto done = write_file(path_, lines, 0644, IfExists::replace); !done)
    return of_flag(flag, done.error());
  struct stat status{};
  if (::lstat(path_.c_str(), &status) == 0) written_ = OwnedName(path_, status);
  return {};
}

}  // namespace sallyport::gateway
