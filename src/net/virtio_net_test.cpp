#include "net/virtio_net.h"

#include "net/network_namespace_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

using namespace test;
using Buffer = std::vector<std::uint8_t>;

const SocketAddress v4_from(ip("192.0.2.1"), 1000), v4_to(ip("192.0.2.2"), 2000);
const SocketAddress v6_from(ip("2001:db8::1"), 1000), v6_to(ip("2001:db8::2"), 2000);

Buffer udp_v4(std::size_t payload) {
  return udp_packet(v4_from, v4_to, std::string(payload, 'x'), true);
}
Buffer udp_v6(std::size_t payload) {
  return udp_packet(v6_from, v6_to, std::string(payload, 'x'), true);
}
/// The UDP header's place taken by a TCP header with 12 bytes of options.
Buffer tcp(Buffer packet, std::uint8_t flags = 0x10) {
  const bool v4 = packet[0] >> 4 == 4;
  packet[v4 ? 9 : 6] = IPPROTO_TCP;
  const std::size_t at = v4 ? 20 : 40;
  packet[at + 12] = 8 << 4;
  packet[at + 13] = flags;
  return packet;
}
/// With these headers of IPv6 between its own and the UDP header, each its number and length in bytes.
Buffer extended(const std::vector<std::pair<std::uint8_t, std::size_t>>& headers) {
  Buffer packet = udp_v6(100);
  std::size_t next = 6, at = 40;
  for (const auto& [number, size] : headers) {
    Buffer header(size);
    header[1] = static_cast<std::uint8_t>(number == IPPROTO_AH ? size / 4 - 2 : size / 8 - 1);
    header[0] = IPPROTO_UDP;
    packet[next] = number;
    packet.insert(packet.begin() + static_cast<std::ptrdiff_t>(at), header.begin(), header.end());
    next = at;
    at += size;
  }
  return packet;
}

TEST(VirtioNet, AnOrdinaryPacketNeedsNothing) {
  for (Buffer packet : {udp_v4(5), udp_v6(5)}) {
    const auto header = virtio_header_of(as_packet(packet));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->flags, 0);
    EXPECT_EQ(header->gso_type, VirtioHeader::gso_none);
    EXPECT_EQ(header->csum_start, 0);
  }
}

TEST(VirtioNet, HeadersAreMadeAndReadAlike) {
  struct Case {
    const char* what;
    Buffer packet;
    std::uint16_t segment_size;
    std::uint8_t gso_type;
    std::uint16_t header, start, offset;
  };
  Buffer options = udp_v4(3000);
  options[0] = 0x46;
  options.insert(options.begin() + 20, 4, 0);
  const Case cases[]{
      {"UDP", udp_v4(100), 0, VirtioHeader::gso_none, 28, 20, 6},
      {"UDP6", udp_v6(100), 0, VirtioHeader::gso_none, 48, 40, 6},
      {"TCP", tcp(udp_v4(100)), 0, VirtioHeader::gso_none, 52, 20, 16},
      {"USO", udp_v4(3000), 1000, VirtioHeader::gso_udp_l4, 28, 20, 6},
      {"USO6", udp_v6(3000), 1000, VirtioHeader::gso_udp_l4, 48, 40, 6},
      {"IPv4 options", options, 1000, VirtioHeader::gso_udp_l4, 32, 24, 6},
      {"TSO", tcp(udp_v4(3000)), 1000, VirtioHeader::gso_tcpv4, 52, 20, 16},
      {"TSO6", tcp(udp_v6(3000)), 1000, VirtioHeader::gso_tcpv6, 72, 40, 16},
      {"CWR", tcp(udp_v6(3000), 0x90), 1000, VirtioHeader::gso_tcpv6 | VirtioHeader::gso_ecn, 72, 40, 16},
      {"extended",
       extended({{IPPROTO_HOPOPTS, 8}, {IPPROTO_ROUTING, 24}, {IPPROTO_DSTOPTS, 16}, {IPPROTO_AH, 24}}), 0,
       VirtioHeader::gso_none, 40 + 72 + 8, 40 + 72, 6},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.what);
    Buffer packet = each.packet;
    const auto header = virtio_header_of(as_packet(packet, each.segment_size, true));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->flags, VirtioHeader::needs_csum);
    EXPECT_EQ(header->gso_type, each.gso_type);
    EXPECT_EQ(header->gso_size, each.segment_size);
    EXPECT_EQ(header->hdr_len, each.header);
    EXPECT_EQ(header->csum_start, each.start);
    EXPECT_EQ(header->csum_offset, each.offset);
    const auto read = packet_after(*header, packet);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->bytes.data(), packet.data());
    EXPECT_EQ(read->segment_size, each.segment_size);
    EXPECT_TRUE(read->checksum_partial);
    EXPECT_EQ(packet, each.packet);
    // However it is cut off, nothing beyond its end is looked at.
    for (std::size_t size = 0; size < packet.size(); ++size) {
      Buffer cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_TRUE(size >= each.header || !virtio_header_of(as_packet(cut, each.segment_size, true))) << size;
      std::ignore = packet_after(*header, cut);
    }
  }
}

