#include "http/send_queue.h"

#include <algorithm>
#include <cassert>

namespace sallyport::http {

namespace {

// One allocation for a burst of capsules; larger pieces, and the first of a burst, get one of their own size.
constexpr std::size_t gather_size = 16 * 1024;

}  // namespace

void SendQueue::push(Chunk chunk) {
  if (chunk.empty()) return;
  seal();
  size_ += chunk.size();
  chunks_.push_back(std::move(chunk));
}

void SendQueue::append(Bytes first, Bytes second, Bytes third) {
  const std::size_t size = first.size() + second.size() + third.size();
  if (size == 0) return;
  if (size == first.size() && size > gather_size) return push(Chunk::share(first));
  if (tail_.size() - tail_used_ < size) {
    seal();
    tail_ = Chunk::allocate(empty() ? size : std::max(size, gather_size));
  }
  std::uint8_t* out = tail_.mutable_bytes().data() + tail_used_;
  out = copy_bytes(first, out);
  out = copy_bytes(second, out);
  copy_bytes(third, out);
  tail_used_ += size;
  size_ += size;
}

void SendQueue::seal() {
  if (tail_used_ > 0) {
    tail_.truncate(tail_used_);
    chunks_.push_back(std::move(tail_));
    tail_used_ = 0;
  }
  tail_ = Chunk();
}

const Chunk& SendQueue::front() {
  assert(!empty());
  if (head_ == chunks_.size()) seal();
  return chunks_[head_];
}

Chunk SendQueue::pop(std::size_t most) {
  assert(!empty() && most > 0);
  if (head_ == chunks_.size()) seal();
  Chunk& chunk = chunks_[head_];
  if (chunk.size() > most) {
    size_ -= most;
    return chunk.split_front(most);
  }
  Chunk taken = std::move(chunk);
  size_ -= taken.size();
  if (++head_ == chunks_.size()) {
    chunks_.clear();
    head_ = 0;
  } else if (head_ >= 64 && head_ * 2 >= chunks_.size()) {
    chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  return taken;
}

std::size_t SendQueue::pop_into(MutableBytes out) {
  std::size_t copied = 0;
  while (copied < out.size() && !empty()) {
    const Chunk chunk = pop(out.size() - copied);
    copy_bytes(chunk.bytes(), out.data() + copied);
    copied += chunk.size();
  }
  return copied;
}

void SendQueue::clear() {
  chunks_.clear();
  head_ = 0;
  tail_ = Chunk();
  tail_used_ = 0;
  size_ = 0;
}

}  // namespace sallyport::http
