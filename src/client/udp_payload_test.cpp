#include "client/udp_payload.h"

#include "net/packet_fields.h"
#include "net/packets_for_test.h"

#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using net::MadePacket;
using net::PacketBytes;

std::expected<std::string, NotCarried> payload_of(PacketBytes bytes, std::uint16_t segment_size = 0,
                                                  bool partial = false) {
  const net::Packet packet{.bytes = bytes, .segment_size = segment_size, .checksum_partial = partial};
  const auto run = udp_payload_of(packet, net::parse_ip(bytes).value());
  if (!run) return std::unexpected(run.error());
  return std::string(as_text(run->bytes)) + "/" + std::to_string(run->segment_size);
}

PacketBytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

TEST(UdpPayload, IsWhatBothFamiliesCarry) {
  for (const bool is_v6 : {false, true}) {
    MadePacket made{.is_v6 = is_v6, .is_udp = true, .payload = bytes_of("hello")};
    EXPECT_EQ(payload_of(made.make()), "hello/5");
    PacketBytes partial = made.make();
    net::make_checksum_partial(partial);
    EXPECT_EQ(payload_of(partial, 0, true), "hello/5");
    EXPECT_EQ(payload_of(partial, 2, true), "hello/2");
    EXPECT_EQ(payload_of(partial, 9, true), "hello/5");
    EXPECT_EQ(payload_of(partial).error(), NotCarried::invalid) << "nobody vouches for it";
    made.payload.clear();
    EXPECT_EQ(payload_of(made.make()), "/0");
  }
}

TEST(UdpPayload, LengthsAreChecked) {
  for (const bool is_v6 : {false, true}) {
    for (const int length : {7, 14}) {
      PacketBytes packet = MadePacket{.is_v6 = is_v6, .is_udp = true, .payload = bytes_of("hello")}.make();
      packet[(is_v6 ? 40 : 20) + 5] = static_cast<std::uint8_t>(length);
      EXPECT_EQ(payload_of(packet).error(), NotCarried::invalid);
      EXPECT_EQ(payload_of(packet, 0, true).error(), NotCarried::invalid);
    }
    PacketBytes padded = MadePacket{.is_v6 = is_v6, .is_udp = true, .payload = bytes_of("hello")}.make();
    padded[(is_v6 ? 40 : 20) + 5] = 10;
    EXPECT_EQ(payload_of(padded, 0, true), "he/2") << "the datagram may end before the packet";
  }
}

TEST(UdpPayload, WhatIsNoUdpHasNone) {
  EXPECT_EQ(payload_of(MadePacket{}.make()).error(), NotCarried::protocol);
  EXPECT_EQ(payload_of(MadePacket{.is_v6 = true}.make()).error(), NotCarried::protocol);
}

TEST(UdpPayload, HeadersThatAFlowDropsAreAnObstacle) {
  const MadePacket made{.is_udp = true, .payload = bytes_of("hello")};
  PacketBytes fragment = made.make();
  fragment[net::ipv4::fragment] = 0x20;
  EXPECT_EQ(payload_of(fragment).error(), NotCarried::fragment);
  fragment[net::ipv4::fragment] = 0;
  fragment[net::ipv4::fragment + 1] = 1;
  EXPECT_EQ(payload_of(fragment).error(), NotCarried::fragment) << "one that is not the first";
  fragment[net::ipv4::protocol] = net::protocol::tcp;
  EXPECT_EQ(payload_of(fragment).error(), NotCarried::fragment);

  PacketBytes options = made.make();
  options.insert(options.begin() + 20, {1, 1, 1, 0});
  options[0] = 0x46;
  options[net::ipv4::total_length + 1] += 4;
  EXPECT_EQ(payload_of(options).error(), NotCarried::headers);

  PacketBytes extended = MadePacket{.is_v6 = true, .is_udp = true, .payload = bytes_of("hello")}.make();
  extended.insert(extended.begin() + 40, {17, 0, 1, 4, 0, 0, 0, 0});
  extended[net::ipv6::next_header] = net::protocol::destination_options;
  extended[net::ipv6::payload_length + 1] += 8;
  EXPECT_EQ(payload_of(extended).error(), NotCarried::headers);

  EXPECT_EQ(payload_of(MadePacket{.is_udp = true, .hop_limit = 1}.make()).error(), NotCarried::hop_limit);
  EXPECT_TRUE(payload_of(MadePacket{.is_udp = true, .hop_limit = 2}.make()));
}

TEST(UdpPayload, OnlyASingleDistantHostIsADestination) {
  for (const PacketBytes& octets : {PacketBytes{224, 0, 0, 251},
                                    {239, 255, 255, 250},
                                    {255, 255, 255, 255},
                                    {240, 0, 0, 1},
                                    {0, 0, 0, 0},
                                    {0, 1, 2, 3},
                                    {127, 0, 0, 1},
                                    {169, 254, 1, 1}})
    EXPECT_EQ(payload_of(MadePacket{.is_udp = true, .destination = octets}.make()).error(),
              NotCarried::destination)
        << int{octets[0]};
  const auto v6 = [](std::uint8_t first, std::uint8_t second) {
    PacketBytes octets(16);
    octets[0] = first;
    octets[1] = second;
    octets[15] = 9;
    return octets;
  };
  PacketBytes mapped(16);
  mapped[10] = mapped[11] = 0xff;
  mapped[12] = mapped[15] = 9;
  for (const PacketBytes& octets : {v6(0xff, 2), v6(0xfe, 0x80), mapped, PacketBytes(16)})
    EXPECT_EQ(payload_of(MadePacket{.is_v6 = true, .is_udp = true, .destination = octets}.make()).error(),
              NotCarried::destination)
        << int{octets[0]};
  EXPECT_TRUE(payload_of(MadePacket{.is_v6 = true, .is_udp = true, .destination = v6(0xfd, 0)}.make()));
  EXPECT_EQ(payload_of(MadePacket{.is_udp = true, .destination_port = 0}.make()).error(),
            NotCarried::destination);
}

TEST(UdpPayload, PairsHashByAllTheirParts) {
  const AddressPair pair{*net::IpAddress::parse("192.0.2.1"), *net::IpAddress::parse("198.51.100.1"), 1, 2};
  AddressPair other = pair;
  EXPECT_EQ(AddressPairHash{}(pair), AddressPairHash{}(other));
  other.source_port = 2;
  EXPECT_NE(AddressPairHash{}(pair), AddressPairHash{}(other));
  other = pair;
  std::swap(other.source, other.destination);
  EXPECT_NE(AddressPairHash{}(pair), AddressPairHash{}(other));
}

}  // namespace
}  // namespace sallyport::client
