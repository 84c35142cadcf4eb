#include "quic/send_batch.h"

#include "quic/native.h"

#include <cassert>
#include <memory>
#include <utility>

namespace sallyport::quic {
namespace {

constexpr std::size_t largest_packet = 65'527;
constexpr std::size_t buffer_size = SendBatch::max_run_bytes + 2 * largest_packet;

struct ThreadBuffer {
  std::unique_ptr<std::uint8_t[]> bytes = std::make_unique_for_overwrite<std::uint8_t[]>(buffer_size);
  bool in_use = false;
};

ThreadBuffer& thread_buffer() {
  thread_local ThreadBuffer buffer;
  return buffer;
}

}  // namespace

SendBatch::SendBatch(Sender& sender) : sender_(sender) {
  ThreadBuffer& shared = thread_buffer();
  assert(!shared.in_use);
  shared.in_use = true;
  buffer_ = shared.bytes.get();
  ngtcp2_path_storage_zero(&path_);
}

SendBatch::~SendBatch() {
  flush();
  thread_buffer().in_use = false;
}

MutableBytes SendBatch::room(std::size_t size) {
  assert(size <= largest_packet);
  if (end_ - begin_ + size > max_run_bytes || end_ + size > buffer_size) flush();
  if (begin_ == end_) begin_ = end_ = 0;  // what the kernel has just read is still in the cache
  return {buffer_ + end_, size};
}

void SendBatch::add(std::size_t size) {
  const bool fits_run = count_ != 0 && size <= segment_ && count_ < net::max_gso_segments &&
                        info_.ecn == run_ecn_ && same_path(path_.path, run_path_);
  if (!fits_run) {
    flush();
    segment_ = size;
    run_ecn_ = info_.ecn;
    if (!same_path(path_.path, run_path_)) run_path_ = to_net_path(path_.path);
  }
  end_ += size;
  total_ += size;
  ++count_;
  if (size < segment_) flush();  // only the last of a run may be shorter
}

void SendBatch::flush() {
  if (count_ == 0) return;
  const net::DatagramRun run{{buffer_ + begin_, end_ - begin_}, segment_, static_cast<net::Ecn>(run_ecn_)};
  begin_ = end_;
  count_ = 0;
  if (sender_.send_run(run_path_, run) == net::SendStatus::blocked) blocked_ = true;
}

}  // namespace sallyport::quic
