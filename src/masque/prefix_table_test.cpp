#include "masque/prefix_table.h"

#include "base/random.h"

#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}
net::IpPrefix prefix(std::string_view text) {
  return net::IpPrefix::parse(text).value();
}

class PrefixTableTest : public testing::Test {
 protected:
  bool add(std::string_view text) { return table.insert(prefix(text), std::string(text)); }
  std::string at(std::string_view address) const {
    const std::string* found = table.find(ip(address));
    return found == nullptr ? "-" : *found;
  }

  PrefixTable<std::string> table;
};

TEST_F(PrefixTableTest, IsEmptyAtFirst) {
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(at("10.0.0.1"), "-");
  EXPECT_EQ(at("::1"), "-");
  EXPECT_FALSE(table.erase(prefix("10.0.0.0/8")));
}

TEST_F(PrefixTableTest, TheLongestPrefixIsFoundInWhateverOrderTheyCame) {
  for (const auto text :
       {"10.1.2.3/32", "10.0.0.0/8", "10.1.2.0/24", "0.0.0.0/0", "10.1.0.0/16", "10.1.2.2/32"})
    EXPECT_TRUE(add(text));
  EXPECT_EQ(at("10.1.2.3"), "10.1.2.3/32");
  EXPECT_EQ(at("10.1.2.2"), "10.1.2.2/32");
  EXPECT_EQ(at("10.1.2.4"), "10.1.2.0/24");
  EXPECT_EQ(at("10.1.3.1"), "10.1.0.0/16");
  EXPECT_EQ(at("10.2.0.1"), "10.0.0.0/8");
  EXPECT_EQ(at("11.0.0.1"), "0.0.0.0/0");
  EXPECT_EQ(at("::a01:203"), "-");
  EXPECT_EQ(table.size(), 6u);
}

TEST_F(PrefixTableTest, TheVersionsAreApart) {
  add("0.0.0.0/0");
  EXPECT_EQ(at("::ffff:10.0.0.1"), "-");
  EXPECT_EQ(at("::"), "-");
  add("2001:db8::/32");
  add("2001:db8:0:1::/64");
  add("2001:db8:0:1::1");
  add("::ffff:10.0.0.0/104");
  EXPECT_EQ(at("2001:db8:0:1::1"), "2001:db8:0:1::1");
  EXPECT_EQ(at("2001:db8:0:1::2"), "2001:db8:0:1::/64");
  EXPECT_EQ(at("2001:db8:0:2::1"), "2001:db8::/32");
  EXPECT_EQ(at("2001:db9::1"), "-");
  EXPECT_EQ(at("::ffff:10.0.0.1"), "::ffff:10.0.0.0/104");
  EXPECT_EQ(at("32.1.13.184"), "0.0.0.0/0");
}

TEST_F(PrefixTableTest, FindsByTheOctetsOfAPacket) {
  add("10.0.0.0/8");
  add("2001:db8::/32");
  EXPECT_EQ(*table.find(ip("10.9.9.9").octets()), "10.0.0.0/8");
  EXPECT_EQ(*table.find(ip("2001:db8::9").octets()), "2001:db8::/32");
}

TEST_F(PrefixTableTest, AValueIsReplaced) {
  EXPECT_TRUE(table.insert(prefix("10.0.0.0/8"), "a"));
  EXPECT_FALSE(table.insert(prefix("10.0.0.0/8"), "b"));
  EXPECT_EQ(at("10.0.0.1"), "b");
  EXPECT_EQ(table.size(), 1u);
}

TEST_F(PrefixTableTest, AForkIsNoPrefix) {
  add("10.0.0.0/32");
  add("10.0.0.1/32");
  EXPECT_EQ(at("10.0.0.2"), "-");
  EXPECT_EQ(table.find_exactly(prefix("10.0.0.0/31")), nullptr);
  EXPECT_FALSE(table.erase(prefix("10.0.0.0/31")));
  EXPECT_TRUE(add("10.0.0.0/31"));
  EXPECT_EQ(*table.find_exactly(prefix("10.0.0.0/31")), "10.0.0.0/31");
  EXPECT_EQ(table.find_exactly(prefix("10.0.0.0/30")), nullptr);
  EXPECT_EQ(table.find_exactly(prefix("10.0.0.2/32")), nullptr);
  EXPECT_EQ(table.size(), 3u);
  EXPECT_EQ(table.nodes(), 3u);
}

TEST_F(PrefixTableTest, WhatIsErasedIsGoneWithItsFork) {
  for (const auto text : {"10.0.0.0/8", "10.1.0.0/16", "10.2.0.0/16"}) add(text);
  EXPECT_EQ(table.nodes(), 4u);
  EXPECT_FALSE(table.erase(prefix("10.1.0.0/17")));
  EXPECT_FALSE(table.erase(prefix("10.3.0.0/16")));
  EXPECT_TRUE(table.erase(prefix("10.1.0.0/16")));
  EXPECT_FALSE(table.erase(prefix("10.1.0.0/16")));
  EXPECT_EQ(at("10.1.0.1"), "10.0.0.0/8");
  EXPECT_EQ(at("10.2.0.1"), "10.2.0.0/16");
  EXPECT_EQ(table.nodes(), 2u);
  EXPECT_TRUE(table.erase(prefix("10.0.0.0/8")));
  EXPECT_EQ(at("10.2.0.1"), "10.2.0.0/16");
  EXPECT_EQ(at("10.1.0.1"), "-");
  EXPECT_TRUE(table.erase(prefix("10.2.0.0/16")));
  EXPECT_EQ(table.nodes(), 0u);
  EXPECT_TRUE(table.empty());
}

// Against the plain way of doing it, with prefixes that share much.
TEST_F(PrefixTableTest, AgreesWithASearchOfAll) {
  SeededRandom random(9484);
  std::map<net::IpPrefix, std::string> all;
  const auto some_address = [&](bool v4) {
    std::array<std::uint8_t, 16> octets{};
    for (auto& octet : octets)
      octet = random.below(4) == 0 ? static_cast<std::uint8_t>(random.below(256)) : 0;
    return v4 ? net::IpAddress::v4({10, octets[1], octets[2], octets[3]}) : net::IpAddress::v6(octets);
  };
  for (int i = 0; i < 20'000; ++i) {
    const bool v4 = random.below(2) == 0;
    const net::IpPrefix some(some_address(v4), static_cast<unsigned>(random.below(v4 ? 33 : 129)));
    const std::string value = std::to_string(i);
    if (random.below(2) == 0) {
      EXPECT_EQ(table.insert(some, value), all.insert_or_assign(some, value).second);
    } else {
      // One that is there, mostly.
      const auto near = all.lower_bound(some);
      const net::IpPrefix gone = near == all.end() ? some : near->first;
      EXPECT_EQ(table.erase(gone), all.erase(gone) == 1);
    }
    if (i % 20 != 0) continue;
    const net::IpAddress address = some_address(v4);
    const std::string* best = nullptr;
    int longest = -1;
    for (const auto& [candidate, its_value] : all)
      if (candidate.address().is_v4() == v4 && candidate.contains(address) &&
          static_cast<int>(candidate.length()) > longest) {
        longest = static_cast<int>(candidate.length());
        best = &its_value;
      }
    const std::string* found = table.find(address);
    ASSERT_EQ(found == nullptr, best == nullptr);
    if (found != nullptr) {
      ASSERT_EQ(*found, *best);
    }
  }
  EXPECT_EQ(table.size(), all.size());
  EXPECT_LT(table.nodes(), 2 * table.size() + 1);
}

}  // namespace
}  // namespace sallyport::masque
