#include "net/virtio_net.h"

#include <netinet/in.h>

namespace sallyport::net {
namespace {

constexpr std::size_t v4_header = 20, v6_header = 40, udp_header = 8, tcp_header = 20;
constexpr std::size_t udp_checksum = 6, tcp_checksum = 16, tcp_data_offset = 12, tcp_flags = 13;
constexpr std::uint8_t tcp_cwr = 0x80;

unsigned version_of(Bytes packet) {
  return packet.empty() ? 0 : packet[0] >> 4;
}

struct Upper {
  std::size_t offset;
  std::uint8_t protocol;
};

std::optional<Upper> find_upper_v4(Bytes packet) {
  if (packet.size() < v4_header) return std::nullopt;
  const bool fragment = (packet[6] & 0x3f) != 0 || packet[7] != 0;
  const std::size_t header = std::size_t{packet[0] & 0x0fU} * 4;
  if (fragment || header < v4_header) return std::nullopt;
  return Upper{header, packet[9]};
}

/// Skips the extension headers (RFC 8200 §4) that may precede TCP and UDP.
std::optional<Upper> find_upper_v6(Bytes packet) {
  if (packet.size() < v6_header) return std::nullopt;
  Upper upper{v6_header, packet[6]};
  while (true) {
    const bool options = upper.protocol == IPPROTO_HOPOPTS || upper.protocol == IPPROTO_ROUTING ||
                         upper.protocol == IPPROTO_DSTOPTS;
    if (!options && upper.protocol != IPPROTO_AH) return upper;
    if (packet.size() < upper.offset + 8) return std::nullopt;
    const std::size_t length = packet[upper.offset + 1];
    upper.protocol = packet[upper.offset];
    upper.offset += options ? (length + 1) * 8 : (length + 2) * 4;
  }
}

/// Adds up 16-bit words (RFC 1071). The kernel leaves a checksum to us that it cannot describe by our
/// Packet: rare, so this is simple rather than fast.
void complete_checksum(MutableBytes packet, std::size_t start, std::size_t field) {
  std::uint32_t sum = 0;
  for (std::size_t at = start; at < packet.size(); ++at)
    sum += (at - start) % 2 == 0 ? std::uint32_t{packet[at]} << 8 : packet[at];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  std::uint32_t checksum = ~sum & 0xffff;
  if (checksum == 0) checksum = 0xffff;  // UDP's 0 means "none"; to all others both are the same
  packet[field] = static_cast<std::uint8_t>(checksum >> 8);
  packet[field + 1] = static_cast<std::uint8_t>(checksum);
}

std::uint8_t gso_type_of(Bytes packet, const TransportHeader& transport) {
  if (transport.protocol == IPPROTO_UDP) return VirtioHeader::gso_udp_l4;
  const std::uint8_t type = version_of(packet) == 4 ? VirtioHeader::gso_tcpv4 : VirtioHeader::gso_tcpv6;
  const bool cwr = (packet[transport.offset + tcp_flags] & tcp_cwr) != 0;
  return cwr ? type | VirtioHeader::gso_ecn : type;
}

}  // namespace

std::optional<TransportHeader> find_transport_header(Bytes packet) {
  const unsigned version = version_of(packet);
  const auto upper = version == 4   ? find_upper_v4(packet)
                     : version == 6 ? find_upper_v6(packet)
                                    : std::nullopt;
  if (!upper) return std::nullopt;
  TransportHeader transport{upper->offset, 0, upper->protocol, 0};
  if (upper->protocol == IPPROTO_UDP) {
    transport.size = udp_header;
    transport.checksum_offset = udp_checksum;
  } else if (upper->protocol == IPPROTO_TCP && packet.size() >= upper->offset + tcp_header) {
    transport.size = (std::size_t{packet[upper->offset + tcp_data_offset]} >> 4) * 4;
    transport.checksum_offset = tcp_checksum;
    if (transport.size < tcp_header) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (packet.size() < transport.offset + transport.size) return std::nullopt;
  return transport;
}

std::optional<VirtioHeader> virtio_header_of(const Packet& packet) {
  const unsigned version = version_of(packet.bytes);
  if (version != 4 && version != 6) return std::nullopt;
  VirtioHeader header;
  if (!packet.checksum_partial) return packet.segment_size == 0 ? std::optional(header) : std::nullopt;
  const auto transport = find_transport_header(packet.bytes);
  if (!transport) return std::nullopt;
  header.flags = VirtioHeader::needs_csum;
  header.csum_start = static_cast<std::uint16_t>(transport->offset);
  header.csum_offset = static_cast<std::uint16_t>(transport->checksum_offset);
  header.hdr_len = static_cast<std::uint16_t>(transport->offset + transport->size);
  // What fits one segment is an ordinary packet.
  if (packet.segment_size > 0 && packet.bytes.size() > std::size_t{header.hdr_len} + packet.segment_size) {
    header.gso_type = gso_type_of(packet.bytes, *transport);
    header.gso_size = packet.segment_size;
  }
  return header;
}

std::optional<Packet> packet_after(const VirtioHeader& header, MutableBytes bytes) {
  const unsigned version = version_of(bytes);
  if (version != 4 && version != 6) return std::nullopt;
  Packet packet{bytes, 0, (header.flags & VirtioHeader::needs_csum) != 0};
  const auto transport = find_transport_header(bytes);
  const bool ours =
      transport && header.csum_start == transport->offset && header.csum_offset == transport->checksum_offset;
  if (const std::uint8_t type = header.gso_type & ~VirtioHeader::gso_ecn; type != VirtioHeader::gso_none) {
    if (!packet.checksum_partial || !ours || header.gso_size == 0) return std::nullopt;
    if (type != (gso_type_of(bytes, *transport) & ~VirtioHeader::gso_ecn)) return std::nullopt;
    packet.segment_size = header.gso_size;
  } else if (packet.checksum_partial && !ours) {
    const std::size_t field = std::size_t{header.csum_start} + header.csum_offset;
    if (field + 2 > bytes.size()) return std::nullopt;
    complete_checksum(bytes, header.csum_start, field);
    packet.checksum_partial = false;
  }
  return packet;
}

}  // namespace sallyport::net
