#include "client/file_output.h"

#include "base/file.h"
#include "base/unique_fd.h"
#include "client/output_place.h"
#include "client/stream_output.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::client {
namespace json = boost::json;
namespace {

// When the state is written anew, as another file in the old one's place. On ext4 that costs a millisecond.
constexpr auto time_between_states = std::chrono::seconds(1);
// In between it is written over the old one, which costs some microseconds, each time so much came: no more
// than that is asked for again after a run that was killed.
constexpr std::uint64_t bytes_between_states = 4 * 1024 * 1024;
// Whoever is killed in the middle of a write has written all of a page or nothing.
constexpr std::size_t page_size = 4096;
// Far more than a state of the most parts that may be asked for.
constexpr std::size_t largest_state = 1024 * 1024;

std::string state_text(const std::string& url, const PartState& state) {
  json::array done;
  for (const ByteRange& range : state.done) done.push_back(json::array{range.begin, range.end});
  return json::serialize(json::object{
      {"url", url}, {"validator", state.validator}, {"size", state.size}, {"done", std::move(done)}});
}

/// In a folder that others can write to, what stands under a name of ours may be anybody's.
bool is_ours(const struct stat& info) {
  return S_ISREG(info.st_mode) && info.st_uid == ::geteuid() && info.st_nlink <= 1;
}

/// Nothing where the file is not there, is not ours, makes no sense, or is of another URL.
PartState parse_state(const std::string& path, const std::string& url) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0 || !is_ours(info)) return {};
  const auto text = read_file(fmt::format("/proc/self/fd/{}", fd.get()), largest_state);
  if (!text) return {};
  boost::system::error_code error;
  const json::value value = json::parse(*text, error);
  if (error || !value.is_object()) return {};
  const json::object& object = value.as_object();
  if (auto* of = object.if_contains("url"); !of || !of->is_string() || of->as_string() != url) return {};
  PartState state;
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

