// RecordInput and RecordOutput: the bytes between a record protocol (RFC 8446 §5) and the ByteStream under
// it: what came and is not read yet, and finished records, many for each write. Parts of RecordChannel and
// AesRecords; for this layer's own files.
#pragma once

#include "base/chunk.h"
#include "net/byte_stream.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::tls {

/// Bytes are read where they lie, in what the transport lent to its receiver; they are copied when they have
/// to be kept for longer.
class RecordInput {
 public:
  RecordInput() = default;
  /// Begins with what came earlier.
  explicit RecordInput(std::vector<std::uint8_t> kept) : kept_(std::move(kept)) {}

  /// `bytes` are readable until settle(), which keeps the unread ones.
  void arrive(Bytes bytes) { arriving_ = bytes; }
  void settle();
  bool empty() const { return size() == 0; }
  std::size_t size() const { return kept().size() + arriving_.size(); }

  /// Moves as many bytes as there are, at most all of `out`; returns their number.
  std::size_t take(MutableBytes out);
  /// The first `count` bytes in one piece, valid until the next call but skip(); nothing where there are
  /// fewer.
  std::optional<Bytes> front(std::size_t count);
  /// `count`: at most what front() returned.
  void skip(std::size_t count);
  /// Of settled input, what is unread.
  std::vector<std::uint8_t> take_kept();

 private:
  Bytes kept() const { return Bytes(kept_).subspan(kept_read_); }
  /// An idle stream holds no buffer.
  void release_kept();

  Bytes arriving_;                  // of the transport's current delivery
  std::vector<std::uint8_t> kept_;  // of earlier ones: a part of a record, or what nobody reads yet
  std::size_t kept_read_ = 0;
};

class RecordOutput {
 public:
  /// `transport` must outlive every flush().
  explicit RecordOutput(net::ByteStream& transport) : transport_(transport) {}

  /// `bytes` more of records are about to be put: sizes the next buffers.
  void expect(std::size_t bytes) { expected_ = bytes; }
  /// What the current buffer has room for.
  std::size_t rest() const { return chunk_.size() - used_; }
  /// Room for at least `least` bytes, and for `wanted` in a new buffer, as far as a buffer goes
  /// (Chunk::pooled_size, which bounds `least`).
  MutableBytes room(std::size_t least, std::size_t wanted = 0);
  /// The first `count` bytes of room() are filled.
  void added(std::size_t count);
  /// Passes the filled bytes to the transport.
  void flush();

 private:
  net::ByteStream& transport_;
  Chunk chunk_;
  std::size_t used_ = 0;
  std::size_t expected_ = 0;  // bytes that are still to be put
};

}  // namespace sallyport::tls
