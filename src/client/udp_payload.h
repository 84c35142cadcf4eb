// Of an IP packet, the UDP payload that a CONNECT-UDP flow (RFC 9298) can carry, and between which addresses;
// or why it has none. A flow carries payloads alone: neither fragments, nor IP options and extension headers,
// nor a hop limit. Used by UdpFlows.
#pragma once

#include "net/ip_packet.h"
#include "net/packet_port.h"

#include <cstddef>
#include <cstdint>
#include <expected>

namespace sallyport::client {

/// What a flow is for, as the packets that the machine sends have it.
struct AddressPair {
  net::IpAddress source, destination;
  std::uint16_t source_port = 0, destination_port = 0;
  friend bool operator==(const AddressPair&, const AddressPair&) = default;
};

/// Not keyed: the table with such keys has to be bounded.
struct AddressPairHash {
  std::size_t operator()(const AddressPair& pair) const;
};

AddressPair address_pair_of(const net::IpPacket& packet);

enum class NotCarried : std::uint8_t {
  invalid,      ///< wrong lengths or a wrong checksum
  protocol,     ///< neither UDP nor a part of it
  fragment,     ///< part of a UDP datagram, or perhaps of one
  headers,      ///< IPv4 options, or IPv6 extension headers
  destination,  ///< no single host that a proxy could reach: multicast, broadcast, link-local ...
  hop_limit,    ///< used up here
};

/// The payload, or the payloads of a super-packet; `packet.bytes` holds them. A checksum that is complete is
/// verified; one that is partial the kernel vouches for.
std::expected<net::DatagramRun, NotCarried> udp_payload_of(const net::Packet& packet,
                                                           const net::IpPacket& parsed);

}  // namespace sallyport::client
