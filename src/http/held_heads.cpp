#include "http/held_heads.h"

#include <atomic>

namespace sallyport::http {
namespace {

std::atomic<std::size_t> reserved_by_all = 0;

bool reserve(std::size_t bytes) {
  if (reserved_by_all.fetch_add(bytes, std::memory_order_relaxed) + bytes <= HeldHeads::most_of_all)
    return true;
  reserved_by_all.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

}  // namespace

HeldHeads::~HeldHeads() {
  reserved_by_all.fetch_sub(reserved_, std::memory_order_relaxed);
}

HeldHeads::Verdict HeldHeads::hold(std::size_t bytes, std::size_t most) {
  if (held_ + bytes > most) return Verdict::too_much_here;
  // The first step is free: a connection costs about as much without any request.
  const std::size_t needed = (held_ + bytes) / step * step;
  if (needed > reserved_) {
    if (!reserve(needed - reserved_)) return Verdict::too_much_in_all;
    reserved_ = needed;
  }
  held_ += bytes;
  return Verdict::held;
}

void HeldHeads::release(std::size_t bytes) {
  held_ -= bytes;
  const std::size_t needed = held_ / step * step;
  if (needed >= reserved_) return;
  reserved_by_all.fetch_sub(reserved_ - needed, std::memory_order_relaxed);
  reserved_ = needed;
}

}  // namespace sallyport::http
