#include "base/file.h"

#include "base/unique_fd.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport {
namespace {

std::unexpected<Error> failed(const char* verb, const std::string& path, int code) {
  return fail(ErrorKind::file,
              std::string("cannot ") + verb + " " + path + ": " + std::generic_category().message(code),
              static_cast<std::uint64_t>(code));
}

Result<> write_all(int fd, const std::string& path, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return failed("write", path, errno);
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

/// A new file beside `path`.
struct Part {
  std::string name;
  UniqueFd fd;  ///< none: errno says why
};

Part open_part(const std::string& path, mode_t mode) {
  Part part{path + ".part-" + std::to_string(::getpid()), {}};
  ::unlink(part.name.c_str());  // left by a dead process with our PID
  part.fd = UniqueFd(::open(part.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  return part;
}

bool is_folder(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit, Duration patience) {
  // Non-blocking: reading a watched file again must not hang on a FIFO that replaced it.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (fd.get() < 0) return failed("read", path, errno);
  const auto give_up = std::chrono::steady_clock::now() + patience;
  std::string content;
  char buffer[16 * 1024];
  for (;;) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return failed("read", path, errno);
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(give_up - std::chrono::steady_clock::now());
      pollfd ready{.fd = fd.get(), .events = POLLIN, .revents = 0};
      if (left.count() <= 0 || ::poll(&ready, 1, static_cast<int>(left.count())) == 0)
        return fail(
            ErrorKind::file,
            fmt::format("cannot read {}: it has not ended after {:g} s; whoever writes into it has to "
                        "close it, as a command in <(...) does when it ends",
                        path, in_seconds(patience)),
            ETIMEDOUT);
      continue;
    }
    if (count == 0) return content;
    if (content.size() + static_cast<std::size_t>(count) > limit) {
      return fail(ErrorKind::file,
                  "cannot use " + path + ": it is larger than " + std::to_string(limit) + " bytes");
    }
    content.append(buffer, static_cast<std::size_t>(count));
  }
}

bool file_exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<> write_file(const std::string& path, std::string_view content, mode_t mode, IfExists if_exists) {
  const auto [part, fd] = open_part(path, mode);
  if (!fd) return failed("write", path, errno);
  auto written = write_all(fd.get(), path, content);
  if (written && ::fchmod(fd.get(), mode) != 0) written = failed("write", path, errno);
  if (written && if_exists == IfExists::replace && ::rename(part.c_str(), path.c_str()) != 0) {
    written = failed("write", path, errno);
  }
  if (written && if_exists == IfExists::refuse) {
    if (::link(part.c_str(), path.c_str()) != 0) written = failed("write", path, errno);
    ::unlink(part.c_str());
  }
  if (!written) ::unlink(part.c_str());
  return written;
}

int creation_error(const std::string& path) {
  // Only trying tells: the file system may be read-only, full, or of a kind that has no files of ours
  // (/proc).
  const auto [part, fd] = open_part(path, 0600);
  if (!fd) return errno;
  ::unlink(part.c_str());
  return 0;
}

Result<> check_write_file(const std::string& path) {
  if (const int error = creation_error(path); error != 0) return failed("write", path, error);
  if (is_folder(path)) return failed("write", path, EISDIR);
  return {};
}

int append_error(const std::string& path) {
  if (!file_exists(path)) return errno == ENOENT ? creation_error(path) : errno;
  if (is_folder(path)) return EISDIR;
  return ::access(path.c_str(), W_OK) == 0 ? 0 : errno;
}

}  // namespace sallyport
