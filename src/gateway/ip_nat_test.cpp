#include "gateway/ip_nat.h"

#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

std::vector<net::IpPrefix> pool() {
  return {net::IpPrefix::parse("10.89.0.0/24").value(), net::IpPrefix::parse("fd89::/64").value()};
}

TEST(IpNat, HasARuleForEachPrefixInATableOfTheDevices) {
  EXPECT_EQ(nat_rules(pool(), "tun0", 7),
            "table inet sallyport-tun0 {\n"
            "flags owner\n"
            "chain postrouting {\n"
            "type nat hook postrouting priority srcnat; policy accept;\n"
            "ip saddr 10.89.0.0/24 oif != 7 masquerade\n"
            "ip6 saddr fd89::/64 oif != 7 masquerade\n"
            "}\n"
            "}\n");
}

TEST(IpNat, ANameThatNftCanReadIsInTheTables) {
  for (const char* const name : {"az", "AZ", "09", "-_."})
    EXPECT_TRUE(nat_rules(pool(), name, 7).starts_with(fmt::format("table inet sallyport-{} {{\n", name)))
        << name;
}

TEST(IpNat, ANameThatNftCannotReadIsNotShownToIt) {
  for (const char* const name : {"a}b", "a;b", "\"", "a+b", "\n"})
    EXPECT_TRUE(nat_rules(pool(), name, 7).starts_with("table inet sallyport-link-7 {\n")) << name;
}

}  // namespace
}  // namespace sallyport::gateway
