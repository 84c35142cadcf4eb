// For tests of the packet code: TCP and UDP packets made field by field, and their checksums computed and
// verified in the most straightforward way, apart from the code under test.
#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <vector>

namespace sallyport::net {

using PacketBytes = std::vector<std::uint8_t>;

/// RFC 1071, word by word, folding at each step.
inline std::uint16_t simple_sum(Bytes bytes) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 2) {
    sum += bytes[at] * 256U + (at + 1 < bytes.size() ? bytes[at + 1] : 0U);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<std::uint16_t>(sum);
}

/// Of IPv4 without options, or IPv6 without extension headers: the pseudo-header with the upper-layer bytes
/// behind it.
inline PacketBytes with_pseudo_header(Bytes packet) {
  const bool is_v6 = packet[0] >> 4 == 6;
  const std::size_t ip_size = is_v6 ? 40 : 20;
  const Bytes addresses = is_v6 ? packet.subspan(8, 32) : packet.subspan(12, 8);
  const Bytes upper = packet.subspan(ip_size);
  PacketBytes bytes(addresses.begin(), addresses.end());
  for (const int shift : {24, 16, 8, 0}) bytes.push_back(static_cast<std::uint8_t>(upper.size() >> shift));
  for (const std::uint8_t octet : {std::uint8_t{0}, std::uint8_t{0}, std::uint8_t{0}, packet[is_v6 ? 6 : 9]})
    bytes.push_back(octet);
  bytes.insert(bytes.end(), upper.begin(), upper.end());
  return bytes;
}

/// Whether the header and upper-layer checksums are right, and the lengths.
inline bool checks_out(Bytes packet) {
  const bool is_v6 = packet[0] >> 4 == 6;
  const std::size_t length = packet[is_v6 ? 4 : 2] * 256U + packet[is_v6 ? 5 : 3] + (is_v6 ? 40U : 0U);
  if (length != packet.size()) return false;
  if (!is_v6 && simple_sum(packet.first(20)) != 0xffff) return false;
  const Bytes upper = packet.subspan(is_v6 ? 40 : 20);
  if (packet[is_v6 ? 6 : 9] == 17 && upper[4] * 256U + upper[5] != upper.size()) return false;
  return simple_sum(with_pseudo_header(packet)) == 0xffff;
}

/// What a packet is made of.
struct MadePacket {
  bool is_v6 = false;
  bool is_udp = false;
  PacketBytes payload;
  std::uint16_t source_port = 443, destination_port = 50'000;
  std::uint8_t last_octet = 1;  ///< of the source address
  std::uint8_t hop_limit = 64;
  std::uint8_t traffic_class = 0;
  std::uint32_t flow_label = 0x12345;
  std::uint16_t identification = 7;
  bool dont_fragment = true;
  std::uint32_t sequence = 1'000, acknowledgment = 2'000;
  std::uint8_t flags = 0x10;  // ACK
  std::uint16_t window = 500;
  PacketBytes options;              ///< a multiple of 4 bytes
  PacketBytes source, destination;  ///< octets of other addresses than those of documentation

  std::size_t ip_size() const { return is_v6 ? 40 : 20; }
  std::size_t headers_size() const { return ip_size() + (is_udp ? 8 : 20 + options.size()); }
  PacketBytes make() const {
    PacketBytes bytes;
    const auto put = [&bytes](std::uint64_t value, int octets) {
      while (octets-- > 0) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * octets)));
    };
    const std::size_t upper = headers_size() - ip_size() + payload.size();
    const std::uint8_t protocol = is_udp ? 17 : 6;
    const auto put_addresses = [&] {
      const std::size_t size = is_v6 ? 16 : 4;
      if (!source.empty()) copy_bytes(source, &bytes[bytes.size() - 2 * size]);
      if (!destination.empty()) copy_bytes(destination, &bytes[bytes.size() - size]);
    };
    if (is_v6) {
      put(0x60000000U | std::uint32_t{traffic_class} << 20 | flow_label, 4);
      put(upper, 2);
      put(protocol, 1);
      put(hop_limit, 1);
      put(0x20010db800000000, 8);
      put(last_octet, 8);
      put(0x20010db800000001, 8);
      put(2, 8);
      put_addresses();
    } else {
      put(0x45, 1);
      put(traffic_class, 1);
      put(20 + upper, 2);
      put(identification, 2);
      put(dont_fragment ? 0x4000 : 0, 2);
      put(hop_limit, 1);
      put(protocol, 1);
      put(0, 2);
      put(0xc0000200U | last_octet, 4);
      put(0xc6336402U, 4);
      put_addresses();
      const std::uint16_t checksum = static_cast<std::uint16_t>(~simple_sum(bytes));
      bytes[10] = static_cast<std::uint8_t>(checksum >> 8);
      bytes[11] = static_cast<std::uint8_t>(checksum);
    }
    put(source_port, 2);
    put(destination_port, 2);
    if (is_udp) {
      put(upper, 2);
      put(0, 2);
    } else {
      put(sequence, 4);
      put(acknowledgment, 4);
      put((5 + options.size() / 4) << 4, 1);
      put(flags, 1);
      put(window, 2);
      put(0, 4);
      bytes.insert(bytes.end(), options.begin(), options.end());
    }
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    std::uint16_t checksum = static_cast<std::uint16_t>(~simple_sum(with_pseudo_header(bytes)));
    if (is_udp && checksum == 0) checksum = 0xffff;
    const std::size_t at = ip_size() + (is_udp ? 6 : 16);
    bytes[at] = static_cast<std::uint8_t>(checksum >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(checksum);
    return bytes;
  }
};

/// `size` bytes that differ from their neighbours.
inline PacketBytes some_payload(std::size_t size, std::uint8_t first = 0) {
  PacketBytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(first + i * 7 + i / 256);
  return bytes;
}

/// Replaces the checksum of what make() gave by the sum of the pseudo-header.
inline void make_checksum_partial(PacketBytes& packet) {
  const bool is_v6 = packet[0] >> 4 == 6;
  const std::size_t at = (is_v6 ? 40U : 20U) + (packet[is_v6 ? 6 : 9] == 17 ? 6U : 16U);
  const std::uint16_t sum = simple_sum(Bytes(with_pseudo_header(packet)).first(is_v6 ? 40 : 16));
  packet[at] = static_cast<std::uint8_t>(sum >> 8);
  packet[at + 1] = static_cast<std::uint8_t>(sum);
}

}  // namespace sallyport::net
