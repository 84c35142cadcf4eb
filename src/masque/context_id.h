// Context IDs: the varint in front of every HTTP datagram of a CONNECT-UDP or CONNECT-IP tunnel (RFC 9298
// §4). We register none, so only ID 0, a plain UDP payload (RFC 9298 §5), has a meaning; any other is dropped
// and counted by whoever reads it.
#pragma once

#include "base/bytes.h"
#include "base/varint.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace sallyport::masque {

inline constexpr std::uint64_t udp_context = 0;
inline constexpr std::array<std::uint8_t, 1> udp_context_prefix{0};

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

struct ContextPayload {
  std::uint64_t context = 0;
  Bytes payload;
};

/// nullopt when there is not even a whole context ID.
inline std::optional<ContextPayload> split_context(Bytes datagram) {
  const auto context = take_varint(datagram);
  if (!context) return std::nullopt;
  return ContextPayload{*context, datagram};
}

}  // namespace sallyport::masque
