#include "base/ring.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace sallyport {
namespace {

// Each record is preceded by its size. Records do not wrap: where one would, `skip` continues at the start.
using Size = std::uint64_t;
constexpr Size skip = ~Size{0};

constexpr std::size_t aligned(std::size_t size) {
  return (size + 7) & ~std::size_t{7};
}

}  // namespace

Ring::Ring(std::size_t capacity)
    : capacity_(std::bit_ceil(std::max<std::size_t>(capacity, 4096))),
      mask_(capacity_ - 1),
      bytes_(std::make_unique_for_overwrite<std::uint8_t[]>(capacity_)) {}

std::uint8_t* Ring::reserve(std::size_t size) {
  const std::size_t need = sizeof(Size) + aligned(size);
  if (need > capacity_) return nullptr;
  std::uint64_t position = head_.load(std::memory_order_relaxed);
  const std::size_t to_end = capacity_ - (position & mask_);
  const std::size_t skipped = need > to_end ? to_end : 0;
  if (position + skipped + need - known_tail_ > capacity_) {
    known_tail_ = tail_.load(std::memory_order_acquire);
    if (position + skipped + need - known_tail_ > capacity_) return nullptr;
  }
  if (skipped > 0) {
    std::memcpy(at(position), &skip, sizeof skip);
    position += skipped;
  }
  reserved_ = position;
  return at(position) + sizeof(Size);
}

void Ring::commit(std::size_t size) {
  const Size stored = size;
  std::memcpy(at(reserved_), &stored, sizeof stored);
  head_.store(reserved_ + sizeof(Size) + aligned(size), std::memory_order_release);
}

bool Ring::is_half_full() {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  if (head - known_tail_ <= capacity_ / 2) return false;
  known_tail_ = tail_.load(std::memory_order_acquire);
  return head - known_tail_ > capacity_ / 2;
}

Bytes Ring::front() {
  std::uint64_t position = tail_.load(std::memory_order_relaxed);
  if (position == known_head_) {
    known_head_ = head_.load(std::memory_order_acquire);
    if (position == known_head_) return {};
  }
  Size size = 0;
  std::memcpy(&size, at(position), sizeof size);
  if (size == skip) {
    position += capacity_ - (position & mask_);
    tail_.store(position, std::memory_order_release);
    std::memcpy(&size, at(position), sizeof size);
  }
  return {at(position) + sizeof(Size), static_cast<std::size_t>(size)};
}

void Ring::pop() {
  const std::uint64_t position = tail_.load(std::memory_order_relaxed);
  Size size = 0;
  std::memcpy(&size, at(position), sizeof size);
  tail_.store(position + sizeof(Size) + aligned(static_cast<std::size_t>(size)), std::memory_order_release);
}

}  // namespace sallyport
