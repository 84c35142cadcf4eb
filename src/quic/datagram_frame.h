// The payload capacity of a DATAGRAM frame (RFC 9221 §4). For Connection.
#pragma once

#include "base/varint.h"

#include <cstddef>

namespace sallyport::quic {

/// The largest payload of a DATAGRAM frame with a Length field that takes at most `frame` bytes, Type and
/// Length included; 0 also where not even an empty frame fits.
constexpr std::size_t largest_datagram_payload(std::size_t frame) {
  constexpr std::size_t type_size = 1;
  const std::size_t overhead = type_size + varint_size(frame);
  std::size_t payload = frame > overhead ? frame - overhead : 0;
  // The varint of the payload's length may be shorter than that of the frame's.
  while (type_size + varint_size(payload + 1) + payload + 1 <= frame) ++payload;
  return payload;
}

}  // namespace sallyport::quic
