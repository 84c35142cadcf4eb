// Context IDs: the varint in front of every HTTP datagram of a CONNECT-UDP or CONNECT-IP tunnel (RFC 9298
// §4). We register none, so only ID 0, a plain UDP payload (RFC 9298 §5), has a meaning; any other is dropped
// and counted by whoever reads it.
#pragma once

#include "base/bytes.h"
#include "base/varint.h"

#include <array>
#include <cstdint>
#include <optional>

namespace sallyport::masque {

inline constexpr std::uint64_t udp_context = 0;
inline constexpr std::array<std::uint8_t, 1> udp_context_prefix{0};

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
