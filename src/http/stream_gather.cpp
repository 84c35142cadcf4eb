#include "http/stream_gather.h"

#include <algorithm>
#include <utility>

namespace sallyport::http {
namespace {

// A little is copied rather than handed on in a pooled buffer: a peer that reads nothing and makes us answer
// with a few bytes at a time must not hold 64 KiB for each.
constexpr std::size_t copied_up_to = 16 * 1024;
// A Chunk of the queue from this size on is cheaper to pass on alone than to copy.
constexpr std::size_t passed_from = 32 * 1024;

}  // namespace

MutableBytes StreamGather::room() {
  if (used_ == Chunk::pooled_size) flush();
  if (chunk_.empty()) chunk_ = Chunk::allocate(Chunk::pooled_size);
  return chunk_.mutable_bytes().subspan(used_);
}

void StreamGather::put(Bytes bytes) {
  while (!bytes.empty()) {
    const MutableBytes into = room();
    const std::size_t count = std::min(into.size(), bytes.size());
    std::copy_n(bytes.begin(), count, into.begin());
    used_ += count;
    bytes = bytes.subspan(count);
  }
}

void StreamGather::put(SendQueue& queue, std::size_t bytes) {
  while (bytes > 0) {
    if (bytes >= passed_from && queue.front().size() >= passed_from) {
      flush();
      Chunk chunk = queue.pop(bytes);
      bytes -= chunk.size();
      stream_.write(std::move(chunk));
      continue;
    }
    const MutableBytes into = room();
    const std::size_t count = queue.pop_into(into.first(std::min(into.size(), bytes)));
    used_ += count;
    bytes -= count;
  }
}

void StreamGather::flush() {
  if (used_ == 0) return;
  Chunk chunk = std::exchange(chunk_, Chunk());
  chunk.truncate(std::exchange(used_, 0));
  if (chunk.size() <= copied_up_to)
    stream_.write(chunk.bytes());
  else
    stream_.write(std::move(chunk));
}

}  // namespace sallyport::http
