#include "tcp_stream.h"

#include "tcp_connection.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sallyport::sim {
namespace {

constexpr std::size_t read_size = 64 * 1024;

}  // namespace

TcpStream::TcpStream(net::Timers& timers, TcpConnection& connection, net::TcpCounters* counters)
    : connection_(&connection),
      path_(connection.path()),
      counters_(counters),
      work_(timers, [this](Time) { work(); }) {
  connection.attach(*this);
}

TcpStream::~TcpStream() {
  close();
}

void TcpStream::set_receiver(net::ByteStreamReceiver* receiver) {
  receiver_ = receiver;
  wake();
}

void TcpStream::set_reading(bool on) {
  reading_ = on;
  wake();
}

void TcpStream::write(Chunk chunk) {
  if (connection_ == nullptr || finishing_ || chunk.empty()) return;
  queued_ += chunk.size();
  queue_.push_back(std::move(chunk));
  if (queued_ > high_water) above_high_water_ = true;
  wake();
}

void TcpStream::finish() {
  if (connection_ == nullptr || finishing_) return;
  finishing_ = true;
  wake();
}

void TcpStream::work() {
  if (connection_ == nullptr) return;
  flush();
  const Lifetime::Guard guard(lifetime_);
  if (above_high_water_ && queued_ <= high_water / 2) {
    above_high_water_ = false;
    if (receiver_ != nullptr) receiver_->on_stream_writable();
  }
  if (guard.gone()) return;
  read();
  if (guard.gone() || connection_ == nullptr) return;
  // As of the kernel's: of a failure hears who reads, and who writes.
  if (connection_->error() && (is_listening() || has_to_send())) fail();
}

/// Moves to the send buffer what it takes.
void TcpStream::flush() {
  while (!queue_.empty() && connection_->room() > 0) {
    Chunk& chunk = queue_.front();
    const std::size_t part = std::min(chunk.size(), connection_->room());
    connection_->write(chunk.bytes().first(part));
    chunk.remove_prefix(part);
    if (chunk.empty()) queue_.pop_front();
    queued_ -= part;
    if (counters_ != nullptr) counters_->bytes_out += part;
  }
  if (!finishing_ || finished_ || !queue_.empty() || connection_->is_closed()) return;
  finished_ = true;
  connection_->finish();
}

void TcpStream::read() {
  const Lifetime::Guard guard(lifetime_);
  while (connection_ != nullptr && is_listening()) {
    if (connection_->at_end()) {
      peer_ended_ = true;
      receiver_->on_end();
      return;
    }
    const std::vector<std::uint8_t> bytes = connection_->read(read_size);
    if (bytes.empty()) return;
    if (counters_ != nullptr) counters_->bytes_in += bytes.size();
    receiver_->on_bytes(bytes);
    if (guard.gone()) return;
  }
}

void TcpStream::fail() {
  const Error why = *connection_->error();
  net::ByteStreamReceiver* const told = receiver_;
  close();
  if (told != nullptr) told->on_stream_error(why);
}

void TcpStream::close() {
  if (connection_ == nullptr) return;
  receiver_ = nullptr;
  if (finishing_ && !finished_) flush();
  std::exchange(connection_, nullptr)->let_go(finished_);
  queue_.clear();
  queued_ = 0;
}

}  // namespace sallyport::sim
