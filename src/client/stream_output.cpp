#include "client/stream_output.h"

#include "net/fd_watch.h"

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace sallyport::client {
namespace {

/// The same pipe or terminal, opened once more so that it can be non-blocking for us alone: the flag is
/// shared by all processes that have the same standard output. Nothing where that cannot be done, or need
/// not (a regular file).
UniqueFd reopened(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !(S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode))) return {};
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return UniqueFd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

/// What goes to /dev/null need not go to the kernel first.
bool is_null_device(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3) &&
         (::fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

class StreamOutput final : public Output, private net::FdWatcher {
 public:
  StreamOutput(UniqueFd owned, int fd, std::string name, net::EventLoop* loop)
      : owned_(std::move(owned)), fd_(fd), name_(std::move(name)), discard_(is_null_device(fd)) {
    if (discard_ || loop == nullptr) return;
    UniqueFd own = reopened(fd_);
    if (!own) return;
    if (auto watch = net::FdWatch::open(*loop, std::move(own), *this)) watch_ = std::move(*watch);
  }

  bool seekable() const override { return discard_; }
  bool gather_writes() const override { return !discard_; }

  Result<> write_at(std::uint64_t, Bytes bytes) override {
    if (broken_) return std::unexpected(*broken_);
    if (discard_) return {};
    if (watch_.fd() < 0) return write_all(fd_, bytes, name_, nullptr);
    if (queued_bytes() == 0) bytes = write_some(bytes);
    if (broken_) return std::unexpected(*broken_);
    if (bytes.empty()) return {};
    queue_.insert(queue_.end(), bytes.begin(), bytes.end());
    watch_.want_writable();
    return {};
  }

  std::size_t queued_bytes() const override { return queue_.size() - written_; }
  void set_drained_handler(std::function<void()> drained) override { drained_ = std::move(drained); }

  Result<> complete() override {
    if (broken_) return std::unexpected(*broken_);
    return {};
  }

 private:
  /// What there was no room for.
  Bytes write_some(Bytes bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(watch_.fd(), bytes.data(), bytes.size());
      if (n >= 0) {
        bytes = bytes.subspan(static_cast<std::size_t>(n));
      } else if (errno != EINTR) {
        if (errno != EAGAIN) broken_ = file_error("write to", name_).error();
        break;
      }
    }
    return bytes;
  }

  void on_readable() override {}
  void on_writable() override {
    const Bytes waiting = Bytes(queue_).subspan(written_);
    written_ += waiting.size() - write_some(waiting).size();
    if (queued_bytes() > 0 && !broken_) return watch_.want_writable();
    queue_ = std::vector<std::uint8_t>();
    written_ = 0;
    if (drained_) drained_();
  }

  UniqueFd owned_;
  int fd_;
  std::string name_;
  const bool discard_;
  net::FdWatch watch_;  // watches nothing where writing may block
  std::vector<std::uint8_t> queue_;
  std::size_t written_ = 0;  // of the queue
  std::optional<Error> broken_;
  std::function<void()> drained_;
};

}  // namespace

std::unexpected<Error> file_error(const std::string& what, const std::string& path) {
  const int code = errno;
  return fail(ErrorKind::file, fmt::format("cannot {} '{}': {}", what, path, std::strerror(code)),
              static_cast<std::uint64_t>(code));
}

Result<> write_all(int fd, Bytes bytes, const std::string& path, const std::uint64_t* offset) {
  std::uint64_t at = offset ? *offset : 0;
  while (!bytes.empty()) {
    const ssize_t n = offset ? ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at))
                             : ::write(fd, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {  // somebody's pipe that does not block
        pollfd writable{fd, POLLOUT, 0};
        ::poll(&writable, 1, -1);
        continue;
      }
      return file_error("write to", path);
    }
    at += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

std::unique_ptr<Output> make_stream_output(UniqueFd owned, int fd, std::string name, net::EventLoop* loop) {
  return std::make_unique<StreamOutput>(std::move(owned), fd, std::move(name), loop);
}

}  // namespace sallyport::client
