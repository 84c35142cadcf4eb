// The capsule protocol (RFC 9297 §3): type, length, value, one after another in a stream's body.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace sallyport::http {

inline constexpr std::uint64_t capsule_datagram = 0x00;  ///< RFC 9297 §3.5

/// Cuts a byte stream into capsules, byte by byte if need be. What nobody wants is skipped without being
/// buffered.
class CapsuleReader {
 public:
  /// `max_value`: longest value that is buffered; a longer one that is wanted is an error of kind too_large.
  explicit CapsuleReader(std::size_t max_value) : max_value_(max_value) {}

  /// Asked once a capsule, when its head is known.
  using Wanted = std::function<bool(std::uint64_t type, std::uint64_t size)>;
  using Found = std::function<Result<>(std::uint64_t type, Bytes value)>;
  /// Feeds bytes; calls `found` for each complete capsule (its value valid during the call, and not copied
  /// where it came in one piece). An Error of `found` is handed on, and ends the reader's use.
  Result<> feed(Bytes bytes, const Wanted& wanted, const Found& found);
  /// Whether the stream may end here (not inside a capsule, RFC 9297 §3.3).
  bool at_boundary() const { return partial_.empty() && left_ == 0; }
  /// Bytes of a capsule that is not all there, kept here.
  std::size_t buffered() const { return partial_.size(); }

 private:
  static constexpr std::size_t max_head = 16;

  std::size_t max_value_;
  std::vector<std::uint8_t> partial_;  // a head, or a wanted value, that is not complete
  std::uint64_t type_ = 0;
  std::uint64_t left_ = 0;  // bytes of the value still to come
  bool wanted_ = false;
};

/// A capsule's head for a value of `size` bytes, written to `out` (16 bytes of room); returns its length.
std::size_t put_capsule_head(MutableBytes out, std::uint64_t type, std::size_t size);

}  // namespace sallyport::http
