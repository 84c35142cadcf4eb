#include "trace/line_sink.h"

#include "base/file.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::trace {
namespace {

constexpr std::string_view standard_output = "-";

/// The size of one write to a pipe: as many whole lines as a writable pipe takes without blocking (PIPE_BUF,
/// pipe(7)), or a part of a longer line.
std::string_view portion(std::string_view text) {
  if (text.size() <= PIPE_BUF) return text;
  const std::size_t line = text.substr(0, PIPE_BUF).rfind('\n');
  return text.substr(0, line == std::string_view::npos ? PIPE_BUF : line + 1);
}

bool is_fifo(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

bool is_regular(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/// Whether the file ends within a line.
bool is_cut(const std::string& name) {
  const UniqueFd file(::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status{};
  char last = '\n';
  return file && ::fstat(file.get(), &status) == 0 && status.st_size > 0 &&
         ::pread(file.get(), &last, 1, status.st_size - 1) == 1 && last != '\n';
}

bool same_file(int a, int b) {
  struct stat first{}, second{};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

std::unexpected<Error> cannot_open(const std::string& file, std::string_view flag, int error) {
  const std::string why = error == ENXIO ? "it is a FIFO without a reader" : std::strerror(error);
  return fail(ErrorKind::file, std::string(flag) + " " + file + " cannot be opened for appending: " + why,
              static_cast<std::uint64_t>(error));
}

}  // namespace

Result<> FileSink::check(const std::string& file, std::string_view flag) {
  if (file == standard_output) return {};
  if (const int error = append_error(file); error != 0) return cannot_open(file, flag, error);
  return {};
}

Result<std::unique_ptr<LineSink>> FileSink::open(const std::string& file, std::string_view flag) {
  std::unique_ptr<FileSink> sink(new FileSink(file == standard_output ? "standard output" : file));
  if (file == standard_output) {
    sink->regular_ = is_regular(STDOUT_FILENO);
    sink->standard_output_ = true;
    // A pipe shared with other writers may be full after poll() found room. A descriptor of our own is
    // non-blocking, without changing theirs.
    if (is_fifo(STDOUT_FILENO))
      sink->file_ = UniqueFd(::open("/proc/self/fd/1", O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  } else if (!sink->open_file()) {
    return cannot_open(file, flag, errno);
  }
  return sink;
}

bool FileSink::open_file() {
  // Non-blocking: neither opening nor writing waits for a FIFO's reader.
  UniqueFd opened(::open(name_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                         S_IRUSR | S_IWUSR | S_IRGRP));
  if (!opened) return false;
  file_ = std::move(opened);
  regular_ = is_regular(file_.get());
  begins_in_a_line_ = regular_ && is_cut(name_);
  return true;
}

int FileSink::fd() const {
  return file_ ? file_.get() : STDOUT_FILENO;
}

LineSink::Written FileSink::write(std::string_view text, Duration patience) {
  if (!regular_) {
    pollfd ready{.fd = fd(), .events = POLLOUT, .revents = 0};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(patience).count();
    if (::poll(&ready, 1, static_cast<int>(milliseconds)) < 1) return {.error = EAGAIN};
    text = portion(text);
  }
  for (;;) {
    const ssize_t written = ::write(fd(), text.data(), text.size());
    if (written > 0) return {.bytes = static_cast<std::size_t>(written)};
    if (written == 0) return {.error = ENOSPC};
    if (errno != EINTR) return {.error = errno == EWOULDBLOCK ? EAGAIN : errno};
  }
}

Result<bool> FileSink::reopen() {
  if (standard_output_) return false;
  UniqueFd old = std::move(file_);
  if (!open_file()) {
    const int error = errno;
    file_ = std::move(old);
    return fail(ErrorKind::file, name_ + " cannot be reopened: " + std::strerror(error) +
                                     "; the file that was open stays in use");
  }
  return !same_file(old.get(), file_.get());
}

}  // namespace sallyport::trace
