#include "masque/policy.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}

TEST(TargetPolicy, PublicAddressesAreReached) {
  const TargetPolicy policy;
  for (const auto address :
       {"1.1.1.1", "168.63.129.15", "168.63.129.17", "9.255.255.255", "11.0.0.0", "100.63.255.255",
        "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0",
        "192.167.255.255", "223.255.255.255", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00::1",
        "64:ff9b::8.8.8.8", "2001:200::1"})
    EXPECT_TRUE(policy.check(ip(address), 443)) << address;
}

TEST(TargetPolicy, MailServersPortIsRefusedUnlessItIsAllowed) {
  TargetPolicy policy;
  const auto refused = policy.check_port(25);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::denied);
  EXPECT_NE(refused.error().message.find("--allow-port 25"), std::string::npos);
  for (const std::uint16_t port : {1, 24, 26, 80, 443, 465, 587, 65535})
    EXPECT_TRUE(policy.check_port(port)) << port;
  policy.allow_ports({25});
  EXPECT_TRUE(policy.check_port(25));
}

// docs/threat-model.md, "forbidden target".
TEST(TargetPolicy, SpecialAddressesAreRefused) {
  const TargetPolicy policy;
  for (const auto address : {"0.0.0.0",
                             "168.63.129.16",
                             "::ffff:168.63.129.16",
                             "0.1.2.3",
                             "10.0.0.1",
                             "100.64.0.1",
                             "127.0.0.1",
                             "127.255.255.254",
                             "169.254.169.254",
                             "172.16.0.1",
                             "172.31.255.255",
                             "192.0.0.8",
                             "192.0.2.1",
                             "192.88.99.1",
                             "192.168.1.1",
                             "198.18.0.1",
                             "198.19.255.255",
                             "198.51.100.1",
                             "203.0.113.1",
                             "224.0.0.1",
                             "239.255.255.255",
                             "240.0.0.1",
                             "255.255.255.255",
                             "::",
                             "::1",
                             "::ffff:127.0.0.1",
                             "::ffff:10.0.0.1",
                             "::ffff:169.254.169.254",
                             "::7f00:1",
                             "64:ff9b::127.0.0.1",
                             "64:ff9b::169.254.169.254",
                             "64:ff9b:1::1",
                             "100::1",
                             "2001::1",
                             "2001:db8::1",
                             "2002:7f00:1::",
                             "3fff::1",
                             "4000::1",
                             "5f00::1",
                             "fc00::1",
                             "fdff::1",
                             "fe80::1",
                             "febf::1",
                             "fec0::1",
                             "ff02::1"}) {
    const auto checked = policy.check(ip(address), 443);
    ASSERT_FALSE(checked) << address;
    EXPECT_EQ(checked.error().kind, ErrorKind::denied) << address;
  }
}

TEST(TargetPolicy, TheErrorNamesTheAddressAndTheMend) {
  const auto checked = TargetPolicy().check(ip("::ffff:10.1.2.3"), 443);
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().message.find("10.1.2.3 is a private address"), std::string::npos)
      << checked.error().message;
  EXPECT_NE(checked.error().message.find("--allow 10.1.2.3"), std::string::npos) << checked.error().message;
}

TEST(TargetPolicy, AllowedPrefixesAreReached) {
  const TargetPolicy policy({*net::IpPrefix::parse("10.1.0.0/16"), *net::IpPrefix::parse("::1")});
  EXPECT_TRUE(policy.check(ip("10.1.2.3"), 443));
  EXPECT_TRUE(policy.check(ip("::ffff:10.1.2.3"), 443));
  EXPECT_TRUE(policy.check(ip("::1"), 443));
  EXPECT_FALSE(policy.check(ip("10.2.0.1"), 443));
  const TargetPolicy mapped({net::IpPrefix(ip("::ffff:10.2.0.0"), 112)});
  EXPECT_TRUE(mapped.check(ip("10.2.0.1"), 443));
  EXPECT_FALSE(mapped.check(ip("10.3.0.1"), 443));
  EXPECT_FALSE(policy.check(ip("127.0.0.1"), 443));
}

TEST(TargetPolicy, AnIpv6PrefixAllowsNoIpv4) {
  const TargetPolicy policy({*net::IpPrefix::parse("::/0")});
  EXPECT_TRUE(policy.check(ip("fe80::1"), 443));
  EXPECT_FALSE(policy.check(ip("::ffff:127.0.0.1"), 443));
}

TEST(TargetPolicy, ItsOwnHostIsRefusedAtEveryPortUnlessAllowed) {
  std::vector<net::IpAddress> own{ip("9.9.9.9")};
  const auto is_own = [&own](const net::IpAddress& address) {
    return std::ranges::find(own, address) != own.end();
  };
  const TargetPolicy policy({}, is_own);
  for (const std::uint16_t port : {22, 443, 9090}) {
    const auto checked = policy.check(ip("9.9.9.9"), port);
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().message.find("the proxy's own host"), std::string::npos);
    EXPECT_FALSE(policy.check(ip("::ffff:9.9.9.9"), port));
  }
  EXPECT_TRUE(TargetPolicy({*net::IpPrefix::parse("9.9.9.9")}, is_own).check(ip("9.9.9.9"), 443));
  EXPECT_TRUE(policy.check(ip("2600::1"), 443));
  own.push_back(ip("2600::1"));  // an address that came later
  EXPECT_FALSE(policy.check(ip("2600::1"), 443));
}

TEST(TargetPolicy, TheOperatorsPagesAreReachedForNobody) {
  const std::vector<net::IpPrefix> all{*net::IpPrefix::parse("0.0.0.0/0"), *net::IpPrefix::parse("::/0")};
  const auto is_own = [](const net::IpAddress& address) { return address == ip("9.9.9.9"); };
  const TargetPolicy one(all, is_own, net::SocketAddress(ip("127.0.0.1"), 9090));
  for (const auto address : {"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::"})
    EXPECT_FALSE(one.check(ip(address), 9090)) << address;
  EXPECT_TRUE(one.check(ip("127.0.0.1"), 9091));
  EXPECT_TRUE(one.check(ip("9.9.9.9"), 9090)) << "nobody listens there for the operator";
  const TargetPolicy wildcard(all, is_own, net::SocketAddress(ip("::"), 9090));
  for (const auto address : {"127.0.0.1", "127.1.2.3", "::1", "9.9.9.9", "0.0.0.0", "::"})
    EXPECT_FALSE(wildcard.check(ip(address), 9090)) << address;
  EXPECT_TRUE(wildcard.check(ip("8.8.8.8"), 9090));
  EXPECT_TRUE(wildcard.check(ip("9.9.9.9"), 9091));
}

}  // namespace
}  // namespace sallyport::masque
