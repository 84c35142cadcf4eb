#include "inspect/byte_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::inspect {
namespace {

constexpr std::size_t piece = 256 * 1024;

}  // namespace

ByteSource::ByteSource(UniqueFd fd, std::string name)
    : name_(std::move(name)), fd_(std::move(fd)), buffer_(piece) {}

Result<ByteSource> ByteSource::open(const std::string& path) {
  UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0)
    return fail(ErrorKind::file, "cannot open " + path + ": " + std::strerror(errno),
                static_cast<std::uint64_t>(errno));
  if (!S_ISREG(status.st_mode))
    return fail(ErrorKind::file, "cannot read " + path + ": it is not a regular file");
  return ByteSource(std::move(fd), path);
}

Result<std::string_view> ByteSource::next() {
  if (!fd_) {
    const Bytes rest = memory_.subspan(std::min<std::size_t>(position_, memory_.size()));
    const Bytes now = rest.first(std::min(rest.size(), piece));
    position_ += now.size();
    return as_text(now);
  }
  ssize_t count = 0;
  do {
    count = ::pread(fd_.get(), buffer_.data(), buffer_.size(), static_cast<off_t>(position_));
  } while (count < 0 && errno == EINTR);
  if (count < 0)
    return fail(ErrorKind::file, "cannot read " + name_ + ": " + std::strerror(errno),
                static_cast<std::uint64_t>(errno));
  position_ += static_cast<std::uint64_t>(count);
  return std::string_view(buffer_.data(), static_cast<std::size_t>(count));
}

}  // namespace sallyport::inspect
