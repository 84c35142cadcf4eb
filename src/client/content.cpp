#include "client/content.h"

#include "base/bytes.h"
#include "client/pace.h"
#include "client/stream_output.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::client {

std::shared_ptr<const Content> Content::of_text(std::string text) {
  auto content = std::make_shared<Content>();
  content->size_ = text.size();
  content->text_ = std::move(text);
  return content;
}

Result<std::shared_ptr<const Content>> Content::of_file(const std::string& path) {
  auto content = std::make_shared<Content>();
  const bool standard = path == "-";
  content->name_ = standard ? "standard input" : path;
  content->fd_ = UniqueFd(standard ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                   : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info{};
  if (content->fd_.get() < 0 || ::fstat(content->fd_.get(), &info) != 0)
    return file_error("read", content->name_);
  if (S_ISDIR(info.st_mode))
    return fail(ErrorKind::file, fmt::format("'{}' is a directory; name a file in it", path));
  if (!S_ISREG(info.st_mode)) return content;
  // Whoever gave us a file as standard input may have read some of it.
  const off_t at = std::max<off_t>(::lseek(content->fd_.get(), 0, SEEK_CUR), 0);
  content->start_ = static_cast<std::uint64_t>(at);
  content->size_ = static_cast<std::uint64_t>(std::max<off_t>(info.st_size - at, 0));
  return content;
}

BodySender::BodySender(std::shared_ptr<const Content> content, Pace* pace, net::EventLoop* loop)
    : content_(std::move(content)), pace_(pace) {
  if (content_->size_ || loop == nullptr) return;
  // Opened once more, so that it can be non-blocking for us alone.
  const std::string path = fmt::format("/proc/self/fd/{}", content_->fd_.get());
  UniqueFd own(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!own) return;
  if (auto watch = net::FdWatch::open(*loop, std::move(own), *this)) watch_ = std::move(*watch);
}

/// Empty: the end, or (waits_) nothing is there yet.
Result<Chunk> BodySender::read(std::size_t most) {
  if (content_->size_)
    most = static_cast<std::size_t>(std::min<std::uint64_t>(most, *content_->size_ - sent_));
  if (most == 0) return Chunk();
  Chunk chunk = Chunk::allocate(most);
  const MutableBytes into = chunk.mutable_bytes();
  if (content_->fd_.get() < 0) {
    copy_bytes(as_bytes(content_->text_).subspan(sent_, most), into.data());
    return chunk;
  }
  ssize_t count = 0;
  do {
    const int fd = watch_.fd() >= 0 ? watch_.fd() : content_->fd_.get();
    count = content_->size_ ? ::pread(fd, into.data(), most, static_cast<off_t>(content_->start_ + sent_))
                            : ::read(fd, into.data(), most);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && errno == EAGAIN && watch_.fd() >= 0) {
    waits_ = true;
    return Chunk();
  }
  if (count < 0) return file_error("read", content_->name_);
  if (count == 0 && content_->size_)
    return fail(ErrorKind::file, fmt::format("'{}' became shorter while it was being sent", content_->name_));
  chunk.truncate(static_cast<std::size_t>(count));
  return chunk;
}

void BodySender::send(http::Exchange& exchange) {
  exchange_ = &exchange;
  waits_ = false;
  while (!done_ && exchange.can_write()) {
    if (pace_ != nullptr && pace_->holds_back()) break;
    const std::size_t room = std::min(exchange.room(), Chunk::pooled_size);
    if (room == 0) break;
    auto chunk = read(room);
    if (!chunk) return exchange.reset(http::ResetCode::cancelled, chunk.error());
    if (waits_) break;
    if (chunk->empty()) {
      done_ = true;
      exchange.finish();
      break;
    }
    sent_ += chunk->size();
    if (pace_ != nullptr) pace_->moved(chunk->size());
    exchange.write(std::move(*chunk));
  }
  if (watch_.fd() >= 0) watch_.want_readable(waits_);
}

void BodySender::on_readable() {
  if (exchange_ != nullptr) send(*exchange_);
}

void BodySender::stop() {
  exchange_ = nullptr;
  watch_.close();
}

}  // namespace sallyport::client
