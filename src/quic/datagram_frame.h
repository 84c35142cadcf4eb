// What a DATAGRAM frame (RFC 9221 §4) has room for. For Connection.
#pragma once

#include "base/varint.h"

#include <cstddef>

namespace sallyport::quic {

/// The largest payload of a frame with a length that takes at most `frame` bytes in all, its type and length
/// included; 0 as well where not even the empty one fits.
constexpr std::size_t largest_datagram_payload(std::size_t frame) {
  constexpr std::size_t type_size = 1;
  const std::size_t overhead = type_size + varint_size(frame);
  std::size_t payload = frame > overhead ? frame - overhead : 0;
  // The length's own length may be less than that of the frame's.
  while (type_size + varint_size(payload + 1) + payload + 1 <= frame) ++payload;
  return payload;
}

}  // namespace sallyport::quic
