#include "net/segment.h"

#include "base/random.h"
#include "net/packets_for_test.h"

#include <algorithm>
#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

constexpr std::size_t no_limit = 65'575;

std::expected<std::vector<PacketBytes>, SegmentError> cut(PacketBytes super, std::uint16_t segment_size,
                                                          bool partial, std::size_t max_packet = no_limit) {
  PacketBytes buffer(max_packet);
  std::vector<PacketBytes> packets;
  if (partial) make_checksum_partial(super);
  const Packet packet{super, segment_size, partial};
  const auto done = for_each_segment(packet, max_packet, buffer, [&](MutableBytes bytes) {
    packets.emplace_back(bytes.begin(), bytes.end());
  });
  if (!done) return std::unexpected(done.error());
  return packets;
}

/// What the segments of `super` have to be, made one by one.
std::vector<PacketBytes> expected_segments(const MadePacket& super, std::size_t segment_size) {
  std::vector<PacketBytes> packets;
  for (std::size_t at = 0; at < super.payload.size(); at += segment_size) {
    const std::size_t size = std::min(segment_size, super.payload.size() - at);
    MadePacket made = super;
    const auto from = super.payload.begin() + static_cast<std::ptrdiff_t>(at);
    made.payload.assign(from, from + static_cast<std::ptrdiff_t>(size));
    made.sequence += static_cast<std::uint32_t>(at);
    made.identification = static_cast<std::uint16_t>(made.identification + at / segment_size);
    if (at > 0) made.flags &= 0x7f;                                                        // CWR
    if (at + size < super.payload.size()) made.flags &= static_cast<std::uint8_t>(~0x09);  // FIN, PSH
    packets.push_back(made.make());
  }
  return packets;
}

