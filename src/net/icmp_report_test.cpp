#include "net/icmp_report.h"

#include "net/icmp_error.h"
#include "net/internet_checksum.h"
#include "net/packet_fields.h"
#include "net/packets_for_test.h"

#include <array>
#include <cerrno>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

/// A UDP packet of ours, and the ICMP errors that somebody on its way sends about it.
class IcmpReportTest : public testing::TestWithParam<bool> {
 protected:
  static bool is_v6() { return GetParam(); }
  static std::size_t ip_size() { return is_v6() ? 40 : 20; }
  static MadePacket ours() {
    MadePacket made{.is_v6 = is_v6(), .is_udp = true, .payload = some_payload(1000)};
    made.source_port = 50'000;
    made.destination_port = 443;
    return made;
  }
  static PacketBytes error_about(const PacketBytes& packet, IcmpError error, std::size_t mtu = 0) {
    PacketBytes out(max_icmp_error);
    const auto parsed = parse_ip(packet);
    EXPECT_TRUE(parsed);
    const IpAddress router = IpAddress::parse(is_v6() ? "2001:db8:f::1" : "198.18.0.1").value();
    out.resize(write_icmp_error(out, error, packet, parsed.value(), router, mtu));
    return out;
  }
  static std::optional<IcmpReport> read(const PacketBytes& bytes) {
    const auto parsed = parse_ip(bytes);
    return parsed ? read_icmp_report(bytes, *parsed) : std::nullopt;
  }
  /// After its ICMP message, or its length, was changed.
  static PacketBytes repaired(PacketBytes bytes) {
    const std::size_t at = ip_size();
    if (is_v6()) {
      store_be16(&bytes[ipv6::payload_length], static_cast<std::uint32_t>(bytes.size() - at));
    } else {
      store_be16(&bytes[ipv4::total_length], static_cast<std::uint32_t>(bytes.size()));
      store_be16(&bytes[ipv4::checksum], 0);
      store_be16(&bytes[ipv4::checksum], internet_checksum(Bytes(bytes).first(at)));
    }
    store_be16(&bytes[at + 2], 0);
    const std::uint32_t pseudo = is_v6() ? pseudo_header_sum(Bytes(bytes).subspan(8, 32), protocol::icmp_v6,
                                                             static_cast<std::uint32_t>(bytes.size() - at))
                                         : 0U;
    store_be16(&bytes[at + 2], internet_checksum(Bytes(bytes).subspan(at), pseudo));
    return bytes;
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, IcmpReportTest, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "v6" : "v4"; });

TEST_P(IcmpReportTest, SaysWhatAndAboutWhich) {
  struct Case {
    IcmpError error;
    Unreachable kind;
    int number_v4, number_v6;
  };
  const PacketBytes packet = ours().make();
  const auto parsed = parse_ip(packet).value();
  for (const Case& c : {Case{IcmpError::port_unreachable, Unreachable::definite, ECONNREFUSED, ECONNREFUSED},
                        Case{IcmpError::no_route, Unreachable::hint, ENETUNREACH, ENETUNREACH},
                        Case{IcmpError::address_unreachable, Unreachable::hint, EHOSTUNREACH, EHOSTUNREACH},
                        Case{IcmpError::admin_prohibited, Unreachable::hint, EHOSTUNREACH, EACCES}}) {
    const auto report = read(error_about(packet, c.error));
    ASSERT_TRUE(report && report->unreachable);
    EXPECT_EQ(report->unreachable->kind, c.kind);
    EXPECT_EQ(report->unreachable->number, is_v6() ? c.number_v6 : c.number_v4);
    EXPECT_EQ(report->mtu, 0u);
    EXPECT_EQ(report->source, parsed.source);
    EXPECT_EQ(report->destination, parsed.destination);
    EXPECT_EQ(report->source_port, 50'000);
    EXPECT_EQ(report->destination_port, 443);
    // Of the whole packet, though less of it is quoted.
    EXPECT_EQ(report->length, packet.size());
  }
}

TEST_P(IcmpReportTest, SaysWhatFits) {
  const auto report = read(error_about(ours().make(), IcmpError::packet_too_big, 1300));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->mtu, 1300u);
  EXPECT_FALSE(report->unreachable);
}

