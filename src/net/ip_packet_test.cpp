#include "net/ip_packet.h"

#include "base/hex.h"
#include "net/packets_for_test.h"
#include "net/udp_header.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

PacketBytes hex(std::string_view text) {
  return from_hex(text).value();
}

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

/// An ICMP echo request.
const std::string ping =
    "4500001c0000400040014eaac0000201c6336402"
    "0800f7fe00010000";
const std::string v6_addresses = "20010db800000000000000000000000120010db8000000010000000000000002";

/// An IPv6 packet of these next-header number and bytes behind the fixed header.
PacketBytes v6(std::uint8_t next_header, const std::string& behind) {
  PacketBytes bytes =
      hex("60000000000000"
          "40" +
          v6_addresses + behind);
  bytes[5] = static_cast<std::uint8_t>(behind.size() / 2);
  bytes[6] = next_header;
  return bytes;
}

const std::string udp_header = "01bbc35000080000";
const std::string tcp_header = "01bbc35000000001000000025010ffff00000000";

TEST(ParseIp, AnIpv4Packet) {
  MadePacket made{.payload = some_payload(10), .hop_limit = 9, .traffic_class = 0xb9, .dont_fragment = false};
  const auto packet = parse_ip(made.make()).value();
  EXPECT_EQ(packet.version, 4);
  EXPECT_EQ(packet.source, ip("192.0.2.1"));
  EXPECT_EQ(packet.destination, ip("198.51.100.2"));
  EXPECT_EQ(packet.total_length, 50u);
  EXPECT_EQ(packet.upper_offset, 20u);
  EXPECT_EQ(packet.upper_length(), 30u);
  EXPECT_EQ(packet.protocol, 6);
  EXPECT_EQ(packet.hop_limit, 9);
  EXPECT_EQ(packet.traffic_class, 0xb9);
  EXPECT_FALSE(packet.dont_fragment);
  EXPECT_FALSE(packet.fragment);
  EXPECT_EQ(packet.source_port, 443);
  EXPECT_EQ(packet.destination_port, 50'000);
}

TEST(ParseIp, AnIpv6Packet) {
  MadePacket made{
      .is_v6 = true, .is_udp = true, .payload = some_payload(10), .hop_limit = 9, .traffic_class = 0xb9};
  const auto packet = parse_ip(made.make()).value();
  EXPECT_EQ(packet.version, 6);
  EXPECT_EQ(packet.source, ip("2001:db8::1"));
  EXPECT_EQ(packet.destination, ip("2001:db8:0:1::2"));
  EXPECT_EQ(packet.total_length, 58u);
  EXPECT_EQ(packet.upper_offset, 40u);
  EXPECT_EQ(packet.protocol, 17);
  EXPECT_EQ(packet.hop_limit, 9);
  EXPECT_EQ(packet.traffic_class, 0xb9);
  EXPECT_TRUE(packet.dont_fragment);
  EXPECT_EQ(packet.source_port, 443);
  EXPECT_EQ(packet.destination_port, 50'000);
}

TEST(ParseIp, OtherProtocolsHaveNoPorts) {
  const auto packet = parse_ip(hex(ping)).value();
  EXPECT_EQ(packet.protocol, 1);
  EXPECT_EQ(packet.source_port, 0);
  EXPECT_EQ(packet.destination_port, 0);
}

TEST(ParseIp, TrailingBytesAreNotOfThePacket) {
  auto bytes = MadePacket{.payload = some_payload(3)}.make();
  const auto alone = parse_ip(bytes).value();
  bytes.resize(200);
  EXPECT_EQ(parse_ip(bytes).value().total_length, alone.total_length);
}

TEST(ParseIp, Ipv4OptionsAreSkipped) {
  auto bytes =
      hex("47000024"
          "00004000"
          "4011"
          "0000"
          "c0000201"
          "c6336402"
          "0101010101010100" +
          udp_header);
  const auto packet = parse_ip(bytes).value();
  EXPECT_EQ(packet.upper_offset, 28u);
  EXPECT_EQ(packet.source_port, 443);
}

struct Chain {
  const char* name;
  std::uint8_t next_header;
  std::string behind;
  std::uint8_t protocol;
  std::uint32_t upper_offset;
  std::uint16_t source_port;
};

class ExtensionHeaders : public testing::TestWithParam<Chain> {};

TEST_P(ExtensionHeaders, AreWalked) {
  const Chain& chain = GetParam();
  const auto packet = parse_ip(v6(chain.next_header, chain.behind)).value();
  EXPECT_EQ(packet.protocol, chain.protocol);
  EXPECT_EQ(packet.upper_offset, chain.upper_offset);
  EXPECT_EQ(packet.source_port, chain.source_port);
}

INSTANTIATE_TEST_SUITE_P(
    Rfc8200, ExtensionHeaders,
    testing::Values(Chain{"None", 17, udp_header, 17, 40, 443},
                    Chain{"HopByHop", 0, "1100000000000000" + udp_header, 17, 48, 443},
                    Chain{"LongDestinationOptions", 60,
                          "1101000000000000"
                          "0000000000000000" +
                              udp_header,
                          17, 56, 443},
                    Chain{"RoutingThenDestinationOptions", 43,
                          "3c00000000000000"
                          "0600000000000000" +
                              tcp_header,
                          6, 56, 443},
                    Chain{"Authentication", 51,
                          "1101000000000000"
                          "00000000" +
                              udp_header,
                          17, 52, 443},
                    Chain{"Mobility", 135, "3b00000000000000", 59, 48, 0},
                    Chain{"Esp", 50, "0000000100000001", 50, 40, 0},
                    Chain{"NoNextHeader", 59, "ffff", 59, 40, 0},
                    Chain{"FirstFragment", 44, "1100000100000001" + udp_header, 17, 48, 443},
                    Chain{"AtomicFragment", 44, "1100000000000001" + udp_header, 17, 48, 443},
                    // What looks like a chain in the middle of a payload is none.
                    Chain{"LaterFragment", 44,
                          "3c00000900000001"
                          "1100000000000000" +
                              udp_header,
                          60, 48, 0},
                    Chain{"LaterFragmentOfUdp", 44,
                          "1100000800000001"
                          "ff",
                          17, 48, 0}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(ParseIp, Fragments) {
  auto bytes = MadePacket{.payload = some_payload(20), .dont_fragment = false}.make();
  bytes[6] = 0x20;  // more fragments
  auto packet = parse_ip(bytes).value();
  EXPECT_TRUE(packet.fragment);
  EXPECT_TRUE(packet.has_upper_header());
  EXPECT_EQ(packet.source_port, 443);
  bytes[7] = 0x03;
  packet = parse_ip(bytes).value();
  EXPECT_EQ(packet.fragment_offset, 24);
  EXPECT_FALSE(packet.has_upper_header());
  EXPECT_EQ(packet.source_port, 0);
  bytes[6] = 0x1f;
  bytes[7] = 0xff;
  EXPECT_EQ(parse_ip(bytes).value().fragment_offset, 65'528);

  packet = parse_ip(v6(44, "1100000100000001" + udp_header)).value();
  EXPECT_TRUE(packet.fragment);
  EXPECT_TRUE(packet.has_upper_header());
  packet = parse_ip(v6(44,
                       "1100000800000001"
                       "ff"))
               .value();
  EXPECT_TRUE(packet.fragment);
  EXPECT_EQ(packet.fragment_offset, 8);
  // RFC 6946.
  EXPECT_FALSE(parse_ip(v6(44, "1100000000000001" + udp_header)).value().fragment);
}

TEST(ParseIp, EveryTruncationIsAnError) {
  std::vector<PacketBytes> packets;
  for (const bool is_v6 : {false, true})
    for (const bool is_udp : {false, true})
      packets.push_back(MadePacket{.is_v6 = is_v6, .is_udp = is_udp, .payload = some_payload(5)}.make());
  packets.push_back(v6(43,
                       "3c00000000000000"
                       "0600000000000000" +
                           tcp_header));
  for (const auto& packet : packets) {
    ASSERT_TRUE(parse_ip(packet));
    for (std::size_t size = 0; size < packet.size(); ++size) {
      const PacketBytes cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
      const auto parsed = parse_ip(cut);
      ASSERT_FALSE(parsed) << size;
      EXPECT_EQ(parsed.error(), IpDefect::truncated);
    }
  }
}

TEST(ParseIp, LengthsShortOfTheHeadersAreErrors) {
  // The same with a length field that agrees with the bytes.
  for (const bool is_udp : {false, true}) {
    const MadePacket made{.is_v6 = true, .is_udp = is_udp};
    const auto packet = made.make();
    for (std::size_t size = 40; size < packet.size(); ++size) {
      PacketBytes cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
      cut[5] = static_cast<std::uint8_t>(size - 40);
      EXPECT_EQ(parse_ip(cut).error(), IpDefect::upper_header) << size;
    }
  }
  for (std::uint8_t length = 0; length < 28; ++length) {
    auto packet = MadePacket{.is_udp = true}.make();
    packet[3] = length;
    EXPECT_EQ(parse_ip(packet).error(), length < 20 ? IpDefect::header_length : IpDefect::upper_header);
  }
  for (const std::string behind : {"", "11", "11000000000000", "1101000000000000"})
    EXPECT_EQ(parse_ip(v6(60, behind)).error(), IpDefect::truncated) << behind;
}

TEST(ParseIp, WhatIsNoIpPacket) {
  EXPECT_EQ(parse_ip({}).error(), IpDefect::truncated);
  for (int version = 0; version < 16; ++version) {
    auto bytes = hex(ping);
    bytes[0] = static_cast<std::uint8_t>(version << 4 | 5);
    if (version == 4)
      EXPECT_TRUE(parse_ip(bytes));
    else if (version == 6)
      EXPECT_EQ(parse_ip(bytes).error(), IpDefect::truncated);
    else
      EXPECT_EQ(parse_ip(bytes).error(), IpDefect::version);
  }
  for (std::uint8_t words = 0; words < 16; ++words) {
    auto bytes = hex(ping);
    bytes[0] = 0x40 | words;
    if (words < 5 || words > 7)
      EXPECT_EQ(parse_ip(bytes).error(), IpDefect::header_length) << int{words};
    else
      EXPECT_TRUE(parse_ip(bytes)) << int{words};
  }
}

TEST(ParseIp, AnEndlessChainOfExtensionHeadersIsGivenUp) {
  std::string chain;
  for (int i = 0; i < max_extension_headers - 1; ++i) chain += "3c00000000000000";
  EXPECT_TRUE(parse_ip(v6(60, chain + "1100000000000000" + udp_header)));
  chain += "3c00000000000000";
  EXPECT_EQ(parse_ip(v6(60, chain + "1100000000000000" + udp_header)).error(), IpDefect::extension_chain);
}

TEST(ParseIp, ATinyFirstFragmentHasItsPorts) {
  // RFC 1858: in IPv4 the TCP header may be cut, never before the ports.
  auto bytes =
      hex("4500001c"
          "00002000"
          "4006"
          "0000"
          "c0000201"
          "c6336402"
          "01bbc35000000001");
  EXPECT_EQ(parse_ip(bytes).value().source_port, 443);
  bytes[3] = 0x1b;
  EXPECT_EQ(parse_ip(bytes).error(), IpDefect::upper_header);
  // In IPv6 the first fragment holds the whole chain (RFC 8200 §4.5).
  EXPECT_EQ(parse_ip(v6(44,
                        "0600000100000001"
                        "01bbc35000000001"))
                .error(),
            IpDefect::upper_header);
}

TEST(HopLimit, IsDecrementedAndTheChecksumFollows) {
  for (int ttl = 0; ttl < 256; ++ttl) {
    auto bytes = MadePacket{.payload = some_payload(4), .hop_limit = static_cast<std::uint8_t>(ttl)}.make();
    const auto before = bytes;
    EXPECT_EQ(decrement_hop_limit(bytes), ttl > 1);
    if (ttl <= 1) {
      EXPECT_EQ(bytes, before);
      continue;
    }
    EXPECT_EQ(bytes[8], ttl - 1);
    EXPECT_EQ(simple_sum(Bytes(bytes).first(20)), 0xffff);
    EXPECT_TRUE(has_valid_header_checksum(bytes, *parse_ip(bytes)));
  }
  for (const std::uint8_t limit : {0, 1, 2, 255}) {
    auto bytes = MadePacket{.is_v6 = true, .hop_limit = limit}.make();
    EXPECT_EQ(decrement_hop_limit(bytes), limit > 1);
    EXPECT_EQ(bytes[7], limit > 1 ? limit - 1 : limit);
    EXPECT_TRUE(checks_out(bytes));
  }
}

TEST(Checksums, OfEveryKindOfPacketAreVerified) {
  for (const bool is_v6 : {false, true})
    for (const bool is_udp : {false, true})
      for (std::size_t size = 0; size < 40; ++size) {
        auto bytes = MadePacket{.is_v6 = is_v6, .is_udp = is_udp, .payload = some_payload(size)}.make();
        const auto packet = parse_ip(bytes).value();
        ASSERT_TRUE(has_valid_header_checksum(bytes, packet));
        ASSERT_TRUE(has_valid_upper_checksum(bytes, packet));
        for (std::size_t at = 0; at < bytes.size(); ++at) {
          bytes[at] ^= 0x21;
          const bool in_upper = at >= packet.upper_offset;
          const bool in_addresses = is_v6 ? at >= 8 && at < 40 : at >= 12 && at < 20;
          EXPECT_EQ(has_valid_upper_checksum(bytes, packet), !in_upper && !in_addresses) << at;
          // Without the first byte, which says how long the header is.
          if (at > 0) {
            EXPECT_EQ(has_valid_header_checksum(bytes, packet), is_v6 || at >= 20) << at;
          }
          bytes[at] ^= 0x21;
        }
      }
}

TEST(Checksums, OfFragmentsAndOtherProtocolsAreNotKnown) {
  const auto bytes = hex(ping);
  EXPECT_TRUE(has_valid_header_checksum(bytes, *parse_ip(bytes)));
  EXPECT_FALSE(has_valid_upper_checksum(bytes, *parse_ip(bytes)));
  auto fragment = MadePacket{.payload = some_payload(8), .dont_fragment = false}.make();
  fragment[6] = 0x20;
  EXPECT_FALSE(has_valid_upper_checksum(fragment, *parse_ip(fragment)));
  auto without = MadePacket{.is_udp = true, .payload = some_payload(8)}.make();
  without[26] = without[27] = 0;
  EXPECT_FALSE(has_valid_upper_checksum(without, *parse_ip(without)));
}

TEST(Checksums, APartialOneIsCompleted) {
  for (const bool is_v6 : {false, true})
    for (const bool is_udp : {false, true})
      for (const std::size_t size : {0, 1, 2, 33, 1'400}) {
        const auto whole = MadePacket{.is_v6 = is_v6, .is_udp = is_udp, .payload = some_payload(size)}.make();
        auto bytes = whole;
        make_checksum_partial(bytes);
        ASSERT_NE(bytes, whole);
        EXPECT_TRUE(complete_checksum(bytes, *parse_ip(bytes)));
        EXPECT_EQ(bytes, whole);
      }
  auto echo = hex(ping);
  EXPECT_FALSE(complete_checksum(echo, *parse_ip(echo)));
  EXPECT_EQ(echo, hex(ping));
}

TEST(Checksums, UdpNeverGetsTheZeroThatMeansNone) {
  // A payload that makes the sum 0xffff.
  MadePacket made{.is_udp = true, .payload = {0, 0}};
  const auto first = made.make();
  made.payload = {first[26], first[27]};
  auto bytes = made.make();
  ASSERT_EQ(bytes[26], 0xff);
  ASSERT_EQ(bytes[27], 0xff);
  const auto whole = bytes;
  make_checksum_partial(bytes);
  EXPECT_TRUE(complete_checksum(bytes, *parse_ip(bytes)));
  EXPECT_EQ(bytes, whole);
  std::array<std::uint8_t, 28> headers{};
  write_udp_headers(headers,
                    {.source = ip("192.0.2.1"),
                     .destination = ip("198.51.100.2"),
                     .source_port = 443,
                     .destination_port = 50'000},
                    made.payload);
  EXPECT_EQ(headers[26], 0xff);
  EXPECT_EQ(headers[27], 0xff);
}

TEST(UdpHeaders, AreWhatTheKernelWouldSend) {
  for (const bool is_v6 : {false, true})
    for (const std::size_t size : {0, 1, 1'200, 65'507}) {
      const auto payload = some_payload(size);
      const MadePacket made{.is_v6 = is_v6,
                            .is_udp = true,
                            .payload = payload,
                            .hop_limit = 61,
                            .traffic_class = 2,
                            .flow_label = 0,
                            .identification = 0};
      PacketBytes bytes(udp_headers_size(is_v6));
      const UdpHeader header{.source = ip(is_v6 ? "2001:db8::1" : "192.0.2.1"),
                             .destination = ip(is_v6 ? "2001:db8:0:1::2" : "198.51.100.2"),
                             .source_port = 443,
                             .destination_port = 50'000,
                             .hop_limit = 61,
                             .ecn = Ecn::ect0};
      EXPECT_EQ(write_udp_headers(bytes, header, payload), bytes.size());
      bytes.insert(bytes.end(), payload.begin(), payload.end());
      EXPECT_EQ(bytes, made.make());
      const auto read = udp_payload(bytes, *parse_ip(bytes));
      ASSERT_TRUE(read);
      EXPECT_EQ(PacketBytes(read->begin(), read->end()), payload);

      auto partial = made.make();
      make_checksum_partial(partial);
      PacketBytes headers(udp_headers_size(is_v6));
      EXPECT_EQ(write_partial_udp_headers(headers, header, size), headers.size());
      EXPECT_TRUE(std::ranges::equal(headers, Bytes(partial).first(headers.size())));
    }
}

TEST(UdpPayload, IsRefusedWhereTheHeaderIsWrong) {
  const MadePacket made{.is_udp = true, .payload = some_payload(9)};
  auto bytes = made.make();
  const auto packet = parse_ip(bytes).value();
  for (std::size_t at = 20; at < bytes.size(); ++at) {
    bytes[at] ^= 1;
    EXPECT_FALSE(udp_payload(bytes, packet)) << at;
    bytes[at] ^= 1;
  }
  bytes[26] = bytes[27] = 0;
  EXPECT_TRUE(udp_payload(bytes, packet)) << "IPv4 may go without a checksum";
  auto six = MadePacket{.is_v6 = true, .is_udp = true, .payload = some_payload(9)}.make();
  EXPECT_TRUE(udp_payload(six, *parse_ip(six)));
  six[46] = six[47] = 0;
  EXPECT_FALSE(udp_payload(six, *parse_ip(six)));
  const auto tcp = MadePacket{.payload = some_payload(9)}.make();
  EXPECT_FALSE(udp_payload(tcp, *parse_ip(tcp)));
}

MadePacket syn(std::string_view options) {
  return {.flags = 0x02, .options = hex(options)};
}

TEST(ClampMss, LowersTheOptionAndKeepsTheChecksum) {
  // Alone; after others; at an odd offset.
  for (const char* options :
       {"020405b4", "0402080a0000000100000000020405b4", "01020405b4010300", "010303070204fa00"})
    for (const bool is_v6 : {false, true}) {
      MadePacket made = syn(options);
      made.is_v6 = is_v6;
      auto bytes = made.make();
      const auto packet = parse_ip(bytes).value();
      EXPECT_FALSE(clamp_mss(bytes, packet, 0xfff0)) << "larger than what is there";
      EXPECT_EQ(bytes, made.make());
      EXPECT_TRUE(clamp_mss(bytes, packet, 1'220)) << options;
      EXPECT_TRUE(checks_out(bytes)) << options;
      EXPECT_FALSE(clamp_mss(bytes, packet, 1'220)) << "once is enough";
      const std::string after = to_hex(Bytes(bytes).subspan(made.ip_size() + 20));
      EXPECT_NE(after.find("020404c4"), std::string::npos) << after;
    }
}

TEST(ClampMss, APartialChecksumStays) {
  auto bytes = syn("020405b4").make();
  make_checksum_partial(bytes);
  const PacketBytes before = bytes;
  EXPECT_TRUE(clamp_mss(bytes, *parse_ip(bytes), 1'000, true));
  EXPECT_EQ(bytes[36], before[36]);
  EXPECT_EQ(bytes[37], before[37]);
  EXPECT_TRUE(complete_checksum(bytes, *parse_ip(bytes)));
  EXPECT_TRUE(checks_out(bytes));
}

TEST(ClampMss, LeavesAloneWhatItDoesNotUnderstand) {
  std::vector<MadePacket> packets{syn(""),         syn("00000000020405b4"), syn("0100020405b40000"),
                                  syn("05000000"), syn("020605b4"),         syn("01010102"),
                                  syn("0101030a"), syn("020305b4")};
  packets.push_back({.options = hex("020405b4")});                      // no SYN
  packets.push_back({.is_udp = true, .payload = some_payload(40, 2)});  // no TCP
  for (const auto& made : packets) {
    auto bytes = made.make();
    EXPECT_FALSE(clamp_mss(bytes, *parse_ip(bytes), 500)) << to_hex(bytes);
    EXPECT_EQ(bytes, made.make());
  }
  auto bytes = syn("020405b4").make();
  bytes[32] = 0xf0;  // a header longer than the packet
  EXPECT_TRUE(clamp_mss(bytes, *parse_ip(bytes), 500));
  bytes[32] = 0x40;  // shorter than a header
  EXPECT_FALSE(clamp_mss(bytes, *parse_ip(bytes), 400));
}

}  // namespace
}  // namespace sallyport::net
