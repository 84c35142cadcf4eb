#include "trace/keylog.h"

#include "base/file.h"
#include "base/log.h"
#include "base/unique_fd.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::trace {
namespace {

class FileKeyLog final : public KeyLog {
 public:
  FileKeyLog(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  void write(std::string_view line) override {
    std::string record;
    record.reserve(line.size() + 1);
    record.append(line).push_back('\n');
    // O_APPEND makes one write() one whole line, also between threads and processes: no lock is needed.
    ssize_t written = 0;
    do {
      written = ::write(fd_.get(), record.data(), record.size());
    } while (written < 0 && errno == EINTR);
    if (written != static_cast<ssize_t>(record.size()) && complaint_.first())
      log_warn("cannot write TLS keys to {}: {}; captures cannot be decrypted", path_,
               written < 0 ? std::strerror(errno) : "the disk is full");
  }

 private:
  UniqueFd fd_;
  std::string path_;
  LogOnce complaint_;
};

std::unexpected<Error> cannot_open(const std::string& path, int error) {
  return fail(ErrorKind::file, "cannot open the TLS key log " + path + ": " + std::strerror(error),
              static_cast<std::uint64_t>(error));
}

}  // namespace

Result<> check_key_log(const std::string& path) {
  if (const int error = append_error(path); error != 0) return cannot_open(path, error);
  return {};
}

Result<std::shared_ptr<KeyLog>> open_key_log(const std::string& path) {
  UniqueFd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR)};
  if (!fd) return cannot_open(path, errno);
  return std::make_shared<FileKeyLog>(std::move(fd), path);
}

}  // namespace sallyport::trace