TEST_P(IcmpReportTest, OtherMessagesAreNone) {
  const PacketBytes packet = ours().make();
  EXPECT_FALSE(read(error_about(packet, IcmpError::time_exceeded)));
  EXPECT_FALSE(read(packet));
  PacketBytes echo = error_about(packet, IcmpError::port_unreachable);
  echo[ip_size()] = is_v6() ? 128 : 8;
  EXPECT_FALSE(read(repaired(echo)));
}

TEST_P(IcmpReportTest, AnotherProtocolOrAFragmentIsNone) {
  const PacketBytes whole = error_about(ours().make(), IcmpError::port_unreachable);
  PacketBytes other = whole;
  other[is_v6() ? ipv6::next_header : ipv4::protocol] = protocol::udp;
  EXPECT_FALSE(read(repaired(other)));
  if (is_v6()) return;
  PacketBytes first = whole;
  store_be16(&first[ipv4::fragment], ipv4::more_fragments);
  EXPECT_FALSE(read(repaired(first)));
}

TEST_P(IcmpReportTest, AWrongChecksumIsSeen) {
  PacketBytes bytes = error_about(ours().make(), IcmpError::port_unreachable);
  bytes.back() ^= 1;
  EXPECT_FALSE(read(bytes));
}

TEST_P(IcmpReportTest, AQuoteThatIsCutBehindItsPortsIsEnough) {
  const PacketBytes whole = error_about(ours().make(), IcmpError::port_unreachable);
  const std::size_t enough = ip_size() + 8 + ip_size() + 8;
  for (std::size_t size = ip_size(); size <= whole.size(); ++size) {
    PacketBytes cut = whole;
    cut.resize(size);
    if (size < ip_size() + 4) continue;  // no room for a checksum
    EXPECT_EQ(read(repaired(cut)).has_value(), size >= enough) << size;
  }
}

TEST_P(IcmpReportTest, AQuoteOfAnotherSortIsNone) {
  const PacketBytes whole = error_about(ours().make(), IcmpError::port_unreachable);
  const std::size_t quote = ip_size() + 8;
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    PacketBytes bytes = whole;
    bytes[quote + at] = value;
    return read(repaired(bytes));
  };
  EXPECT_TRUE(changed(0, whole[quote]));
  EXPECT_FALSE(changed(0, is_v6() ? 0x45 : 0x60)) << "of the other version";
  EXPECT_FALSE(changed(is_v6() ? 6 : 9, 6)) << "TCP";
  if (is_v6()) {
    EXPECT_FALSE(changed(6, protocol::hop_by_hop));
  } else {
    EXPECT_FALSE(changed(0, 0x44)) << "a header of 16 bytes";
    EXPECT_FALSE(changed(7, 1)) << "a later fragment";
    EXPECT_FALSE(changed(6, 0x20)) << "a first fragment: we send none";
    EXPECT_TRUE(changed(0, 0x46)) << "with options, which a router may have added";
  }
}

TEST_P(IcmpReportTest, WhatIsCutShortWithinTheHeaderIsNone) {
  PacketBytes bytes = error_about(ours().make(), IcmpError::port_unreachable);
  bytes.resize(ip_size() + 7);
  EXPECT_FALSE(read(repaired(bytes)));
}

TEST(IcmpReport, AnIcmpMessageOfTheOtherVersionIsNone) {
  // Protocol 58 in IPv4.
  MadePacket made{.is_udp = true, .payload = some_payload(100)};
  PacketBytes bytes = made.make();
  bytes[9] = protocol::icmp_v6;
  const auto parsed = parse_ip(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_FALSE(read_icmp_report(bytes, *parsed));
}

}  // namespace
}  // namespace sallyport::net
