#include "client/udp_payload.h"

#include "net/packet_fields.h"

#include <algorithm>
#include <optional>

namespace sallyport::client {
namespace {

/// Left to the sender's link or host, or to nobody: no proxy is asked for such (RFC 6890).
bool is_one_distant_host(const net::IpAddress& address) {
  if (address.is_unspecified() || address.is_multicast() || address.is_loopback() || address.is_link_local())
    return false;
  if (address.is_v6()) return address.unmapped().is_v6();
  // "This network", and class E with the limited broadcast address.
  return address.octets()[0] != 0 && address.octets()[0] < 240;
}

std::optional<NotCarried> obstacle(const net::IpPacket& packet) {
  if (!is_one_distant_host(packet.destination)) return NotCarried::destination;
  if (packet.hop_limit <= 1) return NotCarried::hop_limit;
  if (packet.fragment && (packet.protocol == net::protocol::udp || !packet.has_upper_header()))
    return NotCarried::fragment;
  if (packet.protocol != net::protocol::udp) return NotCarried::protocol;
  const std::size_t plain = packet.version == 4 ? net::ipv4::header_size : net::ipv6::header_size;
  if (packet.upper_offset != plain) return NotCarried::headers;
  if (packet.destination_port == 0) return NotCarried::destination;
  return std::nullopt;
}

}  // namespace

std::size_t AddressPairHash::operator()(const AddressPair& pair) const {
  std::uint64_t hash = std::uint64_t{pair.source_port} << 16 | pair.destination_port;
  const auto mix = [&hash](const net::IpAddress& address) {
    const auto octets = address.octets();
    for (std::size_t at = 0; at < octets.size(); at += 4) {
      hash = (hash ^ net::load_be32(octets.data() + at)) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 32;
    }
  };
  mix(pair.source);
  mix(pair.destination);
  return hash;
}

AddressPair address_pair_of(const net::IpPacket& packet) {
  return {packet.source, packet.destination, packet.source_port, packet.destination_port};
}

std::expected<net::DatagramRun, NotCarried> udp_payload_of(const net::Packet& packet,
                                                           const net::IpPacket& parsed) {
  if (const auto why = obstacle(parsed)) return std::unexpected(*why);
  Bytes payload;
  if (packet.checksum_partial) {
    const Bytes upper =
        Bytes(packet.bytes).subspan(parsed.upper_offset, parsed.total_length - parsed.upper_offset);
    const std::size_t length = net::load_be16(upper.data() + net::udp::length);
    if (length < net::udp::header_size || length > upper.size()) return std::unexpected(NotCarried::invalid);
    payload = upper.first(length).subspan(net::udp::header_size);
  } else {
    const auto verified = net::udp_payload(packet.bytes, parsed);
    if (!verified) return std::unexpected(NotCarried::invalid);
    payload = *verified;
  }
  const std::size_t segment = packet.segment_size == 0 ? payload.size() : packet.segment_size;
  return net::DatagramRun{payload, std::min(segment, payload.size())};
}

}  // namespace sallyport::client
