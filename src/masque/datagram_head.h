// What is in front of a tunnel's payload in a QUIC DATAGRAM frame: the quarter stream ID (RFC 9297 §2.1) and
// context ID 0 (RFC 9298 §5, RFC 9484 §6). For figures of what tunnels cost.
#pragma once

#include "base/varint.h"
#include "http/exchange.h"
#include "masque/context_id.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::masque {

/// In bytes. 0 where datagrams are capsules, or the stream is not open yet.
inline std::size_t datagram_head_size(const http::Exchange& exchange) {
  if (!exchange.datagrams_unreliable() || exchange.stream_id() < 0) return 0;
  return varint_size(static_cast<std::uint64_t>(exchange.stream_id()) / 4) + payload_context_prefix.size();
}

}  // namespace sallyport::masque
