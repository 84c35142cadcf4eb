#include "base/chunk.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdlib>
#include <functional>
#include <new>
#include <utility>

namespace sallyport {

struct ChunkBuffer {
  /// Where the buffer goes when its last reference is gone.
  enum class Pool : std::uint8_t { none, small, large };

  std::uint32_t references;
  Pool pool;
  // Followed by the bytes.
  std::uint8_t* bytes() { return reinterpret_cast<std::uint8_t*>(this + 1); }
};

namespace {

using Pool = ChunkBuffer::Pool;

// Buffers up to this size are exactly as large as requested: a field section that waits for its
// acknowledgement must not hold 64 KiB, and malloc is fast at these sizes.
constexpr std::size_t largest_exact = 16 * 1024;

// The head of a response, and what else comes with each of many exchanges at once.
constexpr std::size_t small_size = 256;

ChunkBuffer* allocate_buffer(std::size_t size, Pool pool) {
  void* memory = std::malloc(sizeof(ChunkBuffer) + size);
  if (memory == nullptr) throw std::bad_alloc();
  return new (memory) ChunkBuffer{.references = 1, .pool = pool};
}

// Separate from the list, because it is read after the list's destruction: a Chunk in another thread-local
// object may be destroyed later.
thread_local bool list_ended = false;

/// One thread's idle buffers of one size: at most `most` of them; others are freed.
template <Pool pool, std::size_t size, std::size_t most>
class FreeList {
 public:
  ~FreeList() {
    while (count_ > 0) std::free(idle_[--count_]);
    list_ended = true;
  }
  ChunkBuffer* take() {
    if (count_ == 0) return allocate_buffer(size, pool);
    ChunkBuffer* const buffer = idle_[--count_];
    buffer->references = 1;
    return buffer;
  }
  void give_back(ChunkBuffer* buffer) {
    if (count_ == idle_.size())
      std::free(buffer);
    else
      idle_[count_++] = buffer;
  }

 private:
  std::array<ChunkBuffer*, most> idle_{};
  std::size_t count_ = 0;
};

struct FreeLists {
  FreeList<Pool::small, small_size, 256> small;
  FreeList<Pool::large, Chunk::pooled_size, 64> large;
};

FreeLists& free_lists() {
  thread_local FreeLists lists;
  return lists;
}

thread_local const Chunk* lent = nullptr;

}  // namespace

ChunkLoan::ChunkLoan(const Chunk& chunk) : outer_(std::exchange(lent, &chunk)) {}

ChunkLoan::~ChunkLoan() {
  lent = outer_;
}

Chunk::Chunk(const Chunk& other) noexcept : buffer_(other.buffer_), data_(other.data_), size_(other.size_) {
  if (buffer_ != nullptr) ++buffer_->references;
}

void Chunk::release() {
  if (--buffer_->references > 0) return;
  if (buffer_->pool == Pool::none || list_ended)
    std::free(buffer_);
  else if (buffer_->pool == Pool::small)
    free_lists().small.give_back(buffer_);
  else
    free_lists().large.give_back(buffer_);
}

Chunk Chunk::allocate(std::size_t size) {
  Chunk chunk;
  if (size == 0) return chunk;
  if (list_ended || size > pooled_size || (size > small_size && size <= largest_exact))
    chunk.buffer_ = allocate_buffer(size, Pool::none);
  else
    chunk.buffer_ = size <= small_size ? free_lists().small.take() : free_lists().large.take();
  chunk.data_ = chunk.buffer_->bytes();
  chunk.size_ = size;
  return chunk;
}

Chunk Chunk::copy_of(Bytes bytes) {
  Chunk chunk = allocate(bytes.size());
  copy_bytes(bytes, chunk.mutable_bytes().data());
  return chunk;
}

Chunk Chunk::share(Bytes bytes) {
  if (lent == nullptr || bytes.size() < lent->size() / 2 || bytes.empty()) return copy_of(bytes);
  const std::less_equal<> not_after;
  if (!not_after(lent->data_, bytes.data()) ||
      !not_after(bytes.data() + bytes.size(), lent->data_ + lent->size_))
    return copy_of(bytes);
  Chunk part = *lent;
  part.remove_prefix(static_cast<std::size_t>(bytes.data() - part.data_));
  part.truncate(bytes.size());
  return part;
}

bool Chunk::is_shared() const {
  return buffer_ != nullptr && buffer_->references > 1;
}

MutableBytes Chunk::mutable_bytes() {
  if (buffer_ == nullptr) return {};
  assert(buffer_->references == 1);
  return {data_, size_};
}

Chunk Chunk::split_front(std::size_t count) {
  assert(count <= size_);
  Chunk front = *this;
  front.truncate(count);
  remove_prefix(count);
  return front;
}

void Chunk::remove_prefix(std::size_t count) {
  assert(count <= size_);
  data_ += count;
  size_ -= count;
}

void Chunk::truncate(std::size_t count) {
  assert(count <= size_);
  size_ = count;
}

}  // namespace sallyport