TEST(Segment, CutsTcpAndUdpOfBothFamilies) {
  for (const bool is_v6 : {false, true})
    for (const bool is_udp : {false, true})
      for (const bool partial : {false, true})
        for (const std::size_t size : {1, 999, 1'000, 1'001, 2'000, 2'001, 65'000}) {
          MadePacket made{.is_v6 = is_v6, .is_udp = is_udp, .payload = some_payload(size)};
          made.identification = 0xfffe;  // and round
          made.sequence = 0xfffffc00;
          made.flags = 0xd9;  // CWR ECE ACK PSH FIN
          if (!is_udp) made.options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
          const auto packets = cut(made.make(), 1'000, partial);
          ASSERT_TRUE(packets);
          EXPECT_EQ(*packets, expected_segments(made, 1'000)) << is_v6 << is_udp << partial << size;
        }
}

TEST(Segment, RandomOnesAreWhatTheyWouldHaveBeenOneByOne) {
  SeededRandom random(1);
  for (int round = 0; round < 300; ++round) {
    MadePacket made{.is_v6 = random.below(2) == 0, .is_udp = random.below(2) == 0};
    made.payload.resize(1 + random.below(9'000));
    random.fill(made.payload);
    made.flags = static_cast<std::uint8_t>(0x10 | (random.next_u64() & 0xc9));
    made.sequence = static_cast<std::uint32_t>(random.next_u64());
    made.identification = static_cast<std::uint16_t>(random.next_u64());
    made.traffic_class = static_cast<std::uint8_t>(random.next_u64());
    if (!made.is_udp) made.options.resize(4 * random.below(11));
    const std::size_t segment_size = 20 + random.below(1'500);
    // A smaller path budget cuts TCP again.
    std::size_t max_packet = no_limit, expected = segment_size;
    if (!made.is_udp && random.below(2) == 0) {
      max_packet = (made.is_v6 ? least_cut_packet_v6 : least_cut_packet_v4) + random.below(1'000);
      expected = std::min<std::size_t>(expected, max_packet - made.headers_size());
    }
    const auto packets =
        cut(made.make(), static_cast<std::uint16_t>(segment_size), random.below(2) == 0, max_packet);
    ASSERT_TRUE(packets);
    for (const auto& packet : *packets) EXPECT_TRUE(checks_out(packet));
    ASSERT_EQ(*packets, expected_segments(made, expected)) << round;
  }
}

TEST(Segment, APacketThatIsNoSuperPacketIsCopied) {
  const auto made = MadePacket{.payload = some_payload(900)}.make();
  EXPECT_EQ(cut(made, 0, false).value(), std::vector<PacketBytes>{made});
  EXPECT_EQ(cut(made, 0, true).value(), std::vector<PacketBytes>{made});
  EXPECT_EQ(cut(made, 2'000, true).value(), std::vector<PacketBytes>{made});
  auto with_trailer = made;
  with_trailer.resize(1'000);
  EXPECT_EQ(cut(with_trailer, 0, false).value(), std::vector<PacketBytes>{made});
  const auto bare = MadePacket{.flags = 0x11}.make();  // FIN without payload
  EXPECT_EQ(cut(bare, 1'000, true).value(), std::vector<PacketBytes>{bare});
  EXPECT_EQ(cut(bare, 0, true).value(), std::vector<PacketBytes>{bare});
  // Other protocols too, as long as nothing has to be done.
  auto other = made;
  other[9] = 132;
  EXPECT_EQ(cut(other, 0, false).value(), std::vector<PacketBytes>{other});
  EXPECT_EQ(cut(other, 0, true).error(), SegmentError::malformed);
  EXPECT_EQ(cut(other, 100, false).error(), SegmentError::malformed);
}

TEST(Segment, WhatDoesNotFitIsReportedAndLeftAsItWas) {
  const MadePacket made{.payload = some_payload(3'000)};
  EXPECT_EQ(cut(made.make(), 0, false, 3'039).error(), SegmentError::too_large);
  EXPECT_TRUE(cut(made.make(), 0, false, 3'040));
  EXPECT_EQ(cut(made.make(), 0, true, 3'039).error(), SegmentError::too_large);
  EXPECT_EQ(cut(made.make(), 1'000, true, 0).error(), SegmentError::too_large);
  const MadePacket datagrams{.is_udp = true, .payload = some_payload(3'000)};
  EXPECT_TRUE(cut(datagrams.make(), 1'000, true, 1'028));
  EXPECT_EQ(cut(datagrams.make(), 1'000, true, 1'027).error(), SegmentError::too_large);
  auto bytes = datagrams.make();
  EXPECT_FALSE(Segmenter::make({bytes, 1'000, false}, 1'027));
  EXPECT_EQ(bytes, datagrams.make());
}

TEST(Segment, ASmallPathDoesNotMakeThousandsOfPackets) {
  for (const bool is_v6 : {false, true})
    for (const std::size_t options : {0, 40}) {
      MadePacket made{.is_v6 = is_v6, .payload = some_payload(60'000)};
      made.options.resize(options, 1);
      const std::size_t least = is_v6 ? 1'280 : 576;
      const auto packets = cut(made.make(), 1'400, true, least);
      ASSERT_TRUE(packets);
      EXPECT_EQ(packets->front().size(), least);
      EXPECT_EQ(*packets, expected_segments(made, least - made.headers_size()));
      EXPECT_EQ(cut(made.make(), 1'400, true, least - 1).error(), SegmentError::too_large);
      // Segments that are smaller by themselves are the sender's affair.
      EXPECT_TRUE(cut(made.make(), 100, true, made.headers_size() + 100));
      EXPECT_EQ(cut(made.make(), 100, true, made.headers_size() + 99).error(), SegmentError::too_large);
    }
  // Nor do long extension headers: Destination Options of 800 bytes in front of TCP.
  auto bytes = MadePacket{.is_v6 = true, .payload = some_payload(10'000)}.make();
  PacketBytes options(800);
  options[0] = 6;
  options[1] = 99;
  bytes.insert(bytes.begin() + 40, options.begin(), options.end());
  bytes[6] = 60;
  bytes[4] = static_cast<std::uint8_t>((bytes.size() - 40) >> 8);
  bytes[5] = static_cast<std::uint8_t>(bytes.size() - 40);
  EXPECT_EQ(cut(bytes, 1'000, false, 1'280).error(), SegmentError::too_large);
  EXPECT_TRUE(cut(bytes, 1'000, false, 860 + 456));
}

TEST(Segment, MalformedOnes) {
  auto bytes = MadePacket{.payload = some_payload(100)}.make();
  auto bad = bytes;
  bad[0] = 0x15;
  EXPECT_EQ(cut(bad, 10, false).error(), SegmentError::malformed);
  EXPECT_EQ(cut(bad, 0, false).error(), SegmentError::malformed);
  bad = bytes;
  bad[32] = 0x40;  // the TCP header shorter than it can be
  EXPECT_EQ(cut(bad, 10, false).error(), SegmentError::malformed);
  bad = MadePacket{.payload = some_payload(10)}.make();
  bad[32] = 0xf0;  // longer than the packet
  EXPECT_EQ(cut(bad, 10, false).error(), SegmentError::malformed);
  bad = bytes;
  bad[6] = 0x20;  // a fragment
  EXPECT_EQ(cut(bad, 10, false).error(), SegmentError::malformed);
  EXPECT_EQ(cut({}, 10, false).error(), SegmentError::malformed);
}

TEST(Segment, UdpWithoutAChecksumStaysSo) {
  MadePacket made{.is_udp = true, .payload = some_payload(250)};
  auto bytes = made.make();
  bytes[26] = bytes[27] = 0;
  const auto packets = cut(bytes, 100, false).value();
  ASSERT_EQ(packets.size(), 3u);
  for (const auto& packet : packets) {
    EXPECT_EQ(packet[26] + packet[27], 0);
    EXPECT_EQ(simple_sum(Bytes(packet).first(20)), 0xffff);
  }
}

TEST(Segment, AWrongChecksumStaysWrong) {
  for (const bool is_udp : {false, true}) {
    auto bytes = MadePacket{.is_udp = is_udp, .payload = some_payload(250)}.make();
    bytes.back() ^= 0x10;
    const auto packets = cut(bytes, 100, false).value();
    for (const auto& packet : packets) EXPECT_FALSE(checks_out(packet));
  }
}

TEST(Segment, ExtensionHeadersStandInEachSegment) {
  // An empty Destination Options header in front of TCP.
  const MadePacket made{.is_v6 = true, .payload = some_payload(250)};
  const auto with_options = [](PacketBytes bytes) {
    const std::array<std::uint8_t, 8> options{6, 0, 1, 4, 0, 0, 0, 0};
    bytes.insert(bytes.begin() + 40, options.begin(), options.end());
    bytes[6] = 60;
    const std::size_t length = bytes.size() - 40;
    bytes[4] = static_cast<std::uint8_t>(length >> 8);
    bytes[5] = static_cast<std::uint8_t>(length);
    return bytes;
  };
  std::vector<PacketBytes> expected;
  for (const auto& each : expected_segments(made, 100)) expected.push_back(with_options(each));
  EXPECT_EQ(cut(with_options(made.make()), 100, false).value(), expected);
}

TEST(Segment, CountAndSizesAreKnownBefore) {
  auto bytes = MadePacket{.payload = some_payload(2'500)}.make();
  auto segmenter = Segmenter::make({bytes, 1'000, false}, no_limit).value();
  EXPECT_EQ(segmenter.count(), 3u);
  PacketBytes out(1'040);
  for (const std::size_t size : {1'040U, 1'040U, 540U}) {
    EXPECT_EQ(segmenter.next_size(), size);
    segmenter.write_next(out.data());
  }
  EXPECT_EQ(segmenter.next_size(), 0u);
}

}  // namespace
}  // namespace sallyport::net
