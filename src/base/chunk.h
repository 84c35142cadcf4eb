// Chunk: a slice of a reference-counted, pooled buffer. Bodies are passed as Chunks: bytes read once (from a
// file or a connection) wait for their acknowledgement without another copy. One thread only.
#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace sallyport {

/// Storage behind Chunks; recycled through a free list of its thread. Not used by itself.
struct ChunkBuffer;

class Chunk {
 public:
  /// The size of a pooled buffer, and so the best read size for files and connections. Small sizes are
  /// allocated exactly (the smallest in size classes), larger ones by malloc.
  static constexpr std::size_t pooled_size = 64 * 1024;

  Chunk() = default;
  Chunk(const Chunk& other) noexcept;
  Chunk(Chunk&& other) noexcept
      : buffer_(std::exchange(other.buffer_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  Chunk& operator=(Chunk other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Chunk() {
    if (buffer_ != nullptr) release();
  }

  /// A fresh buffer of exactly `size` bytes, content unspecified; the caller fills it through
  /// mutable_bytes().
  static Chunk allocate(std::size_t size);
  static Chunk copy_of(Bytes bytes);
  /// Shares the storage of the Chunk that `bytes` lie in, where that is known (ChunkLoan) and they are at
  /// least half of its buffer: a small part would keep all of it. Else a copy.
  static Chunk share(Bytes bytes);

  Bytes bytes() const { return {data_, size_}; }
  /// Only before the first copy of this Chunk is made.
  MutableBytes mutable_bytes();
  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// The first `count` bytes, sharing storage; this Chunk keeps the rest. `count` <= size().
  Chunk split_front(std::size_t count);
  void remove_prefix(std::size_t count);
  /// Keeps only the first `count` bytes (after a short read into an allocated Chunk).
  void truncate(std::size_t count);
  /// Another Chunk refers to the same buffer.
  bool is_shared() const;

 private:
  void release();

  ChunkBuffer* buffer_ = nullptr;
  std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

/// While it lives, Chunk::share() on this thread knows what lies in `chunk`: for a reader that hands its
/// buffer on as Bytes. The innermost counts.
class ChunkLoan {
 public:
  /// `chunk`: not owned; it stays as it is meanwhile.
  explicit ChunkLoan(const Chunk& chunk);
  ~ChunkLoan();
  ChunkLoan(const ChunkLoan&) = delete;
  ChunkLoan& operator=(const ChunkLoan&) = delete;

 private:
  const Chunk* const outer_;
};

}  // namespace sallyport