TEST(VirtioNet, ASuperPacketOfOneSegmentIsAnOrdinaryPacket) {
  for (const std::size_t payload : {1u, 999u, 1000u, 1001u}) {
    Buffer packet = udp_v4(payload);
    const auto header = virtio_header_of(as_packet(packet, 1000, true));
    ASSERT_TRUE(header);
    EXPECT_EQ(header->gso_type, payload > 1000 ? VirtioHeader::gso_udp_l4 : VirtioHeader::gso_none)
        << payload;
    EXPECT_EQ(header->flags, VirtioHeader::needs_csum);
  }
}

TEST(VirtioNet, PacketsThatContradictThemselvesHaveNoHeader) {
  Buffer empty, other{0x50, 0, 0, 0}, udp = udp_v4(3000), icmp = udp_v4(3000), fragment = udp_v4(3000);
  icmp[9] = IPPROTO_ICMP;
  fragment[6] = 0x20;
  Buffer later = udp_v4(3000), short_ip = udp_v4(3000), short_tcp = tcp(udp_v4(3000)),
         fragment_v6 = udp_v6(3000);
  later[7] = 1;
  short_ip[0] = 0x44;
  short_tcp[20 + 12] = 4 << 4;
  fragment_v6[6] = IPPROTO_FRAGMENT;
  EXPECT_FALSE(virtio_header_of(as_packet(empty)));
  EXPECT_FALSE(virtio_header_of(as_packet(other)));
  EXPECT_FALSE(virtio_header_of(as_packet(udp, 1000, false)));
  for (Buffer* packet : {&icmp, &fragment, &later, &short_ip, &short_tcp, &fragment_v6}) {
    EXPECT_TRUE(virtio_header_of(as_packet(*packet)));
    EXPECT_FALSE(virtio_header_of(as_packet(*packet, 0, true)));
    EXPECT_FALSE(virtio_header_of(as_packet(*packet, 1000, true)));
  }
  // "Don't fragment" makes no fragment.
  udp[6] = 0x40;
  EXPECT_TRUE(virtio_header_of(as_packet(udp, 1000, true)));
}

TEST(VirtioNet, HeadersThatDoNotFitThePacketAreRefused) {
  Buffer packet = udp_v4(3000);
  const VirtioHeader good = *virtio_header_of(as_packet(packet, 1000, true));
  ASSERT_TRUE(packet_after(good, packet));
  const auto refused = [&](auto change) {
    VirtioHeader bad = good;
    change(bad);
    return !packet_after(bad, packet);
  };
  EXPECT_TRUE(refused([](VirtioHeader& h) { h.gso_size = 0; }));
  EXPECT_TRUE(refused([](VirtioHeader& h) { h.flags = 0; }));
  EXPECT_TRUE(refused([](VirtioHeader& h) { h.csum_start = 24; }));
  EXPECT_TRUE(refused([](VirtioHeader& h) { h.csum_offset = 16; }));
  EXPECT_TRUE(refused([](VirtioHeader& h) { h.gso_type = VirtioHeader::gso_tcpv4; }));
  EXPECT_TRUE(refused([](VirtioHeader& h) { h.gso_type = 3; }));  // UFO
  EXPECT_TRUE(refused([](VirtioHeader& h) { h.gso_type = 0, h.csum_start = 3027; }));
  packet[0] = 0x15;
  EXPECT_TRUE(refused([](VirtioHeader&) {}));
}

TEST(VirtioNet, AChecksumOfAnInnerPacketIsCompleted) {
  // UDP in IPv4 in IPv4, its payload of an odd length.
  for (const std::size_t payload : {100u, 101u}) {
    const Buffer inner = udp_v4(payload);
    Buffer packet = inner;
    packet.resize(20);
    packet[9] = IPPROTO_IPIP;
    packet.insert(packet.end(), inner.begin(), inner.end());
    VirtioHeader header;
    header.flags = VirtioHeader::needs_csum;
    header.csum_start = 40;
    header.csum_offset = 6;
    const auto read = packet_after(header, packet);
    ASSERT_TRUE(read);
    EXPECT_FALSE(read->checksum_partial);
    const Buffer complete = udp_packet(v4_from, v4_to, std::string(payload, 'x'));
    EXPECT_EQ(Buffer(packet.begin() + 20, packet.end()), complete);
  }
}

}  // namespace
}  // namespace sallyport::net
