// Fields of QUIC packet headers before header protection is removed (RFC 9000 §17). For quic's own files.
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
