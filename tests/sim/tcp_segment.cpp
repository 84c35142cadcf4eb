#include "tcp_segment.h"

namespace sallyport::sim {
namespace {

constexpr std::size_t checksum_at = 0, flags_at = 4, mss_at = 6, seq_at = 8, acked_at = 16, window_at = 24;
constexpr std::uint8_t fin_bit = 1, syn_bit = 2, rst_bit = 4, ack_bit = 16;

template <class Number>
void put(std::vector<std::uint8_t>& to, std::size_t at, Number number) {
  for (std::size_t i = sizeof number; i-- > 0; number = static_cast<Number>(number >> 8))
    to[at + i] = static_cast<std::uint8_t>(number);
}

template <class Number>
Number get(Bytes from, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) number = number << 8 | from[at + i];
  return static_cast<Number>(number);
}

/// FNV-1a of what follows the checksum.
std::uint32_t checksum_of(Bytes segment) {
  std::uint32_t hash = 0x811c9dc5;
  for (const std::uint8_t byte : segment.subspan(flags_at)) hash = (hash ^ byte) * 0x01000193;
  return hash;
}

}  // namespace

std::vector<std::uint8_t> write_tcp_segment(const TcpSegment& segment) {
  std::vector<std::uint8_t> bytes(tcp_header_size + segment.data.size());
  bytes[flags_at] = static_cast<std::uint8_t>((segment.fin ? fin_bit : 0) | (segment.syn ? syn_bit : 0) |
                                              (segment.rst ? rst_bit : 0) | (segment.ack ? ack_bit : 0));
  put(bytes, mss_at, segment.mss);
  put(bytes, seq_at, segment.seq);
  put(bytes, acked_at, segment.acked);
  put(bytes, window_at, segment.window);
  copy_bytes(segment.data, bytes.data() + tcp_header_size);
  put(bytes, checksum_at, checksum_of(bytes));
  return bytes;
}

std::optional<TcpSegment> read_tcp_segment(Bytes bytes) {
  if (bytes.size() < tcp_header_size || get<std::uint32_t>(bytes, checksum_at) != checksum_of(bytes))
    return std::nullopt;
  const std::uint8_t flags = bytes[flags_at];
  TcpSegment segment;
  segment.fin = (flags & fin_bit) != 0;
  segment.syn = (flags & syn_bit) != 0;
  segment.rst = (flags & rst_bit) != 0;
  segment.ack = (flags & ack_bit) != 0;
  segment.mss = get<std::uint16_t>(bytes, mss_at);
  segment.seq = get<std::uint64_t>(bytes, seq_at);
  segment.acked = get<std::uint64_t>(bytes, acked_at);
  segment.window = get<std::uint32_t>(bytes, window_at);
  segment.data = bytes.subspan(tcp_header_size);
  return segment;
}

}  // namespace sallyport::sim
