// TcpSegment: what the hosts of the simulated network send each other in TCP (RFC 9293 §3.1). Sequence
// numbers start at 0 and have 64 bits: what wraps around is not what simulations look for.
#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sallyport::sim {

struct TcpSegment {
  bool syn = false, ack = false, fin = false, rst = false;
  std::uint64_t seq = 0;     ///< of the SYN, else of the first byte, else of the FIN
  std::uint64_t acked = 0;   ///< where `ack`: the next one that is expected
  std::uint32_t window = 0;  ///< bytes from `acked` on
  std::uint16_t mss = 0;     ///< in a SYN: the most data in a segment
  Bytes data;

  /// In sequence numbers.
  std::uint64_t length() const { return data.size() + (syn ? 1 : 0) + (fin ? 1 : 0); }
};

/// As long as TCP's with timestamps.
inline constexpr std::size_t tcp_header_size = 32;

std::vector<std::uint8_t> write_tcp_segment(const TcpSegment& segment);
/// nullopt where the checksum says that it is damaged. `data` lies in `bytes`.
std::optional<TcpSegment> read_tcp_segment(Bytes bytes);

}  // namespace sallyport::sim
