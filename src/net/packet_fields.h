// Where the fields of IP, TCP, UDP and ICMP headers are (RFC 791, 8200, 9293, 768, 792, 4443), and how they
// are read and written in network byte order. For the code of src/net that works on packets.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sallyport::net {

inline std::uint16_t load_be16(const std::uint8_t* at) {
  return static_cast<std::uint16_t>(at[0] << 8 | at[1]);
}
inline std::uint32_t load_be32(const std::uint8_t* at) {
  return std::uint32_t{load_be16(at)} << 16 | load_be16(at + 2);
}
inline void store_be16(std::uint8_t* at, std::uint32_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
inline void store_be32(std::uint8_t* at, std::uint32_t value) {
  store_be16(at, value >> 16);
  store_be16(at + 2, value);
}

/// IANA's protocol numbers, among them those of IPv6 extension headers (RFC 7045).
namespace protocol {
inline constexpr std::uint8_t hop_by_hop = 0, icmp = 1, tcp = 6, udp = 17, routing = 43, fragment = 44,
                              esp = 50, authentication = 51, icmp_v6 = 58, no_next_header = 59,
                              destination_options = 60, mobility = 135, host_identity = 139, shim6 = 140;
}  // namespace protocol

// Offsets are in bytes, from the start of each header.
namespace ipv4 {
inline constexpr std::size_t header_size = 20;  ///< without options
inline constexpr std::size_t traffic_class = 1, total_length = 2, identification = 4, fragment = 6, ttl = 8,
                             protocol = 9, checksum = 10, source = 12, destination = 16;
inline constexpr std::uint16_t dont_fragment = 0x4000, more_fragments = 0x2000, offset_mask = 0x1fff;
}  // namespace ipv4

namespace ipv6 {
inline constexpr std::size_t header_size = 40;
inline constexpr std::size_t payload_length = 4, next_header = 6, hop_limit = 7, source = 8, destination = 24;
}  // namespace ipv6

namespace tcp {
inline constexpr std::size_t header_size = 20;  ///< without options
inline constexpr std::size_t sequence = 4, acknowledgment = 8, data_offset = 12, flags = 13, window = 14,
                             checksum = 16, urgent = 18;
inline constexpr std::uint8_t fin = 0x01, syn = 0x02, rst = 0x04, psh = 0x08, ack = 0x10, urg = 0x20,
                              ece = 0x40, cwr = 0x80;
}  // namespace tcp

namespace udp {
inline constexpr std::size_t header_size = 8;
inline constexpr std::size_t length = 4, checksum = 6;
}  // namespace udp

}  // namespace sallyport::net
