#include "gateway/ready_file.h"

#include "base/file.h"

#include <cerrno>
#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

std::unexpected<Error> of_flag(const Error& error) {
  return fail(error.kind, "--ready-file: " + error.message, error.code);
}

}  // namespace

Result<> ReadyFile::check() const {
  if (path_.empty()) return {};
  auto done = check_write_file(path_);
  return done ? done : of_flag(done.error());
}

Result<> ReadyFile::clear() const {
  if (auto done = check(); !done || path_.empty()) return done;
  struct stat status{};
  if (::lstat(path_.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT)
    return fail(ErrorKind::file,
                "--ready-file: cannot remove the old " + path_ + ": " + std::strerror(errno));
  return {};
}

Result<> ReadyFile::write(std::span<const net::SocketAddress> addresses) {
  if (path_.empty()) return {};
  std::string lines;
  for (const net::SocketAddress& address : addresses) lines += address.to_string() + "\n";
  if (auto done = write_file(path_, lines, 0644, IfExists::replace); !done) return of_flag(done.error());
  struct stat status{};
  if (::lstat(path_.c_str(), &status) == 0) written_ = OwnedName(path_, status);
  return {};
}

}  // namespace sallyport::gateway
