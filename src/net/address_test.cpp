#include "net/address.h"

#include <array>
#include <cstring>
#include <span>
#include <unordered_set>

#include <gtest/gtest.h>
#include <netinet/in.h>

namespace sallyport::net {
namespace {

IpAddress ip(std::string_view text) {
  return IpAddress::parse(text).value();
}

TEST(IpAddress, RoundTripsInCanonicalForm) {
  EXPECT_EQ(ip("192.0.2.1").to_string(), "192.0.2.1");
  EXPECT_EQ(ip("2001:DB8:0:0:0:0:0:1").to_string(), "2001:db8::1");
  EXPECT_EQ(ip("::").to_string(), "::");
  EXPECT_EQ(ip("::ffff:192.0.2.1").to_string(), "::ffff:192.0.2.1");
  EXPECT_EQ(ip("fe80::1%lo").to_string(), "fe80::1%lo");
  EXPECT_EQ(ip("fe80::1%1"), ip("fe80::1%lo"));
  EXPECT_NE(ip("fe80::1"), ip("fe80::1%1"));
}

TEST(IpAddress, RefusesWhatIsNotOne) {
  using namespace std::string_view_literals;
  for (const std::string_view text : {""sv,
                                      "1.2.3"sv,
                                      "1.2.3.4.5"sv,
                                      "256.0.0.1"sv,
                                      "1.2.3.4 "sv,
                                      " 1.2.3.4"sv,
                                      "01.2.3.4"sv,
                                      "0x7f.1"sv,
                                      "127.1"sv,
                                      "[::1]"sv,
                                      ":::"sv,
                                      "1::2::3"sv,
                                      "::1%"sv,
                                      "::1%no-such-interface"sv,
                                      "fe80::1%0"sv,
                                      "1.2.3.4%lo"sv,
                                      "1.2.3.4\0"sv,
                                      "1.2.3.4\0.5"sv,
                                      "2001:db8:0000:0000:0000:0000:0000:0000:0000:0000:0001"sv,
                                      "example.org"sv})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
}

TEST(IpAddress, KindsSeeThroughMappedAddresses) {
  EXPECT_TRUE(ip("127.9.9.9").is_loopback());
  EXPECT_TRUE(ip("::1").is_loopback());
  EXPECT_TRUE(ip("::ffff:127.0.0.1").is_loopback());
  EXPECT_FALSE(ip("::2").is_loopback());
  EXPECT_FALSE(ip("1::1").is_loopback());
  EXPECT_TRUE(ip("169.254.169.254").is_link_local());
  EXPECT_TRUE(ip("febf::1").is_link_local());
  EXPECT_FALSE(ip("fec0::1").is_link_local());
  EXPECT_TRUE(ip("239.1.1.1").is_multicast());
  EXPECT_TRUE(ip("ff02::1").is_multicast());
  EXPECT_TRUE(ip("::ffff:0.0.0.0").is_unspecified());
  EXPECT_FALSE(ip("::1").is_unspecified());
  EXPECT_EQ(ip("::ffff:10.0.0.1").unmapped(), ip("10.0.0.1"));
  EXPECT_EQ(ip("::10.0.0.1").unmapped(), ip("::10.0.0.1"));
}

TEST(IpPrefix, ParsesAndRefuses) {
  EXPECT_EQ(IpPrefix::parse("10.0.0.0/8")->to_string(), "10.0.0.0/8");
  EXPECT_EQ(IpPrefix::parse("192.0.2.7")->to_string(), "192.0.2.7/32");
  EXPECT_EQ(IpPrefix::parse("2001:db8::/29")->to_string(), "2001:db8::/29");
  EXPECT_EQ(IpPrefix::parse("::/0")->to_string(), "::/0");
  for (const char* text : {"10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8",
                           "/8", "10.0.0.0/8/8", "10.0.0.0/8 ", "fe80::1%lo/128"})
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
}

TEST(IpPrefix, ClearsAndContains) {
  EXPECT_EQ(IpPrefix(ip("10.1.2.3"), 12).to_string(), "10.0.0.0/12");
  EXPECT_EQ(IpPrefix(ip("10.1.2.3"), 99).to_string(), "10.1.2.3/32");
  const IpPrefix ten = IpPrefix::parse("10.0.0.0/9").value();
  EXPECT_TRUE(ten.contains(ip("10.127.255.255")));
  EXPECT_FALSE(ten.contains(ip("10.128.0.0")));
  EXPECT_TRUE(ten.contains(ip("::ffff:10.1.1.1")));
  EXPECT_FALSE(ten.contains(ip("a00::")));
  const IpPrefix all_v6 = IpPrefix::parse("::/0").value();
  EXPECT_TRUE(all_v6.contains(ip("2001:db8::1")));
  EXPECT_FALSE(all_v6.contains(ip("10.0.0.1")));
  EXPECT_TRUE(IpPrefix::parse("fe80::/10")->contains(ip("fe80::1%lo")));
}

TEST(SocketAddress, ParsesAndShows) {
  EXPECT_EQ(SocketAddress::parse("192.0.2.1:443")->to_string(), "192.0.2.1:443");
  EXPECT_EQ(SocketAddress::parse("[2001:db8::1]:65535")->to_string(), "[2001:db8::1]:65535");
  EXPECT_EQ(SocketAddress::parse(":443")->to_string(), "[::]:443");
  EXPECT_EQ(SocketAddress::parse("[fe80::1%lo]:1")->to_string(), "[fe80::1%lo]:1");
  EXPECT_EQ(SocketAddress::parse("[::ffff:192.0.2.1]:5")->to_string(), "192.0.2.1:5");
  EXPECT_EQ(SocketAddress().to_string(), "0.0.0.0:0");
  for (const char* text :
       {"", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+1", "192.0.2.1: 1",
        "[192.0.2.1]:1", "::1:443", "[::1]", "[]:1", "[::1:1", "localhost:1", ":"})
    EXPECT_FALSE(SocketAddress::parse(text)) << text;
}

TEST(IpAddress, OfOctets) {
  for (const char* text : {"192.0.2.1", "2001:db8::1"})
    EXPECT_EQ(IpAddress::from_octets(ip(text).octets()), ip(text));
  const std::array<std::uint8_t, 17> octets{};
  for (const std::size_t size : {0, 3, 5, 15, 17})
    EXPECT_FALSE(IpAddress::from_octets(std::span(octets).first(size))) << size;
}

TEST(IpPrefix, OverlapsWhatItContainsOrIsContainedBy) {
  const auto overlap = [](const char* a, const char* b) {
    const IpPrefix one = IpPrefix::parse(a).value(), other = IpPrefix::parse(b).value();
    EXPECT_EQ(one.overlaps(other), other.overlaps(one));
    return one.overlaps(other);
  };
  EXPECT_TRUE(overlap("192.0.2.0/24", "192.0.2.0/24"));
  EXPECT_TRUE(overlap("192.0.2.0/24", "192.0.2.128/25"));
  EXPECT_TRUE(overlap("0.0.0.0/0", "192.0.2.1"));
  EXPECT_TRUE(overlap("2001:db8::/32", "2001:db8:1::/48"));
  EXPECT_FALSE(overlap("192.0.2.0/25", "192.0.2.128/25"));
  EXPECT_FALSE(overlap("192.0.2.0/24", "192.0.3.0/24"));
  EXPECT_FALSE(overlap("0.0.0.0/0", "2001:db8::/32"));
}

TEST(SocketAddress, KeepsWhatTheKernelGave) {
  sockaddr_in raw{};
  std::memset(&raw, 0xee, sizeof raw);  // padding that must not count
  raw.sin_family = AF_INET;
  raw.sin_port = htons(53);
  raw.sin_addr.s_addr = htonl(0xc0000201);
  const SocketAddress address(reinterpret_cast<const sockaddr*>(&raw), sizeof raw);
  EXPECT_EQ(address, SocketAddress(ip("192.0.2.1"), 53));
  EXPECT_EQ(SocketAddressHash()(address), SocketAddressHash()(SocketAddress(ip("192.0.2.1"), 53)));
  EXPECT_EQ(address.size(), sizeof(sockaddr_in));

  sockaddr unknown{};
  unknown.sa_family = AF_UNIX;
  EXPECT_EQ(SocketAddress(&unknown, sizeof unknown), SocketAddress());
  EXPECT_EQ(SocketAddress(reinterpret_cast<const sockaddr*>(&raw), 4), SocketAddress());
}

TEST(SocketAddress, PortsFamiliesAndHashesDiffer) {
  SocketAddress a(ip("::1"), 1);
  const SocketAddress b(ip("::1"), 2);
  EXPECT_NE(a, b);
  a.set_port(2);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.port(), 2);
  EXPECT_NE(SocketAddress(ip("0.0.0.0"), 1), SocketAddress(ip("::"), 1));
  std::unordered_set<std::size_t> hashes;
  for (int port = 0; port < 65536; ++port)
    hashes.insert(SocketAddressHash()(SocketAddress(ip("10.0.0.1"), static_cast<std::uint16_t>(port))));
  EXPECT_EQ(hashes.size(), 65536u);
}

}  // namespace
}  // namespace sallyport::net
