#include "tls/record_channel.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sallyport::tls {
namespace {

constexpr std::size_t record_overhead =
    5 + 1 + 16 + 8;                                 // header, content type, tag; TLS 1.2 has a nonce as well
constexpr std::size_t plaintext_of_record = 16384;  // RFC 8446 §5.1
constexpr std::size_t smallest_buffer = 1024;

RecordChannel& channel_of(gnutls_transport_ptr_t pointer) {
  return static_cast<RecordChannel&>(*static_cast<Session*>(pointer));
}

}  // namespace

void RecordChannel::join() {
  gnutls_transport_set_pull_function(native(), pull);
  gnutls_transport_set_vec_push_function(native(), push);
}

void RecordChannel::settle() {
  if (!arriving_.empty()) held_.insert(held_.end(), arriving_.begin(), arriving_.end());
  arriving_ = {};
  if (held().empty() && !held_.empty()) {
    held_ = std::vector<std::uint8_t>();
    held_read_ = 0;
  }
}

std::vector<std::uint8_t> RecordChannel::take_input() {
  const Bytes unread = held();
  std::vector<std::uint8_t> input(unread.begin(), unread.end());
  held_ = std::vector<std::uint8_t>();
  held_read_ = 0;
  return input;
}

std::size_t RecordChannel::take(MutableBytes out) {
  const std::size_t taken = std::min(out.size(), held().size());
  copy_bytes(held().first(taken), out.data());
  held_read_ += taken;
  const std::size_t more = std::min(out.size() - taken, arriving_.size());
  copy_bytes(arriving_.first(more), out.data() + taken);
  arriving_ = arriving_.subspan(more);
  return taken + more;
}

ssize_t RecordChannel::pull(gnutls_transport_ptr_t self, void* out, std::size_t size) {
  RecordChannel& channel = channel_of(self);
  const std::size_t taken = channel.take({static_cast<std::uint8_t*>(out), size});
  if (taken > 0 || size == 0) return static_cast<ssize_t>(taken);
  gnutls_transport_set_errno(channel.native(), EAGAIN);
  return -1;
}

ssize_t RecordChannel::push(gnutls_transport_ptr_t self, const giovec_t* parts, int count) {
  RecordChannel& channel = channel_of(self);
  ssize_t total = 0;
  for (int i = 0; i < count; ++i) {
    channel.put({static_cast<const std::uint8_t*>(parts[i].iov_base), parts[i].iov_len});
    total += static_cast<ssize_t>(parts[i].iov_len);
  }
  return total;
}

void RecordChannel::expect(std::size_t plaintext) {
  expected_ = plaintext + (plaintext / plaintext_of_record + 2) * record_overhead;
}

void RecordChannel::put(Bytes record) {
  while (!record.empty()) {
    if (out_used_ == out_.size()) {
      flush();
      out_ = Chunk::allocate(
          std::clamp(std::max(expected_, record.size()), smallest_buffer, Chunk::pooled_size));
    }
    const std::size_t count = std::min(record.size(), out_.size() - out_used_);
    copy_bytes(record.first(count), out_.mutable_bytes().data() + out_used_);
    out_used_ += count;
    expected_ -= std::min(expected_, count);
    record = record.subspan(count);
  }
}

void RecordChannel::flush() {
  Chunk full = std::exchange(out_, Chunk{});
  const std::size_t used = std::exchange(out_used_, 0);
  if (used == 0) return;
  full.truncate(used);
  transport_->write(std::move(full));
}

}  // namespace sallyport::tls
