// ICMP errors (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3) and ICMPv6 errors (RFC 4443) about a packet that
// cannot be forwarded, for a router such as a tunnel's end. How many are sent is for the caller to limit (RFC
// 1812 §4.3.2.8, RFC 4443 §2.4 (f)): this reads no clock.
#pragma once

#include "base/bytes.h"
#include "net/ip_packet.h"

#include <cstdint>

namespace sallyport::net {

enum class IcmpError : std::uint8_t {
  packet_too_big,       ///< IPv4: fragmentation needed and DF set, with the next-hop MTU (RFC 1191)
  time_exceeded,        ///< in transit: the TTL or hop limit is used up
  no_route,             ///< network unreachable
  address_unreachable,  ///< host unreachable
  admin_prohibited,     ///< a policy forbids it
  port_unreachable,
  source_policy,  ///< the source address may not be used here (RFC 4443 §3.1, RFC 9484 §7.2.1)
};

/// No error message is longer: 576 bytes with IPv4 (RFC 1812 §4.3.2.3), the minimum MTU with IPv6 (RFC 4443
/// §2.4 (c)).
inline constexpr std::size_t max_icmp_error_v4 = 576, max_icmp_error_v6 = 1280;
inline constexpr std::size_t max_icmp_error = max_icmp_error_v6;

/// Whether the sender of a packet may be told of an error at all: not about ICMP errors, nor what may be one;
/// not about any fragment but the first; not where source or destination is not one host that others can
/// reach. Also false for `packet_too_big` where IPv4 may be fragmented instead (net/fragment.h). `bytes` is
/// what `packet` was parsed from.
bool may_answer(IcmpError error, Bytes bytes, const IpPacket& packet);

/// Writes to `out`, which has room for max_icmp_error, the packet that tells the source of `packet` of the
/// error, with as much of it as fits; returns the size. `from` is an address of the router, of the packet's
/// family; `mtu` counts only for packet_too_big. Note that hosts ignore an IPv6 MTU below 1,280 (RFC 8201
/// §4).
std::size_t write_icmp_error(MutableBytes out, IcmpError error, Bytes bytes, const IpPacket& packet,
                             const IpAddress& from, std::size_t mtu = 0);

}  // namespace sallyport::net