std::uint64_t file_size(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

/// What of `promised` the file holds: after a crash of the system the state may say more. What was not
/// written then lies behind the end, or is a hole.
std::vector<ByteRange> held_ranges(int fd, const std::vector<ByteRange>& promised) {
  std::vector<ByteRange> held;
  const std::uint64_t size = file_size(fd);
  for (const ByteRange& range : promised) {
    const std::uint64_t end = std::min(range.end, size);
    for (std::uint64_t at = range.begin; at < end;) {
      const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;  // nothing but a hole follows
      const off_t hole = data < 0 ? -1 : ::lseek(fd, data, SEEK_HOLE);
      if (data < 0 || hole <= data) {  // a file system that cannot tell
        add_range(held, {at, end});
        break;
      }
      at = static_cast<std::uint64_t>(hole);
      add_range(held, {std::max(range.begin, static_cast<std::uint64_t>(data)), std::min(end, at)});
    }
  }
  return held;
}

class FileOutput final : public Output {
 public:
  FileOutput(UniqueFd fd, std::string path, std::string url, PartState earlier, std::uint64_t untold,
             std::string why_from_start)
      : fd_(std::move(fd)),
        path_(std::move(path)),
        names_(part_names(path_)),
        url_(std::move(url)),
        earlier_(std::move(earlier)),
        untold_(untold),
        why_from_start_(std::move(why_from_start)),
        kept_(total_size(earlier_.done)),
        begun_(!earlier_.done.empty()) {}

  ~FileOutput() override {
    // Nothing came, and nothing was there before.
    if (!complete_ && file_size(fd_.get()) == 0) ::unlink(partial_path().c_str());
  }

  bool seekable() const override { return true; }
  Result<> write_at(std::uint64_t offset, Bytes bytes) override {
    if (!begun_)
      if (auto emptied = empty(); !emptied) return emptied;
    unnoted_ += bytes.size();
    return write_all(fd_.get(), bytes, partial_path(), &offset);
  }
  PartState earlier() const override { return earlier_; }
  std::string why_from_start() const override { return why_from_start_; }
  std::uint64_t untold_bytes() const override { return untold_; }
  std::uint64_t kept_bytes() const override { return kept_; }

  void note_progress(const PartState& state, bool now) override {
    if (!begun_) return;  // the state is of what is there
    const auto time = std::chrono::steady_clock::now();
    const bool is_due = now || !noted_ || time - *noted_ >= time_between_states;
    if (!is_due && unnoted_ < bytes_between_states) return;
    unnoted_ = 0;
    const std::string text = state_text(url_, state);
    if (!is_due && overwrite_state(text, page_size)) {
      kept_ = total_size(state.done);
      return;
    }
    noted_ = time;
    // Whoever may not read the bytes may not read where they are from.
    struct stat info{};
    const mode_t mode = ::fstat(fd_.get(), &info) == 0 ? info.st_mode & 0666 : 0600;
    if (write_file(state_path(), text, mode, IfExists::replace) || overwrite_state(text, text.max_size()))
      kept_ = total_size(state.done);
  }

  /// What is there is worth more than nothing until something comes.
  Result<> truncate() override {
    begun_ = false;
    earlier_ = {};
    return {};
  }

  Result<> complete() override {
    if (!begun_)  // an empty resource
      if (auto emptied = empty(); !emptied) return emptied;
    keep_mode();
    if (::rename(partial_path().c_str(), path_.c_str()) != 0)
      return file_error("rename the finished", partial_path());
    complete_ = true;
    ::unlink(state_path().c_str());
    return {};
  }

  std::string partial_path() const override { return names_.bytes; }

 private:
  Result<> empty() {
    begun_ = true;
    kept_ = 0;
    noted_.reset();
    ::unlink(state_path().c_str());
    if (::ftruncate(fd_.get(), 0) != 0) return file_error("empty", partial_path());
    return {};
  }

  const std::string& state_path() const { return names_.state; }

  /// Of the file whose place is taken: its owner, as far as we may, and who may read it.
  void keep_mode() const {
    struct stat old{}, ours{};
    if (::stat(path_.c_str(), &old) != 0 || ::fstat(fd_.get(), &ours) != 0) return;
    const bool same_owner = old.st_uid == ours.st_uid && old.st_gid == ours.st_gid;
    [[maybe_unused]] const bool has_owner = same_owner || ::fchown(fd_.get(), old.st_uid, old.st_gid) == 0;
    // What runs with its owner's rights is what the owner put there, not what came from the network. A file
    // system without modes has none to keep.
    (void)::fchmod(fd_.get(), old.st_mode & 0777);
  }

  /// In the blocks that it has: also on a full disk, where there is no room for a second file. Blanks fill up
  /// what a longer state left. False, and nothing is changed: it does not fit, or is longer than `at_most`.
  bool overwrite_state(std::string text, std::size_t at_most) const {
    // Never waits for the reader of a FIFO that somebody put there.
    const UniqueFd fd(::open(state_path().c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd) return false;
    struct stat info{};
    if (::fstat(fd.get(), &info) != 0 || !is_ours(info)) return false;
    text.resize(std::max(text.size(), static_cast<std::size_t>(info.st_size)), ' ');
    // Cut in the middle, neither state would be left.
    constexpr std::size_t block_unit = 512;
    if (text.size() > at_most || text.size() > static_cast<std::size_t>(info.st_blocks) * block_unit)
      return false;
    const std::uint64_t start = 0;
    return write_all(fd.get(), as_bytes(text), state_path(), &start).has_value();
  }

  UniqueFd fd_;
  std::string path_;
  PartNames names_;
  std::string url_;
  PartState earlier_;
  std::uint64_t untold_;
  std::string why_from_start_;
  std::uint64_t kept_;  // by the state on disk
  std::optional<std::chrono::steady_clock::time_point> noted_;
  std::uint64_t unnoted_ = 0;  // bytes written since the last state
  bool begun_;                 // what is in the file belongs to this download
  bool complete_ = false;
};

std::unexpected<Error> refused_part(const std::string& part, std::string_view why, int code = 0) {
  return fail(ErrorKind::file, fmt::format("cannot write to '{}': it is {}; remove it", part, why),
              static_cast<std::uint64_t>(code));
}

/// Opened, as a file that we made now or in an earlier run, without following a link that somebody put there,
/// and locked.
Result<UniqueFd> open_part(const std::string& part, mode_t mode) {
  constexpr int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  constexpr int most_tries = 10;
  for (int tries = 0; tries < most_tries; ++tries) {
    UniqueFd fd(::open(part.c_str(), flags | O_CREAT | O_EXCL, mode));
    const bool is_new = static_cast<bool>(fd);
    if (!fd && errno == EEXIST) {
      fd = UniqueFd(::open(part.c_str(), flags));
      if (!fd && errno == ENOENT) continue;  // it has just got its final name, or was removed
      if (!fd && errno == ELOOP) return refused_part(part, "a symbolic link, which is not followed", ELOOP);
    }
    if (!fd) return file_error("write to", part);
    struct stat ours{}, named{};
    if (::fstat(fd.get(), &ours) != 0) return file_error("write to", part);
    if (!S_ISREG(ours.st_mode)) return refused_part(part, "no regular file");
    // A network's file system may say that even what we made is another user's.
    if (!is_new && !is_ours(ours))
      return refused_part(part, ours.st_nlink > 1 ? "a hard link, of which the file has other names as well"
                                                  : "another user's file");
    // Where a file system knows no locks, one download at a time is the user's care.
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      return fail(ErrorKind::file,
                  fmt::format("another download writes to '{}'; wait for its end, or name another file with "
                              "-o",
                              part),
                  EWOULDBLOCK);
    // Whoever had the lock before may have given the file its final name, or removed it.
    if (::lstat(part.c_str(), &named) == 0 && named.st_dev == ours.st_dev && named.st_ino == ours.st_ino)
      return fd;
  }
  return fail(ErrorKind::file,
              fmt::format("cannot write to '{}': whenever it is opened, another file takes its place; name "
                          "another file with -o",
                          part));
}

/// Nothing where neither the file nor a part of it is there, as in the first of many runs.
std::string why_from_start(const std::string& path, const PartNames& names, int part, bool replaces) {
  if (file_size(part) > 0)
    return fmt::format(
        "cannot go on with '{}': no '{}' tells what of this URL it has; it is downloaded from "
        "the start",
        names.bytes, names.state);
  return replaces ? fmt::format("there is no '{}' to go on with; '{}' is downloaded again", names.bytes, path)
                  : std::string();
}

}  // namespace

Result<std::unique_ptr<Output>> open_file_output(const std::string& path, const std::string& url,
                                                 bool resume) {
  const PartNames names = part_names(path);
  struct stat old{};
  const bool replaces = ::stat(path.c_str(), &old) == 0;
  constexpr mode_t usual = 0644, for_us = 0600;
  auto fd = open_part(names.bytes, replaces ? old.st_mode & 0777 : usual);
  if (!fd) return std::unexpected(fd.error());
  // An earlier run's may be open to more than the file that it is for.
  if (replaces) (void)::fchmod(fd->get(), (old.st_mode & 0777) | for_us);
  PartState earlier;
  if (resume) earlier = parse_state(names.state, url);
  earlier.done = held_ranges(fd->get(), earlier.done);
  // What is written is there from the beginning of a block on, and from the end to the next.
  constexpr std::uint64_t least_untold = 64 * 1024;
  std::uint64_t untold = 0;
  if (!earlier.done.empty()) {
    untold = total_size(held_ranges(fd->get(), {{0, earlier.size}})) - total_size(earlier.done);
    if (untold < least_untold) untold = 0;
  }
  std::string why;
  if (resume && earlier.done.empty()) why = why_from_start(path, names, fd->get(), replaces);
  return std::make_unique<FileOutput>(std::move(*fd), path, url, std::move(earlier), untold, std::move(why));
}

}  // namespace sallyport::client
