// The virtio-net header (Virtio 1.2 §5.1.6) that precedes each packet read from and written to a TUN device
// with IFF_VNET_HDR: made from a Packet, and read into one. For net/tun_queue.h.
#pragma once

#include "base/bytes.h"
#include "net/packet_port.h"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace sallyport::net {

/// struct virtio_net_hdr. linux/virtio_net.h is no C++, and Debian 12's lacks gso_udp_l4. In the host's byte
/// order, as long as nobody asks for another (TUNSETVNETLE, TUNSETVNETBE).
struct VirtioHeader {
  static constexpr std::uint8_t needs_csum = 1;  // in flags
  static constexpr std::uint8_t gso_none = 0, gso_tcpv4 = 1, gso_tcpv6 = 4, gso_udp_l4 = 5, gso_ecn = 0x80;

  std::uint8_t flags = 0;
  std::uint8_t gso_type = gso_none;
  std::uint16_t hdr_len = 0;      ///< of all headers, IP's included
  std::uint16_t gso_size = 0;     ///< payload of a segment
  std::uint16_t csum_start = 0;   ///< where the checksum begins
  std::uint16_t csum_offset = 0;  ///< from there to the field that it is stored in
};
inline constexpr std::size_t virtio_header_size = sizeof(VirtioHeader);
static_assert(virtio_header_size == 10);

/// nullopt where the packet is not IPv4 or IPv6, or where what it says of itself cannot be: a super-packet or
/// a partial checksum without a complete TCP or UDP header, or in a fragment; a super-packet with a complete
/// checksum.
std::optional<VirtioHeader> virtio_header_of(const Packet& packet);

/// The packet after a header that the kernel wrote; nullopt where the two do not agree. A partial checksum of
/// anything but the packet's TCP or UDP header, as of one packet inside of another, is completed here.
std::optional<Packet> packet_after(const VirtioHeader& header, MutableBytes packet);

}  // namespace sallyport::net
