// Puts IP and UDP headers in front of a payload, for who speaks UDP through a CONNECT-IP tunnel without a
// kernel's stack (RFC 768, RFC 791, RFC 8200), or makes packets of what CONNECT-UDP flows bring.
#pragma once

#include "base/bytes.h"
#include "net/address.h"
#include "net/datagram_path.h"

#include <cstdint>

namespace sallyport::net {

struct UdpHeader {
  IpAddress source, destination;  ///< of one family
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint8_t hop_limit = 64;
  Ecn ecn = Ecn::not_ect;
};

/// Bytes of both headers: 28 with IPv4, 48 with IPv6.
constexpr std::size_t udp_headers_size(bool is_v6) {
  return is_v6 ? 48 : 28;
}

/// Writes both headers to `out`, which has room for udp_headers_size(); returns their size. The checksum is
/// over `payload`, which goes right behind them and is no longer than an IP packet allows: 65,507 bytes with
/// IPv4, 65,527 with IPv6. IPv4 gets Don't Fragment, and so needs no identification (RFC 6864 §4.1).
std::size_t write_udp_headers(MutableBytes out, const UdpHeader& header, Bytes payload);

/// The same, with a checksum that is partial (Packet::checksum_partial), for who gives the packet to a
/// kernel: the payload is not read.
std::size_t write_partial_udp_headers(MutableBytes out, const UdpHeader& header, std::size_t payload_size);

}  // namespace sallyport::net
