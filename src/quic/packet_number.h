// Decodes truncated packet numbers (RFC 9000 §17.1), for code that sees packets at the encryption boundary.
#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::quic {

/// RFC 9000 Appendix A.3: the number nearest to `expected` (one more than the largest seen) that ends in the
/// `size` bytes `truncated`.
constexpr std::uint64_t restore_packet_number(std::uint64_t expected, std::uint64_t truncated,
                                              std::size_t size) {
  const std::uint64_t window = std::uint64_t{1} << (8 * size);
  const std::uint64_t half = window / 2;
  const std::uint64_t candidate = (expected & ~(window - 1)) | truncated;
  if (candidate + half <= expected && candidate < (std::uint64_t{1} << 62) - window)
    return candidate + window;
  if (candidate > expected + half && candidate >= window) return candidate - window;
  return candidate;
}

/// The truncated number that ends an unprotected header.
inline std::uint64_t truncated_packet_number(Bytes header, std::size_t size) {
  std::uint64_t value = 0;
  for (const std::uint8_t byte : header.last(size)) value = value << 8 | byte;
  return value;
}

}  // namespace sallyport::quic
