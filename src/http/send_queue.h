// SendQueue: what waits to be sent on one exchange: Chunks as they were given, small pieces gathered into
// larger ones.
#pragma once

#include "base/bytes.h"
#include "base/chunk.h"

#include <cstdint>
#include <vector>

namespace sallyport::http {

class SendQueue {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// Takes `chunk` without copying.
  void push(Chunk chunk);
  /// Copies up to three pieces as one, behind each other: a capsule's head, a prefix and a payload. A large
  /// piece alone is taken by Chunk::share().
  void append(Bytes first, Bytes second = {}, Bytes third = {});
  /// The first Chunk; not empty() only. Seals what append() gathers.
  const Chunk& front();
  /// Takes up to `most` bytes off the front, without copying, and not over a Chunk's border. `most` > 0; not
  /// empty() only.
  Chunk pop(std::size_t most);
  /// Copies up to out.size() bytes off the front; returns how many.
  std::size_t pop_into(MutableBytes out);
  void clear();

 private:
  void seal();

  std::vector<Chunk> chunks_;  // those before head_ are gone
  std::size_t head_ = 0;
  Chunk tail_;  // being filled by append()
  std::size_t tail_used_ = 0;
  std::size_t size_ = 0;
};

}  // namespace sallyport::http
