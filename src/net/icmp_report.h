// IcmpReport: what an ICMP error (RFC 792) or ICMPv6 error (RFC 4443) that came says of a UDP packet of ours,
// for who speaks UDP without a kernel's stack. It is not authenticated: whoever uses it compares the quoted
// addresses and ports with those of a flow that it has, as a kernel does for its sockets. icmp_error.h writes
// such errors.
#pragma once

#include "base/bytes.h"
#include "net/ip_packet.h"
#include "net/udp_errors.h"

#include <cstdint>
#include <optional>

namespace sallyport::net {

struct IcmpReport {
  IpAddress source, destination;  ///< of the quoted packet: we were its source
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint32_t length = 0;  ///< of the quoted packet, with its headers, as it was sent
  /// That the remote end is unreachable, and how so.
  std::optional<ReportedUnreachable> unreachable;
  /// Packet Too Big (IPv4: fragmentation needed): the next hop's MTU. 0: it is about something else, or an
  /// old router that does not say.
  std::uint32_t mtu = 0;
};

/// Of `bytes`, from which `packet` was parsed. Nothing: it is no ICMP error, its checksum is wrong, it is a
/// fragment, or what it quotes is cut short before its ports, or is no UDP packet directly behind an IP
/// header of the same version, or is a fragment.
std::optional<IcmpReport> read_icmp_report(Bytes bytes, const IpPacket& packet);

}  // namespace sallyport::net
