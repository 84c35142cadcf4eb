// What the bytes of QUIC packets mean before they are opened (RFC 9000 §17), as far as more than one file
// asks. For quic's own files.
#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::quic {

/// Of every AEAD that QUIC uses (RFC 9001 §5.3).
inline constexpr std::size_t aead_tag_size = 16;

/// `packet` is not empty.
inline bool is_long_header(Bytes packet) {
  return (packet[0] & 0x80) != 0;
}

}  // namespace sallyport::quic
