// Context IDs: the varint in front of every HTTP datagram of a CONNECT-UDP or CONNECT-IP tunnel (RFC 9298 §4,
// RFC 9484 §5), as it is written. ID 0 is a plain UDP payload (RFC 9298 §5) or an IP packet (RFC 9484 §6).
// What comes in is looked up by ContextTable.
#pragma once

#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sallyport::masque {

inline constexpr std::array<std::uint8_t, 1> payload_context_prefix{0};

/// Contexts that mean nothing, whose datagrams are dropped like those of any unknown context (RFC 9298 §4):
/// a connection probes its path's MTU with them. The last of the client's (even) and of the server's (odd)
/// IDs that take four bytes. Between our own ends they are counted neither as strange nor as datagrams. In
/// the bytes that such a datagram begins with; another encoding of the ID is as strange as any.
inline constexpr std::array<std::uint8_t, 4> client_padding_prefix{0xbf, 0xff, 0xff, 0xfe};
inline constexpr std::array<std::uint8_t, 4> server_padding_prefix{0xbf, 0xff, 0xff, 0xff};

inline bool is_padding(Bytes datagram, Bytes prefix) {
  return datagram.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), datagram.begin());
}

/// RFC 9298 §5: a longer one aborts the stream.
inline constexpr std::size_t max_udp_payload = 65527;

}  // namespace sallyport::masque
