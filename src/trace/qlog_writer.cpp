#include "trace/qlog_writer.h"

#include "base/hex.h"
#include "base/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>

namespace sallyport::trace {
namespace {

// The longest delay of a file; a half-full ring wakes the thread earlier.
constexpr Duration interval = 100ms;
constexpr std::size_t flush_at = 256 * 1024;
// Records of one connection written before the next connection's: one that records faster than this thread
// writes must not make the rings of others overflow.
constexpr std::size_t most_at_once = 256 * 1024;
// The limit of files with one connection ID: a client chooses its ID, and may repeat it.
constexpr unsigned max_same_name = 1000;

void complain(const std::string& path, int error) {
  static LogOnce once;
  if (once.first())
    log_warn("cannot write the qlog {}: {}; its records are dropped and counted, traffic goes on", path,
             std::strerror(error));
}

}  // namespace

bool QlogFile::open() {
  for (unsigned i = 1; i <= max_same_name; ++i) {
    const std::string path =
        folder_ + "/" + stem_ + (i == 1 ? std::string() : "-" + std::to_string(i)) + ".sqlog";
    fd_.reset(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (fd_) return true;
    if (errno != EEXIST) {
      complain(path, errno);
      return false;
    }
  }
  return false;
}

bool QlogFile::append(std::string_view text) {
  if (!fd_ && !open()) return false;
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written =
        ::pwrite(fd_.get(), text.data() + done, text.size() - done, static_cast<off_t>(size_ + done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      complain(folder_ + "/" + stem_, written < 0 ? errno : ENOSPC);
      // An incomplete record would corrupt those that follow when there is room again.
      if (::ftruncate(fd_.get(), static_cast<off_t>(size_)) != 0) complain(folder_ + "/" + stem_, errno);
      return false;
    }
    done += static_cast<std::size_t>(written);
  }
  size_ += text.size();
  return true;
}

struct QlogWriter::Open {
  explicit Open(std::shared_ptr<ConnectionLog> connection, const std::string& folder)
      : log(std::move(connection)),
        serializer(log->identity),
        file(folder, to_hex(log->identity.original_destination_id) +
                         (log->identity.vantage == Vantage::client ? "_client" : "_server")),
        last_time(log->identity.start) {}

  std::shared_ptr<ConnectionLog> log;
  QlogSerializer serializer;
  QlogFile file;
  Time last_time;
  std::uint64_t missing = 0;  ///< events that the disk refused since the last successful append
  bool has_header = false;
};

QlogWriter::QlogWriter(std::string folder)
    : folder_(std::move(folder)), thread_("qlog", interval, *alarm_, [this](bool) { return round(); }) {}

QlogWriter::~QlogWriter() = default;

std::unique_ptr<Recorder> QlogWriter::start(QlogIdentity identity, std::size_t ring_bytes) {
  auto log = std::make_shared<ConnectionLog>(std::move(identity), ring_bytes);
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = started_.empty();
    started_.push_back(log);
  }
  if (first) alarm_->ring();  // the thread may wait without limit
  return std::make_unique<QlogRecorder>(std::move(log), alarm_);
}

WriterThread::Left QlogWriter::round() {
  std::vector<std::shared_ptr<ConnectionLog>> started;
  {
    const std::lock_guard lock(mutex_);
    started.swap(started_);
  }
  for (auto& log : started) open_.push_back(std::make_unique<Open>(std::move(log), folder_));
  bool more = false;
  std::erase_if(open_, [&](const std::unique_ptr<Open>& each) {
    const Left left = drain(*each);
    more = more || left == Left::more;
    return left == Left::closed;
  });
  if (more) return WriterThread::Left::more;
  return open_.empty() ? WriterThread::Left::nothing : WriterThread::Left::some;
}

QlogWriter::Left QlogWriter::drain(Open& open) {
  // Loaded before the ring is read: events recorded before the close are then visible.
  const bool closed = open.log->closed.load(std::memory_order_acquire);
  std::size_t taken = 0;
  for (Bytes record = open.log->ring.front(); !record.empty(); record = open.log->ring.front()) {
    if (taken >= most_at_once) {
      flush(open);
      return Left::more;
    }
    taken += record.size();
    begin(open);
    open.last_time = load_record<RecordHead>(record).time;
    open.serializer.append(record, buffer_);
    ++buffered_events_;
    open.log->ring.pop();
    if (buffer_.size() >= flush_at) flush(open);
  }
  if (const std::uint64_t dropped = closed ? open.log->dropped_at_end.load(std::memory_order_relaxed) : 0;
      dropped > 0) {
    begin(open);
    open.serializer.append_gap(open.last_time, dropped, buffer_);
  }
  if (!buffer_.empty()) flush(open);
  return closed ? Left::closed : Left::nothing;
}

void QlogWriter::begin(Open& open) {
  if (!buffer_.empty()) return;
  if (!open.has_header) QlogSerializer::append_header(open.log->identity, buffer_);
  if (open.missing > 0) open.serializer.append_gap(open.last_time, open.missing, buffer_);
}

void QlogWriter::flush(Open& open) {
  if (open.file.append(buffer_)) {
    open.has_header = true;
    open.missing = 0;
  } else {
    open.missing += buffered_events_;
    count_dropped_events(buffered_events_);
  }
  buffer_.clear();
  buffered_events_ = 0;
}

}  // namespace sallyport::trace
