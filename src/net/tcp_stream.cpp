#include "net/tcp_stream.h"

#include "net/socket_calls.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <sys/uio.h>

namespace sallyport::net {
namespace {

constexpr unsigned reads_a_turn = 4;
constexpr std::size_t parts_a_call = 64;
constexpr std::size_t gather_size = 4 * 1024;

/// One for all streams of a thread, so that idle ones hold none; another one where a receiver kept the last
/// (Chunk::share()).
Chunk& read_buffer() {
  thread_local Chunk buffer;
  if (buffer.empty() || buffer.is_shared()) buffer = Chunk::allocate(Chunk::pooled_size);
  return buffer;
}

}  // namespace

TcpStream::TcpStream(EventLoop& loop, FdWatch watch, const SocketAddress& remote, TcpCounters* counters)
    : watch_(std::move(watch)),
      counters_(counters),
      path_{local_address(watch_.fd()), remote},
      flush_(loop.timers(), [this](Time) { flush_or_fail(); }) {
  watch_.set_watcher(*this);
}

TcpStream::~TcpStream() {
  close();
}

void TcpStream::set_receiver(ByteStreamReceiver* receiver) {
  receiver_ = receiver;
  update_reading();
}

void TcpStream::set_reading(bool on) {
  reading_ = on;
  update_reading();
}

void TcpStream::update_reading() {
  watch_.want_readable(receiver_ != nullptr && reading_ && !peer_ended_);
}

void TcpStream::write(Chunk chunk) {
  if (watch_.fd() < 0 || finishing_ || chunk.empty()) return;
  const std::size_t size = chunk.size();
  seal_gathered();
  queue_.push_back(std::move(chunk));
  wrote(size);
}

void TcpStream::write(Bytes bytes) {
  if (watch_.fd() < 0 || finishing_ || bytes.empty()) return;
  if (bytes.size() > gather_size - gathered_size_) seal_gathered();
  if (bytes.size() > gather_size) {
    queue_.push_back(Chunk::share(bytes));
  } else {
    if (gathered_.empty()) gathered_ = Chunk::allocate(gather_size);
    copy_bytes(bytes, gathered_.mutable_bytes().data() + gathered_size_);
    gathered_size_ += bytes.size();
  }
  wrote(bytes.size());
}

void TcpStream::wrote(std::size_t count) {
  queued_ += count;
  if (queued_ > high_water) above_high_water_ = true;
  if (!blocked_) flush_.request();
}

void TcpStream::seal_gathered() {
  if (gathered_size_ == 0) return;
  gathered_.truncate(std::exchange(gathered_size_, 0));
  queue_.push_back(std::exchange(gathered_, Chunk()));
}

void TcpStream::finish() {
  if (watch_.fd() < 0 || finishing_) return;
  finishing_ = true;
  if (!blocked_) flush_.request();
}

/// Sends as much as the kernel takes; 0, or the errno that ends the stream.
int TcpStream::flush() {
  seal_gathered();
  while (next_ < queue_.size()) {
    std::array<iovec, parts_a_call> parts;
    std::size_t count = 0;
    for (std::size_t i = next_; i < queue_.size() && count < parts.size(); ++i, ++count)
      parts[count] = {const_cast<std::uint8_t*>(queue_[i].data()),
                      queue_[i].size()};  // sendmsg only reads it
    msghdr header{};
    header.msg_iov = parts.data();
    header.msg_iovlen = count;
    const ssize_t sent = ::sendmsg(watch_.fd(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) {
      drop_sent(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      blocked_ = true;
      watch_.want_writable();
      return 0;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  if (finishing_ && !std::exchange(finished_, true)) ::shutdown(watch_.fd(), SHUT_WR);
  return 0;
}

void TcpStream::drop_sent(std::size_t count) {
  if (counters_ != nullptr) counters_->bytes_out += count;
  queued_ -= count;
  while (count > 0) {
    Chunk& chunk = queue_[next_];
    const std::size_t part = std::min(count, chunk.size());
    count -= part;
    if (part < chunk.size()) {
      chunk.remove_prefix(part);
    } else {
      chunk = Chunk();  // frees its buffer now, not with the whole queue
      ++next_;
    }
  }
  if (next_ < queue_.size() && next_ < 256) return;
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(next_));
  next_ = 0;
  if (queue_.empty() && queue_.capacity() > 64) queue_.shrink_to_fit();
}

void TcpStream::flush_or_fail() {
  if (watch_.fd() < 0) return;
  if (const int error = flush(); error != 0) return fail(error);
  // on_stream_writable is called in a later turn; otherwise a fast reader could keep this turn from ending.
  if (above_high_water_ && !blocked_) watch_.want_writable();
}

void TcpStream::on_writable() {
  blocked_ = false;
  if (const int error = flush(); error != 0) return fail(error);
  if (above_high_water_ && queued_ <= high_water / 2) {
    above_high_water_ = false;
    if (receiver_ != nullptr) receiver_->on_stream_writable();
  }
}

void TcpStream::on_readable() {
  const Lifetime::Guard guard(lifetime_);
  for (unsigned i = 0; i < reads_a_turn; ++i) {
    Chunk& chunk = read_buffer();
    const MutableBytes buffer = chunk.mutable_bytes();
    const ssize_t count = ::recv(watch_.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) fail(errno);
      return;
    }
    if (count == 0) {
      peer_ended_ = true;
      update_reading();
      receiver_->on_end();
      return;
    }
    const auto size = static_cast<std::size_t>(count);
    if (counters_ != nullptr) counters_->bytes_in += size;
    {
      const ChunkLoan loan(chunk);
      receiver_->on_bytes(Bytes(buffer).first(size));
    }
    if (guard.gone() || receiver_ == nullptr || !reading_ || size < buffer.size()) break;
  }
}

void TcpStream::fail(int error) {
  ByteStreamReceiver* const told = receiver_;
  const std::string what = "TCP connection with " + path_.remote.to_string() + " failed";
  close();
  if (told != nullptr) told->on_stream_error(socket_error(what, error));
}

void TcpStream::close() {
  if (watch_.fd() < 0) return;
  receiver_ = nullptr;
  if (finishing_ && !finished_ && !blocked_) flush();
  if (!finished_) {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(watch_.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  watch_.close();
  queue_.clear();
  gathered_ = Chunk();
  next_ = queued_ = gathered_size_ = 0;
}

}  // namespace sallyport::net
