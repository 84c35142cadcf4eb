#include "net/icmp_error.h"

#include "net/packets_for_test.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

constexpr IcmpError all_errors[] = {IcmpError::packet_too_big,   IcmpError::time_exceeded,
                                    IcmpError::no_route,         IcmpError::address_unreachable,
                                    IcmpError::admin_prohibited, IcmpError::port_unreachable,
                                    IcmpError::source_policy};

IpAddress router(bool is_v6) {
  return IpAddress::parse(is_v6 ? "2001:db8::99" : "203.0.113.9").value();
}

PacketBytes error_about(IcmpError error, const PacketBytes& about, std::size_t mtu = 0) {
  PacketBytes out(max_icmp_error, 0xee);
  const auto packet = parse_ip(about).value();
  const std::size_t size = write_icmp_error(out, error, about, packet, router(packet.version == 6), mtu);
  EXPECT_TRUE(std::all_of(out.begin() + static_cast<std::ptrdiff_t>(size), out.end(),
                          [](std::uint8_t octet) { return octet == 0xee; }));
  out.resize(size);
  return out;
}

struct Written {
  const char* name;
  IcmpError error;
  int type_v4, code_v4, type_v6, code_v6;
};

class WriteIcmpError : public testing::TestWithParam<Written> {};

TEST_P(WriteIcmpError, HasTypeCodeAddressesAndTheQuote) {
  for (const bool is_v6 : {false, true}) {
    const auto about = MadePacket{.is_v6 = is_v6, .payload = some_payload(100)}.make();
    const auto bytes = error_about(GetParam().error, about, 1'400);
    const auto packet = parse_ip(bytes).value();
    EXPECT_EQ(packet.source, router(is_v6));
    EXPECT_EQ(packet.destination, parse_ip(about)->source);
    EXPECT_EQ(packet.protocol, is_v6 ? 58 : 1);
    EXPECT_EQ(packet.hop_limit, 64);
    EXPECT_EQ(packet.traffic_class, is_v6 ? 0 : 0xc0);
    EXPECT_EQ(packet.total_length, bytes.size());
    EXPECT_TRUE(has_valid_header_checksum(bytes, packet));
    const Bytes icmp = Bytes(bytes).subspan(packet.upper_offset);
    EXPECT_EQ(simple_sum(is_v6 ? Bytes(with_pseudo_header(bytes)) : icmp), 0xffff);
    EXPECT_EQ(icmp[0], is_v6 ? GetParam().type_v6 : GetParam().type_v4);
    EXPECT_EQ(icmp[1], is_v6 ? GetParam().code_v6 : GetParam().code_v4);
    const bool with_mtu = GetParam().error == IcmpError::packet_too_big;
    EXPECT_EQ(icmp[6] * 256 + icmp[7], with_mtu ? 1'400 : 0);
    EXPECT_EQ(icmp[4] + icmp[5], 0);
    EXPECT_TRUE(std::ranges::equal(icmp.subspan(8), about));
  }
}

INSTANTIATE_TEST_SUITE_P(Rfc, WriteIcmpError,
                         testing::Values(Written{"PacketTooBig", IcmpError::packet_too_big, 3, 4, 2, 0},
                                         Written{"TimeExceeded", IcmpError::time_exceeded, 11, 0, 3, 0},
                                         Written{"NoRoute", IcmpError::no_route, 3, 0, 1, 0},
                                         Written{"Address", IcmpError::address_unreachable, 3, 1, 1, 3},
                                         Written{"Prohibited", IcmpError::admin_prohibited, 3, 13, 1, 1},
                                         Written{"Port", IcmpError::port_unreachable, 3, 3, 1, 4},
                                         Written{"Source", IcmpError::source_policy, 3, 13, 1, 5}),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(WriteIcmpErrorSize, NoMoreIsQuotedThanFits) {
  for (const bool is_v6 : {false, true})
    for (std::size_t size : {0, 1, 500, 501, 548, 549, 1'200, 1'232, 1'233, 1'400, 60'000}) {
      const MadePacket made{.is_v6 = is_v6, .is_udp = true, .payload = some_payload(size)};
      const auto about = made.make();
      const auto bytes = error_about(IcmpError::time_exceeded, about);
      EXPECT_EQ(bytes.size(), std::min<std::size_t>(is_v6 ? 1280 : 576, about.size() + (is_v6 ? 48 : 28)));
      const auto quote = Bytes(bytes).subspan(is_v6 ? 48 : 28);
      EXPECT_TRUE(std::ranges::equal(quote, Bytes(about).first(quote.size())));
      EXPECT_EQ(simple_sum(is_v6 ? Bytes(with_pseudo_header(bytes)) : Bytes(bytes).subspan(20)), 0xffff);
    }
}

TEST(WriteIcmpErrorSize, TrailingBytesAreNotQuoted) {
  auto about = MadePacket{.payload = some_payload(10)}.make();
  const auto size = about.size();
  about.resize(400);
  EXPECT_EQ(error_about(IcmpError::no_route, about).size(), size + 28);
}

TEST(WriteIcmpErrorSize, AnMtuBeyondTheFieldIsTheLargestOne) {
  const auto four = error_about(IcmpError::packet_too_big, MadePacket{}.make(), 100'000);
  EXPECT_EQ(Bytes(four)[24] + Bytes(four)[25], 0);
  EXPECT_EQ(Bytes(four)[26] * 256 + Bytes(four)[27], 65'535);
  const auto six = error_about(IcmpError::packet_too_big, MadePacket{.is_v6 = true}.make(), 100'000);
  EXPECT_EQ(six[45] * 65'536 + six[46] * 256 + six[47], 100'000);
}

bool may_all(const PacketBytes& bytes) {
  const auto packet = parse_ip(bytes).value();
  bool any = false, all = true;
  for (const auto error : all_errors) {
    const bool may = may_answer(error, bytes, packet);
    any = any || may;
    all = all && may;
  }
  EXPECT_EQ(any, all);
  return any;
}

TEST(MayAnswer, OrdinaryPackets) {
  for (const bool is_v6 : {false, true})
    for (const bool is_udp : {false, true})
      EXPECT_TRUE(may_all(MadePacket{.is_v6 = is_v6, .is_udp = is_udp, .payload = some_payload(9)}.make()));
}

TEST(MayAnswer, NeverAnIcmpError) {
  for (const bool is_v6 : {false, true})
    for (const auto error : all_errors) {
      const auto about = MadePacket{.is_v6 = is_v6}.make();
      EXPECT_FALSE(may_all(error_about(error, about))) << "no error about an error";
    }
}

TEST(MayAnswer, IcmpQueriesOnly) {
  for (const bool is_v6 : {false, true}) {
    auto bytes = MadePacket{.is_v6 = is_v6}.make();
    bytes[is_v6 ? 6 : 9] = is_v6 ? 58 : 1;
    int answered = 0;
    for (int type = 0; type < 256; ++type) {
      bytes[is_v6 ? 40 : 20] = static_cast<std::uint8_t>(type);
      answered += may_all(bytes) ? 1 : 0;
      if (type == 3 || type == 4 || type == 5 || type == 11 || type == 12) {
        EXPECT_FALSE(may_all(bytes));
      }
      if (type == (is_v6 ? 137 : 5)) {
        EXPECT_FALSE(may_all(bytes)) << "Redirect";
      }
      if (type == (is_v6 ? 128 : 8)) {
        EXPECT_TRUE(may_all(bytes)) << "Echo";
      }
    }
    EXPECT_EQ(answered, is_v6 ? 127 : 12);
    bytes.resize(is_v6 ? 40 : 20);
    bytes[is_v6 ? 5 : 3] = is_v6 ? 0 : 20;
    EXPECT_FALSE(may_all(bytes)) << "no type at all";
  }
}

TEST(MayAnswer, OnlyTheFirstFragment) {
  auto bytes = MadePacket{.payload = some_payload(20)}.make();
  bytes[6] = 0x60;  // more fragments, and DF, which nobody sends
  EXPECT_TRUE(may_all(bytes));
  bytes[7] = 1;
  EXPECT_FALSE(may_all(bytes));
}

TEST(MayAnswer, PacketTooBigOnlyWhereItMayNotBeFragmented) {
  const auto bytes = MadePacket{.dont_fragment = false}.make();
  const auto packet = parse_ip(bytes).value();
  EXPECT_FALSE(may_answer(IcmpError::packet_too_big, bytes, packet));
  EXPECT_TRUE(may_answer(IcmpError::time_exceeded, bytes, packet));
}

TEST(MayAnswer, OnlyOneHostAndAboutOneHost) {
  for (const char* text : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
                           "255.255.255.255", "0.1.2.3", "::", "::1", "ff02::1", "::ffff:192.0.2.1"}) {
    const IpAddress address = IpAddress::parse(text).value();
    for (const bool source : {true, false}) {
      auto bytes = MadePacket{.is_v6 = address.is_v6()}.make();
      const std::size_t at = address.is_v6() ? (source ? 8 : 24) : (source ? 12 : 16);
      copy_bytes(address.octets(), bytes.data() + at);
      const auto packet = parse_ip(bytes).value();
      for (const auto error : all_errors) {
        // RFC 4443 §2.4 (e.3).
        const bool expected =
            !source && address.is_v6() && address.is_multicast() && error == IcmpError::packet_too_big;
        EXPECT_EQ(may_answer(error, bytes, packet), expected) << text << ' ' << source;
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::net
