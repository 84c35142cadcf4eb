#include "http/h3_out_queue.h"

#include <algorithm>
#include <cassert>

namespace sallyport::http {

namespace {

// A response's head and the head of its DATA frame lie in one of these.
constexpr std::size_t arena_size = 240;
constexpr std::size_t usual_pieces = 4;

}  // namespace

void H3OutQueue::push(Chunk chunk) {
  if (chunk.empty()) return;
  unsent_bytes_ += chunk.size();
  const std::uint8_t* const data = chunk.data();
  const std::size_t size = chunk.size();
  if (pieces_.capacity() == 0) pieces_.reserve(usual_pieces);
  pieces_.push_back({data, size, std::move(chunk)});
}

void H3OutQueue::append(Bytes bytes, std::size_t spare) {
  if (bytes.empty()) return;
  if (arena_.size() - arena_used_ < bytes.size()) {
    arena_ = Chunk::allocate(std::max(bytes.size() + spare, arena_size));
    // Kept because pieces share the arena while its rest is still being filled.
    arena_data_ = arena_.mutable_bytes().data();
    arena_used_ = 0;
  }
  std::uint8_t* const to = arena_data_ + arena_used_;
  copy_bytes(bytes, to);
  arena_used_ += bytes.size();
  unsent_bytes_ += bytes.size();
  if (!pieces_.empty() && pieces_.back().data + pieces_.back().size == to) {
    pieces_.back().size += bytes.size();
  } else {
    if (pieces_.capacity() == 0) pieces_.reserve(usual_pieces);
    pieces_.push_back({to, bytes.size(), arena_});
  }
}

std::size_t H3OutQueue::unsent(std::span<::iovec> out, std::size_t& count) const {
  std::size_t total = 0;
  std::size_t skip = next_sent_;
  count = 0;
  for (std::size_t i = next_; i < pieces_.size() && count < out.size(); ++i, skip = 0) {
    const Piece& piece = pieces_[i];
    if (piece.size == skip) continue;
    out[count++] = {const_cast<std::uint8_t*>(piece.data + skip), piece.size - skip};
    total += piece.size - skip;
  }
  return total;
}

void H3OutQueue::sent(std::size_t bytes) {
  assert(bytes <= unsent_bytes_);
  unsent_bytes_ -= bytes;
  while (bytes > 0) {
    const std::size_t step = std::min(bytes, pieces_[next_].size - next_sent_);
    bytes -= step;
    next_sent_ += step;
    // The last piece may still grow (append), so it is left only when there is another.
    if (next_sent_ == pieces_[next_].size && next_ + 1 < pieces_.size()) {
      ++next_;
      next_sent_ = 0;
    }
  }
}

void H3OutQueue::acked(std::size_t bytes) {
  while (bytes > 0 && first_ < pieces_.size()) {
    Piece& piece = pieces_[first_];
    const std::size_t step = std::min(bytes, piece.size - acked_);
    bytes -= step;
    acked_ += step;
    if (acked_ < piece.size) break;
    piece.keep = Chunk();
    ++first_;
    acked_ = 0;
  }
  if (first_ == pieces_.size()) return clear();
  if (next_ < first_) {
    next_ = first_;
    next_sent_ = 0;
  }
  if (first_ >= 32 && first_ * 2 >= pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    next_ -= first_;
    first_ = 0;
  }
}

void H3OutQueue::clear() {
  pieces_.clear();
  first_ = acked_ = next_ = next_sent_ = unsent_bytes_ = 0;
  arena_ = Chunk();
  arena_data_ = nullptr;
  arena_used_ = 0;
}

}  // namespace sallyport::http
