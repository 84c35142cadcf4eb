#include "client/output.h"

#include "client/file_output.h"
#include "client/output_place.h"
#include "client/stream_output.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::client {

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

std::uint64_t total_size(const std::vector<ByteRange>& ranges) {
  std::uint64_t size = 0;
  for (const ByteRange& range : ranges) size += range.size();
  return size;
}

namespace {

/// No open() fails with it, so that it is a FIFO's alone: ENXIO is also told of sockets and devices.
constexpr int nobody_reads = ENOTCONN;

}  // namespace

bool lacks_reader(const Error& error) {
  return error.kind == ErrorKind::file && error.code == nobody_reads;
}

Result<std::unique_ptr<Output>> open_output(const std::string& path, const std::string& url, bool resume,
                                            net::EventLoop* loop) {
  const auto place = find_place(path);
  if (!place) return std::unexpected(place.error());
  if (place->descriptor)
    return make_stream_output({}, *place->descriptor, path == "-" ? "standard output" : path, loop);
  struct stat info{};
  const bool exists = ::stat(place->path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode))
    return fail(ErrorKind::file, fmt::format("'{}' is a directory; name a file in it", path));
  // What the kernel shows under /proc is never replaced.
  if (!place->path.starts_with("/proc/") && (!exists || S_ISREG(info.st_mode)))
    return open_file_output(place->path, url, resume);
  const bool fifo = S_ISFIFO(info.st_mode);
  UniqueFd fd(::open(place->path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC | (fifo ? O_NONBLOCK : 0)));
  if (!fd && errno == ENXIO && fifo)
    return fail(ErrorKind::file, fmt::format("cannot write to '{}': nobody opened it for reading", path),
                nobody_reads);
  if (!fd) return file_error("open", path);
  const int raw = fd.get();
  return make_stream_output(std::move(fd), raw, path, loop);
}

}  // namespace sallyport::client
