// DatagramQueue: DATAGRAM payloads that wait for congestion control, bounded in bytes. Stored in pooled
// blocks that are returned once sent: an idle connection holds none.
#pragma once

#include "base/bytes.h"
#include "base/chunk.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::quic {

class DatagramQueue {
 public:
  /// The largest payload that push() takes.
  static constexpr std::size_t max_payload = Chunk::pooled_size - sizeof(std::uint16_t);

  explicit DatagramQueue(std::size_t limit) : limit_(limit) {}

  /// Copies `prefix` then `payload` as one datagram of at most max_payload bytes. False when the queue is
  /// full.
  bool push(Bytes prefix, Bytes payload);
  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  /// Bytes of payload waiting.
  std::size_t bytes() const { return bytes_; }
  /// The oldest datagram; valid until pop(). Not when empty().
  Bytes front() const;
  void pop();
  void clear();

  /// True once after a push() was refused and half of the limit is free again.
  bool take_writable();

 private:
  struct Block {
    Chunk chunk;
    std::size_t begin = 0,
                end = 0;  // of its queued datagrams; each is its length, 2 bytes, then its bytes
  };

  std::size_t limit_;
  std::size_t bytes_ = 0, count_ = 0;
  bool refused_ = false;
  std::vector<Block> blocks_;  // oldest first; few, so taking one off the front is cheap
};

}  // namespace sallyport::quic
