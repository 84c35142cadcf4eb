#include "quic/connection_memory.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

namespace sallyport::quic {
namespace {

constexpr std::size_t slab_size = 64 * RegionPool::region_size;
/// The number of free regions that keep their pages for new connections: about as many as there are
/// concurrent handshakes.
constexpr std::size_t max_warm = 64;

constexpr std::uint32_t alignment = 16;
/// The offset of a block in its unit of `alignment`: the memory after its head is aligned.
constexpr std::uint32_t first_block = 8;
/// The smallest remainder of a split that becomes a block.
constexpr std::uint32_t smallest_rest = 64;

constexpr std::size_t group_words = 64;  // as many as a mask has bits

}  // namespace

RegionPool::~RegionPool() {
  for (std::uint8_t* slab : slabs_) ::munmap(slab, slab_size);
}

bool RegionPool::add_slab() {
  void* const memory =
      ::mmap(nullptr, slab_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  // With huge pages, unfolding one connection would fault in a whole huge page.
  ::madvise(memory, slab_size, MADV_NOHUGEPAGE);
  auto* const slab = static_cast<std::uint8_t*>(memory);
  slabs_.push_back(slab);
  for (std::size_t at = slab_size; at > 0; at -= region_size) cold_.push_back(slab + at - region_size);
  return true;
}

std::uint8_t* RegionPool::take() {
  if (warm_.empty() && cold_.empty() && !add_slab()) return nullptr;
  auto& from = warm_.empty() ? cold_ : warm_;
  std::uint8_t* const region = from.back();
  from.pop_back();
  return region;
}

void RegionPool::give_back(std::uint8_t* region, bool clean) {
  if (clean && warm_.size() < max_warm) {
    warm_.push_back(region);
    return;
  }
  discard(region);
  cold_.push_back(region);
}

void RegionPool::discard(std::uint8_t* region) {
  ::madvise(region, region_size, MADV_DONTNEED);
}

/// In front of each piece of memory. Its neighbours are found by the two sizes.
struct ConnectionMemory::Block {
  Offset size;           // with this head; the lowest bit: it is in use
  Offset previous_size;  // of the block before; 0: this is the first
  // Of a free block only, in the memory itself:
  Offset next_free;
  Offset previous_free;

  static constexpr Offset used = 1;
  static constexpr Offset head_size = 2 * sizeof(Offset);
  bool in_use() const { return (size & used) != 0; }
  Offset whole() const { return size & ~used; }
  std::uint8_t* memory() { return reinterpret_cast<std::uint8_t*>(this) + head_size; }
  std::size_t capacity() const { return whole() - head_size; }
};

ConnectionMemory::ConnectionMemory(RegionPool& pool)
    : pool_(pool), region_(pool.take()), top_(first_block), native_{} {
  native_.user_data = this;
  native_.malloc = [](std::size_t size, void* self) {
    return static_cast<ConnectionMemory*>(self)->allocate(size);
  };
  native_.calloc = [](std::size_t count, std::size_t size, void* self) -> void* {
    if (size != 0 && count > SIZE_MAX / size) return nullptr;
    auto& memory = *static_cast<ConnectionMemory*>(self);
    void* const result = memory.allocate(count * size);
    if (result != nullptr && !memory.owns(result)) std::memset(result, 0, count * size);
    return result;
  };
  native_.realloc = [](void* old, std::size_t size, void* self) {
    return static_cast<ConnectionMemory*>(self)->reallocate(old, size);
  };
  native_.free = [](void* memory, void* self) { static_cast<ConnectionMemory*>(self)->free(memory); };
}

ConnectionMemory::~ConnectionMemory() {
  if (region_ != nullptr) pool_.give_back(region_, top_ == first_block);
}

ConnectionMemory::Block& ConnectionMemory::at(Offset offset) const {
  return *reinterpret_cast<Block*>(region_ + offset);
}

ConnectionMemory::Block& ConnectionMemory::block_of(void* memory) const {
  return *reinterpret_cast<Block*>(static_cast<std::uint8_t*>(memory) - Block::head_size);
}

ConnectionMemory::Offset ConnectionMemory::offset_of(const Block& block) const {
  return static_cast<Offset>(reinterpret_cast<const std::uint8_t*>(&block) - region_);
}

bool ConnectionMemory::owns(const void* memory) const {
  const auto address = reinterpret_cast<std::uintptr_t>(memory),
             begin = reinterpret_cast<std::uintptr_t>(region_);
  return region_ != nullptr && address - begin < RegionPool::region_size;
}

void* ConnectionMemory::allocate(std::size_t size) {
  if (region_ == nullptr || size > RegionPool::region_size) return std::malloc(size);
  const auto needed =
      static_cast<Offset>((size + Block::head_size + alignment - 1) & ~std::size_t{alignment - 1});
  for (Offset offset = free_list_; offset != 0; offset = at(offset).next_free) {
    Block& block = at(offset);
    if (block.size < needed) continue;
    unlink(block);
    split(block, needed);
    block.size |= Block::used;
    return block.memory();
  }
  if (top_ + needed > RegionPool::region_size) return std::malloc(size);
  Block& block = at(top_);
  block.size = needed | Block::used;
  block.previous_size = last_size_;
  top_ += needed;
  last_size_ = needed;
  return block.memory();
}

void ConnectionMemory::free(void* memory) {
  if (memory == nullptr) return;
  if (!owns(memory)) return std::free(memory);
  Block* block = &block_of(memory);
  assert(block->in_use());
  std::memset(block->memory(), 0, block->capacity());
  Offset size = block->whole();
  if (const Offset end = offset_of(*block) + size; end != top_ && !at(end).in_use()) {
    Block& next = at(end);
    unlink(next);
    size += next.size;
    next.size = next.previous_size = 0;
  }
  if (block->previous_size != 0) {
    Block& previous = at(offset_of(*block) - block->previous_size);
    if (!previous.in_use()) {
      unlink(previous);
      size += previous.size;
      block->size = block->previous_size = 0;
      block = &previous;
    }
  }
  const Offset offset = offset_of(*block);
  if (offset + size == top_) {
    top_ = offset;
    last_size_ = block->previous_size;
    block->size = block->previous_size = 0;
    return;
  }
  block->size = size;
  at(offset + size).previous_size = size;
  link(*block);
}

void* ConnectionMemory::reallocate(void* memory, std::size_t size) {
  if (memory == nullptr) return allocate(size);
  if (!owns(memory)) return std::realloc(memory, size);
  const std::size_t capacity = block_of(memory).capacity();
  if (size <= capacity) return memory;
  void* const larger = allocate(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, memory, capacity);
  free(memory);
  return larger;
}

/// Makes a free block of what `block`, which is in no list, has beyond `size`.
void ConnectionMemory::split(Block& block, Offset size) {
  const Offset rest = block.size - size;
  if (rest < smallest_rest) return;
  block.size = size;
  Block& other = at(offset_of(block) + size);
  other.size = rest;
  other.previous_size = size;
  at(offset_of(other) + rest).previous_size = rest;  // there is one: the last block before top_ is never free
  link(other);
}

void ConnectionMemory::link(Block& block) {
  const Offset offset = offset_of(block);
  block.next_free = free_list_;
  block.previous_free = 0;
  if (free_list_ != 0) at(free_list_).previous_free = offset;
  free_list_ = offset;
}

void ConnectionMemory::unlink(Block& block) {
  if (block.next_free != 0) at(block.next_free).previous_free = block.previous_free;
  (block.previous_free != 0 ? at(block.previous_free).next_free : free_list_) = block.next_free;
  block.next_free = block.previous_free = 0;
}

// Folded, each group of 64 words is a mask of those that are not zero, then these.

void ConnectionMemory::fold() {
  if (region_ == nullptr) return;
  std::vector<std::uint64_t>& out = pool_.scratch;
  out.clear();
  const std::size_t words = top_ / sizeof(std::uint64_t);
  for (std::size_t begin = 0; begin < words; begin += group_words) {
    const std::size_t mask_at = out.size();
    out.push_back(0);
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < std::min(group_words, words - begin); ++i) {
      std::uint64_t word;
      std::memcpy(&word, region_ + (begin + i) * sizeof word, sizeof word);
      if (word == 0) continue;
      mask |= std::uint64_t{1} << i;
      out.push_back(word);
    }
    out[mask_at] = mask;
  }
  folded_ = std::make_unique_for_overwrite<std::uint64_t[]>(out.size());
  std::copy(out.begin(), out.end(), folded_.get());
  RegionPool::discard(region_);
}

void ConnectionMemory::unfold() {
  if (region_ == nullptr) return;
  const std::uint64_t* in = folded_.get();
  const std::size_t words = top_ / sizeof(std::uint64_t);
  for (std::size_t begin = 0; begin < words; begin += group_words) {
    std::uint64_t mask = *in++;
    for (std::size_t i = begin; mask != 0; ++i, mask >>= 1) {
      if ((mask & 1) == 0) continue;
      std::memcpy(region_ + i * sizeof *in, in, sizeof *in);
      ++in;
    }
  }
  folded_.reset();
}

}  // namespace sallyport::quic
