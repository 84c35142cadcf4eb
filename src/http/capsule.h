// The capsule protocol (RFC 9297 §3): type, length, value, one after another in a stream's body.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/chunk.h"
#include "base/result.h"

namespace sallyport::http {

inline constexpr std::uint64_t capsule_datagram = 0x00;  ///< RFC 9297 §3.5

/// Cuts a byte stream into capsules, byte by byte if need be. Types that nobody wants are skipped without being buffered.
class CapsuleReader {
 public:
  /// `max_value`: longest value that is buffered; a longer one of a wanted type is an error of kind too_large.
  explicit CapsuleReader(std::size_t max_value) : max_value_(max_value) {}

  using Wanted = std::function<bool(std::uint64_t type)>;
  using Found = std::function<Result<>(std::uint64_t type, Bytes value)>;
  /// Feeds bytes; calls `found` for each complete capsule (its value valid during the call).
  Result<> feed(Bytes bytes, const Wanted& wanted, const Found& found);
  /// Whether the stream may end here (not inside a capsule, RFC 9297 §3.3).
  bool at_boundary() const;

 private:
  std::size_t max_value_;
  std::vector<std::uint8_t> partial_;  // of a head or a value that came in pieces
  std::uint64_t skip_ = 0;
};

/// A capsule's head for a value of `size` bytes, written to `out` (16 bytes of room); returns its length.
std::size_t put_capsule_head(MutableBytes out, std::uint64_t type, std::size_t size);

}  // namespace sallyport::http
