// StreamGather: joins what one turn has to say on a ByteStream into few large Chunks, so that TLS makes full
// records of it and small frames cost no write of their own. Used by HTTP/1.1 and HTTP/2.
#pragma once

#include "base/bytes.h"
#include "base/chunk.h"
#include "http/send_queue.h"
#include "net/byte_stream.h"

#include <cstdint>

namespace sallyport::http {

class StreamGather {
 public:
  /// `stream` must outlive this.
  explicit StreamGather(net::ByteStream& stream) : stream_(stream) {}

  /// Copies.
  void put(Bytes bytes);
  /// Moves `bytes` bytes off the front of `queue`, which has them. Whole Chunks of a size that is worth it
  /// pass uncopied.
  void put(SendQueue& queue, std::size_t bytes);
  /// Hands on what was gathered: once at the end of a turn.
  void flush();

  /// What the stream has not sent yet, and what was gathered.
  std::size_t queued_bytes() const { return stream_.queued_bytes() + used_; }

 private:
  MutableBytes room();

  net::ByteStream& stream_;
  Chunk chunk_;
  std::size_t used_ = 0;
};

}  // namespace sallyport::http
