#include "masque/ip_range.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}

IpRange range(std::string_view start, std::string_view end, std::uint8_t protocol = any_protocol) {
  return {ip(start), ip(end), protocol};
}

std::string text_of(const std::vector<net::IpPrefix>& prefixes) {
  std::string text;
  for (const auto& prefix : prefixes) text += (text.empty() ? "" : " ") + prefix.to_string();
  return text;
}

std::string text_of(const std::vector<IpRange>& ranges) {
  std::string text;
  for (const auto& range : ranges)
    text += (text.empty() ? "" : " ") + range.start.to_string() + "-" + range.end.to_string() +
            (range.protocol == any_protocol ? "" : "/" + std::to_string(range.protocol));
  return text;
}

TEST(IpRange, ContainsAddressesOfItsVersionOnly) {
  const IpRange v4 = range("10.0.0.5", "10.0.1.4");
  for (const auto inside : {"10.0.0.5", "10.0.0.255", "10.0.1.4"}) EXPECT_TRUE(v4.contains(ip(inside)));
  for (const auto outside : {"10.0.0.4", "10.0.1.5", "::ffff:10.0.0.5", "a00:5::"})
    EXPECT_FALSE(v4.contains(ip(outside)));
  EXPECT_TRUE(range("2001:db8::", "2001:db8::ffff").contains(ip("2001:db8::1")));
}

TEST(IpRange, RoutesItsProtocolAndIcmp) {
  const IpRange udp4 = range("10.0.0.0", "10.255.255.255", 17);
  EXPECT_TRUE(routes(udp4, ip("10.1.2.3"), 17));
  EXPECT_TRUE(routes(udp4, ip("10.1.2.3"), 1));
  EXPECT_FALSE(routes(udp4, ip("10.1.2.3"), 58));
  EXPECT_FALSE(routes(udp4, ip("10.1.2.3"), 6));
  EXPECT_FALSE(routes(udp4, ip("11.1.2.3"), 17));
  EXPECT_TRUE(routes(range("::", "::ffff", 17), ip("::1"), 58));
  EXPECT_FALSE(routes(range("::", "::ffff", 17), ip("::1"), 1));
  EXPECT_TRUE(routes(range("::", "::ffff"), ip("::1"), 132));
}

TEST(IpRange, OfAPrefix) {
  EXPECT_EQ(text_of({range_of(*net::IpPrefix::parse("10.0.0.0/8"))}), "10.0.0.0-10.255.255.255");
  EXPECT_EQ(text_of({range_of(*net::IpPrefix::parse("10.1.2.3"), 6)}), "10.1.2.3-10.1.2.3/6");
  EXPECT_EQ(text_of({range_of(*net::IpPrefix::parse("0.0.0.0/0"))}), "0.0.0.0-255.255.255.255");
  EXPECT_EQ(text_of({range_of(*net::IpPrefix::parse("2001:db8::/33"))}),
            "2001:db8::-2001:db8:7fff:ffff:ffff:ffff:ffff:ffff");
}

TEST(IpRange, PrefixesCoverItAndNothingElse) {
  EXPECT_EQ(text_of(prefixes_of(range("0.0.0.0", "255.255.255.255"))), "0.0.0.0/0");
  EXPECT_EQ(text_of(prefixes_of(range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))), "::/0");
  EXPECT_EQ(text_of(prefixes_of(range("10.0.0.7", "10.0.0.7"))), "10.0.0.7/32");
  EXPECT_EQ(text_of(prefixes_of(range("10.0.0.1", "10.0.0.6"))),
            "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32");
  EXPECT_EQ(text_of(prefixes_of(range("255.255.255.254", "255.255.255.255"))), "255.255.255.254/31");
  EXPECT_EQ(prefixes_of(range("0.0.0.1", "255.255.255.254")).size(), 62u);
  EXPECT_EQ(prefixes_of(range("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe")).size(), 254u);
}

TEST(IpRange, PrefixesAreCountedWithoutMakingThem) {
  const std::vector<IpRange> ranges{range("0.0.0.0", "255.255.255.255"),
                                    range("0.0.0.1", "255.255.255.254"),
                                    range("0.0.0.0", "255.255.255.254"),
                                    range("0.0.0.1", "255.255.255.255"),
                                    range("10.0.0.7", "10.0.0.7"),
                                    range("127.255.255.255", "128.0.0.0"),
                                    range("10.0.0.0", "10.0.0.1"),
                                    range("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
                                    range("::5", "::5"),
                                    range("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"),
                                    range("2001:db8::1", "2001:db8:0:0:1::"),
                                    range("2001:db8::ff", "2001:db8:1::7f")};
  for (const IpRange& each : ranges)
    EXPECT_EQ(prefix_count(each), prefixes_of(each).size()) << text_of({each});
  for (std::uint8_t start = 0; start < 32; ++start)
    for (std::uint8_t end = start; end < 32; ++end) {
      const IpRange each{net::IpAddress::v4({10, 0, 0, start}), net::IpAddress::v4({10, 0, 0, end})};
      EXPECT_EQ(prefix_count(each), prefixes_of(each).size()) << text_of({each});
    }
}

TEST(IpRange, SendableIsOrderedByVersionProtocolAndAddress) {
  EXPECT_EQ(text_of(sendable({range("::5", "::6"), range("10.0.0.0", "10.0.0.9", 17),
                              range("11.0.0.0", "11.0.0.1", 6), range("9.0.0.0", "9.0.0.1", 17),
                              range("::1", "::2"), range("12.0.0.0", "12.0.0.0")})),
            "12.0.0.0-12.0.0.0 11.0.0.0-11.0.0.1/6 9.0.0.0-9.0.0.1/17 10.0.0.0-10.0.0.9/17 ::1-::2 ::5-::6");
}

TEST(IpRange, SendableJoinsOverlapsAndNeighbours) {
  EXPECT_EQ(text_of(sendable({range("10.0.0.0", "10.0.0.9"), range("10.0.0.10", "10.0.0.12"),
                              range("10.0.0.3", "10.0.0.4"), range("10.0.0.14", "10.0.0.14")})),
            "10.0.0.0-10.0.0.12 10.0.0.14-10.0.0.14");
  EXPECT_EQ(text_of(sendable({range("255.0.0.0", "255.255.255.255"),
                              range("255.255.255.255", "255.255.255.255"), range("::", "::1")})),
            "255.0.0.0-255.255.255.255 ::-::1");
  EXPECT_EQ(text_of(sendable({})), "");
}

TEST(IpRange, SendableCutsSingleProtocolsWhereAllAreRouted) {
  EXPECT_EQ(text_of(sendable({range("10.0.0.0", "10.0.0.99", 17), range("10.0.0.10", "10.0.0.19"),
                              range("10.0.0.90", "10.0.0.200"), range("10.0.0.150", "10.0.0.160", 6)})),
            "10.0.0.10-10.0.0.19 10.0.0.90-10.0.0.200 10.0.0.0-10.0.0.9/17 10.0.0.20-10.0.0.89/17");
  EXPECT_EQ(text_of(sendable({range("0.0.0.0", "255.255.255.255"), range("0.0.0.0", "9.0.0.0", 6),
                              range("::", "::9", 6)})),
            "0.0.0.0-255.255.255.255 ::-::9/6");
  EXPECT_EQ(text_of(sendable({range("10.0.0.0", "10.0.0.99"), range("10.0.0.50", "10.0.0.99", 6)})),
            "10.0.0.0-10.0.0.99");
}

}  // namespace
}  // namespace sallyport::masque
