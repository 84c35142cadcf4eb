#include "quic/datagram_queue.h"

#include <algorithm>
#include <cstring>

namespace sallyport::quic {

bool DatagramQueue::push(Bytes prefix, Bytes payload) {
  const std::size_t size = prefix.size() + payload.size();
  if (size > max_payload) return false;
  if (bytes_ + size > limit_) {
    refused_ = true;
    return false;
  }
  const std::size_t needed = sizeof(std::uint16_t) + size;
  if (blocks_.empty() || Chunk::pooled_size - blocks_.back().end < needed)
    blocks_.push_back({Chunk::allocate(Chunk::pooled_size)});
  Block& block = blocks_.back();
  std::uint8_t* out = block.chunk.mutable_bytes().data() + block.end;
  const auto length = static_cast<std::uint16_t>(size);
  std::memcpy(out, &length, sizeof length);
  out = std::copy(prefix.begin(), prefix.end(), out + sizeof length);
  std::copy(payload.begin(), payload.end(), out);
  block.end += needed;
  bytes_ += size;
  ++count_;
  return true;
}

Bytes DatagramQueue::front() const {
  const Block& block = blocks_.front();
  std::uint16_t length;
  std::memcpy(&length, block.chunk.data() + block.begin, sizeof length);
  return {block.chunk.data() + block.begin + sizeof length, length};
}

void DatagramQueue::pop() {
  Block& block = blocks_.front();
  std::uint16_t length;
  std::memcpy(&length, block.chunk.data() + block.begin, sizeof length);
  block.begin += sizeof length + length;
  bytes_ -= length;
  --count_;
  if (block.begin == block.end) blocks_.erase(blocks_.begin());
}

void DatagramQueue::clear() {
  blocks_.clear();
  bytes_ = count_ = 0;
}

bool DatagramQueue::take_writable() {
  if (!refused_ || bytes_ > limit_ / 2) return false;
  refused_ = false;
  return true;
}

}  // namespace sallyport::quic
