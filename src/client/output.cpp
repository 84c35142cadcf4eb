#include "client/output.h"

#include "base/unique_fd.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/json.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace sallyport::client {
namespace json = boost::json;

void add_range(std::vector<ByteRange>& ranges, ByteRange range) {
  if (range.begin >= range.end) return;
  auto first = std::lower_bound(ranges.begin(), ranges.end(), range.begin,
                                [](const ByteRange& r, std::uint64_t begin) { return r.end < begin; });
  auto last = first;
  for (; last != ranges.end() && last->begin <= range.end; ++last) {
    range.begin = std::min(range.begin, last->begin);
    range.end = std::max(range.end, last->end);
  }
  ranges.insert(ranges.erase(first, last), range);
}

std::vector<ByteRange> missing_ranges(const std::vector<ByteRange>& ranges, std::uint64_t size) {
  std::vector<ByteRange> missing;
  std::uint64_t at = 0;
  for (const ByteRange& range : ranges) {
    if (range.begin > at) missing.push_back({at, std::min(range.begin, size)});
    at = std::max(at, range.end);
  }
  if (at < size) missing.push_back({at, size});
  return missing;
}

namespace {

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

/// Standard output, a pipe, a device: bytes in order, nothing kept.
class StreamOutput final : public Output {
 public:
  StreamOutput(UniqueFd owned, int fd, std::string name)
      : owned_(std::move(owned)), fd_(fd), name_(std::move(name)) {
    // What goes to /dev/null need not go to the kernel first.
    struct stat info{};
    discard_ = ::fstat(fd_, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
  }
  bool seekable() const override { return discard_; }
  bool gather_writes() const override { return !discard_; }
  Result<> write_at(std::uint64_t, Bytes bytes) override {
    if (discard_) return {};
    return write_all(fd_, bytes, name_, nullptr);
  }

 private:
  UniqueFd owned_;
  int fd_;
  std::string name_;
  bool discard_ = false;
};

std::string state_text(const PartState& state) {
  json::array done;
  for (const ByteRange& range : state.done) done.push_back(json::array{range.begin, range.end});
  return json::serialize(json::object{
      {"url", state.url}, {"validator", state.validator}, {"size", state.size}, {"done", std::move(done)}});
}

PartState parse_state(const std::string& path) {
  std::ifstream file(path);
  if (!file) return {};
  std::ostringstream text;
  text << file.rdbuf();
  boost::system::error_code error;
  const json::value value = json::parse(text.str(), error);
  if (error || !value.is_object()) return {};
  PartState state;
  const json::object& object = value.as_object();
  if (auto* url = object.if_contains("url"); url && url->is_string()) state.url = url->as_string();
  if (auto* validator = object.if_contains("validator"); validator && validator->is_string())
    state.validator = validator->as_string();
  const auto number = [](const json::value* v) -> std::uint64_t {
    if (!v) return 0;
    boost::system::error_code wrong;
    const auto n = v->to_number<std::uint64_t>(wrong);
    return wrong ? 0 : n;
  };
  state.size = number(object.if_contains("size"));
  if (auto* done = object.if_contains("done"); done && done->is_array())
    for (const json::value& pair : done->as_array())
      if (pair.is_array() && pair.as_array().size() == 2) {
        const ByteRange range{number(&pair.as_array()[0]), number(&pair.as_array()[1])};
        if (range.end <= state.size) add_range(state.done, range);
      }
  return state;
}

class FileOutput final : public Output {
 public:
  FileOutput(UniqueFd fd, std::string path, PartState earlier)
      : fd_(std::move(fd)), path_(std::move(path)), earlier_(std::move(earlier)) {}

  bool seekable() const override { return true; }
  Result<> write_at(std::uint64_t offset, Bytes bytes) override {
    return write_all(fd_.get(), bytes, partial_path(), &offset);
  }
  PartState earlier() const override { return earlier_; }

  void note_progress(const PartState& state, bool now) override {
    const auto time = std::chrono::steady_clock::now();
    if (!now && time - noted_ < std::chrono::seconds(1)) return;
    noted_ = time;
    // Renamed into place, so that a cut leaves the old state or the new one.
    const std::string temporary = state_path() + ".new";
    std::ofstream(temporary) << state_text(state);
    std::error_code ignored;
    std::filesystem::rename(temporary, state_path(), ignored);
  }

  Result<> truncate() override {
    earlier_ = {};
    std::error_code ignored;
    std::filesystem::remove(state_path(), ignored);
    if (::ftruncate(fd_.get(), 0) != 0) return file_error("empty", partial_path());
    return {};
  }

  Result<> complete() override {
    if (::rename(partial_path().c_str(), path_.c_str()) != 0)
      return file_error("rename the finished", partial_path());
    std::error_code ignored;
    std::filesystem::remove(state_path(), ignored);
    return {};
  }

  std::string partial_path() const override { return path_ + ".part"; }

 private:
  std::string state_path() const { return path_ + ".part.json"; }

  UniqueFd fd_;
  std::string path_;
  PartState earlier_;
  std::chrono::steady_clock::time_point noted_ = std::chrono::steady_clock::now();
};

}  // namespace

Result<std::unique_ptr<Output>> open_output(const std::string& path, const std::string& url, bool resume) {
  if (path == "-") return std::make_unique<StreamOutput>(UniqueFd{}, STDOUT_FILENO, "standard output");
  struct stat info{};
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    if (S_ISDIR(info.st_mode))
      return fail(ErrorKind::file, fmt::format("'{}' is a directory; name a file in it", path));
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd.get() < 0) return file_error("open", path);
    const int raw = fd.get();
    return std::make_unique<StreamOutput>(std::move(fd), raw, path);
  }
  PartState earlier;
  if (resume) {
    earlier = parse_state(path + ".part.json");
    if (earlier.url != url) earlier = {};
  }
  const std::string partial = path + ".part";
  // A state that nobody goes on with must not be taken for one of what comes now.
  if (std::error_code ignored; earlier.done.empty()) std::filesystem::remove(path + ".part.json", ignored);
  const int flags = O_RDWR | O_CREAT | O_CLOEXEC | (earlier.done.empty() ? O_TRUNC : 0);
  UniqueFd fd(::open(partial.c_str(), flags, 0644));
  if (fd.get() < 0) return file_error("write to", partial);
  // The state may promise more than the file holds (a disk that filled up, a crash): believe the file.
  if (::fstat(fd.get(), &info) == 0)
    std::erase_if(earlier.done,
                  [&](const ByteRange& r) { return r.end > static_cast<std::uint64_t>(info.st_size); });
  return std::make_unique<FileOutput>(std::move(fd), path, std::move(earlier));
}

}  // namespace sallyport::client
