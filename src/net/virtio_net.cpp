#include "net/virtio_net.h"

#include "net/internet_checksum.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"

namespace sallyport::net {
namespace {

bool is_ip(Bytes packet) {
  return !packet.empty() && (packet[0] >> 4 == 4 || packet[0] >> 4 == 6);
}

/// Where the TCP or UDP header of a packet is.
struct TransportHeader {
  std::size_t offset = 0;           // from the start of the IP header
  std::size_t size = 0;             // with TCP's options
  std::size_t checksum_offset = 0;  // from `offset`
  std::uint8_t gso_type = VirtioHeader::gso_none;
};

/// nullopt for other protocols, for fragments, and where a header is not complete.
std::optional<TransportHeader> find_transport_header(Bytes bytes) {
  const auto packet = parse_ip(bytes);
  if (!packet || packet->fragment) return std::nullopt;
  if (packet->protocol == protocol::udp)
    return TransportHeader{packet->upper_offset, udp::header_size, udp::checksum, VirtioHeader::gso_udp_l4};
  if (packet->protocol != protocol::tcp) return std::nullopt;
  const std::uint8_t* const header = bytes.data() + packet->upper_offset;
  const std::size_t size = (header[tcp::data_offset] >> 4) * std::size_t{4};
  if (size < tcp::header_size || size > packet->upper_length()) return std::nullopt;
  std::uint8_t type = packet->version == 4 ? VirtioHeader::gso_tcpv4 : VirtioHeader::gso_tcpv6;
  if ((header[tcp::flags] & tcp::cwr) != 0) type |= VirtioHeader::gso_ecn;
  return TransportHeader{packet->upper_offset, size, tcp::checksum, type};
}

}  // namespace

std::optional<VirtioHeader> virtio_header_of(const Packet& packet) {
  if (!is_ip(packet.bytes)) return std::nullopt;
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
    header.gso_type = transport->gso_type;
    header.gso_size = packet.segment_size;
  }
  return header;
}

std::optional<Packet> packet_after(const VirtioHeader& header, MutableBytes bytes) {
  if (!is_ip(bytes)) return std::nullopt;
  Packet packet{bytes, 0, (header.flags & VirtioHeader::needs_csum) != 0};
  const std::uint8_t type = header.gso_type & ~VirtioHeader::gso_ecn;
  if (type == VirtioHeader::gso_none && !packet.checksum_partial) return packet;
  const auto transport = find_transport_header(bytes);
  const bool ours =
      transport && header.csum_start == transport->offset && header.csum_offset == transport->checksum_offset;
  if (type != VirtioHeader::gso_none) {
    if (!packet.checksum_partial || !ours || header.gso_size == 0) return std::nullopt;
    if (type != (transport->gso_type & ~VirtioHeader::gso_ecn)) return std::nullopt;
    packet.segment_size = header.gso_size;
  } else if (!ours) {
    // One that our Packet cannot describe.
    const std::size_t field = std::size_t{header.csum_start} + header.csum_offset;
    if (field + 2 > bytes.size()) return std::nullopt;
    std::uint16_t checksum = internet_checksum(bytes.subspan(header.csum_start));
    if (checksum == 0) checksum = 0xffff;  // UDP's 0 means "none"; to all others both are the same
    store_be16(bytes.data() + field, checksum);
    packet.checksum_partial = false;
  }
  return packet;
}

}  // namespace sallyport::net
