// H3OutQueue: what one QUIC stream sends: bytes in order, first unsent, then unacknowledged, then gone. Small
// things (frame heads, header blocks) are copied into one arena; bodies stay in the Chunks they came in.
#pragma once

#include "base/bytes.h"
#include "base/chunk.h"

#include <cstdint>
#include <span>
#include <vector>

#include <sys/uio.h>

namespace sallyport::http {

class H3OutQueue {
 public:
  void push(Chunk chunk);
  /// Copies. `spare`: how many more bytes will follow soon, to be laid out beside these.
  void append(Bytes bytes, std::size_t spare = 0);

  bool has_unsent() const { return unsent_bytes_ > 0; }
  std::size_t unsent_bytes() const { return unsent_bytes_; }
  /// Fills `out` with unsent pieces, in order; returns how many bytes they have. `count` becomes the number
  /// of pieces.
  std::size_t unsent(std::span<::iovec> out, std::size_t& count) const;
  void sent(std::size_t bytes);
  void acked(std::size_t bytes);
  /// All is sent and acknowledged.
  bool empty() const { return pieces_.empty(); }
  void clear();

 private:
  struct Piece {
    const std::uint8_t* data;
    std::size_t size;
    Chunk keep;
  };

  std::vector<Piece> pieces_;  // those before first_ are acknowledged
  std::size_t first_ = 0;
  std::size_t acked_ = 0;      // bytes of pieces_[first_]
  std::size_t next_ = 0;       // the first piece with unsent bytes
  std::size_t next_sent_ = 0;  // bytes of pieces_[next_]
  std::size_t unsent_bytes_ = 0;
  Chunk arena_;
  std::uint8_t* arena_data_ = nullptr;
  std::size_t arena_used_ = 0;
};

}  // namespace sallyport::http
