// IpPacket: what the headers of an IPv4 (RFC 791) or IPv6 (RFC 8200) packet say, checked against its bytes;
// and the changes that a router makes to a packet on its way. Used by everything that carries IP packets:
// CONNECT-IP (RFC 9484), TUN devices, and the packet code beside this.
#pragma once

#include "base/bytes.h"
#include "net/address.h"

#include <cstdint>
#include <expected>
#include <string_view>

namespace sallyport::net {

/// Why bytes are no IP packet. Each is what a peer may send.
enum class IpDefect : std::uint8_t {
  truncated,        ///< cut short within a header, or before the length that it gives
  version,          ///< neither IPv4 nor IPv6
  header_length,    ///< the IPv4 header says it is shorter than 20 bytes, or longer than the packet
  extension_chain,  ///< more IPv6 extension headers than anyone needs
  upper_header,     ///< no whole TCP or UDP header where the ports would be (RFC 1858, RFC 7112)
};
std::string_view describe(IpDefect defect);

struct IpPacket {
  IpAddress source, destination;
  /// Bytes of the packet. Those beyond them, if any, do not belong to it.
  std::uint32_t total_length = 0;
  /// Where the upper-layer header starts: behind IPv4 options and IPv6 extension headers. In a fragment but
  /// the first one, where its piece of the payload starts.
  std::uint32_t upper_offset = 0;
  std::uint8_t version = 0;  ///< 4 or 6
  /// Of the upper layer; that of the last extension header which was understood.
  std::uint8_t protocol = 0;
  std::uint8_t hop_limit = 0;         ///< or TTL
  std::uint8_t traffic_class = 0;     ///< the TOS octet: DSCP and ECN
  bool dont_fragment = false;         ///< always in IPv6
  bool fragment = false;              ///< part of a larger packet
  std::uint16_t fragment_offset = 0;  ///< in bytes; 0 in the first fragment
  /// Of TCP and UDP, and only in a packet or first fragment; else 0.
  std::uint16_t source_port = 0, destination_port = 0;

  bool has_upper_header() const { return fragment_offset == 0; }
  std::uint32_t upper_length() const { return total_length - upper_offset; }
};

/// Walks at most `max_extension_headers` IPv6 extension headers. Checksums are not looked at.
std::expected<IpPacket, IpDefect> parse_ip(Bytes bytes);
inline constexpr int max_extension_headers = 8;

// In all of these `bytes` is the packet that `packet` was parsed from.

/// RFC 1812 §5.2.2: a router drops a packet of which this is false. IPv6 has no header checksum.
bool has_valid_header_checksum(Bytes bytes, const IpPacket& packet);
/// Whether the TCP or UDP checksum, over a whole packet and not a fragment, is right. False for other
/// protocols, and for UDP that has none (0), which is fine in IPv4 and forbidden in IPv6 (RFC 8200 §8.1).
/// Also false behind a routing header, whose final destination is not looked for.
bool has_valid_upper_checksum(Bytes bytes, const IpPacket& packet);
/// The payload of a UDP packet, which is no fragment: nullopt where its length is wrong or its checksum is.
/// IPv4's missing checksum is accepted.
std::optional<Bytes> udp_payload(Bytes bytes, const IpPacket& packet);

/// Takes one off the TTL, whose header checksum follows, or off the hop limit. False, and nothing changed,
/// when none is left: the packet is dropped, and answered with Time Exceeded (RFC 1812 §5.3.1, RFC 8200 §3).
[[nodiscard]] bool decrement_hop_limit(MutableBytes bytes);

/// Turns a partial checksum (Packet::checksum_partial) into the full one. TCP and UDP only; false, and
/// nothing changed, for any other protocol and for a fragment.
bool complete_checksum(MutableBytes bytes, const IpPacket& packet);

/// Lowers the maximum segment size option of a TCP SYN (RFC 9293 §3.7.1) to `mss`, so that neither end sends
/// segments that do not fit. True where it was changed. A partial checksum does not cover it.
bool clamp_mss(MutableBytes bytes, const IpPacket& packet, std::uint16_t mss, bool checksum_partial = false);
/// The same, to what fits into packets of `mtu` bytes behind IP and TCP headers without options. False where
/// not even those do.
bool clamp_mss_to_mtu(MutableBytes bytes, const IpPacket& packet, std::size_t mtu,
                      bool checksum_partial = false);

}  // namespace sallyport::net
