#include "masque/client_key.h"

#include <set>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}

Identity named(std::string_view name, std::uint8_t credential = 1) {
  Identity identity{.name = std::string(name)};
  identity.credential[0] = credential;
  return identity;
}

TEST(ClientKey, IsTheIdentityWhereverItComesFrom) {
  const ClientKey alice(named("alice"), ip("192.0.2.1"));
  EXPECT_EQ(alice, ClientKey(named("alice"), ip("2001:db8::1")));
  EXPECT_EQ(alice, ClientKey(named("alice", 2), ip("192.0.2.1"))) << "whichever of its tokens it shows";
  EXPECT_NE(alice, ClientKey(named("bob"), ip("192.0.2.1")));
  ASSERT_NE(alice.identity(), nullptr);
  EXPECT_EQ(*alice.identity(), "alice");
  EXPECT_EQ(alice.address(), nullptr);
}

TEST(ClientKey, IsTheAddressOfWhoIsNobodyInParticular) {
  const ClientKey client(Identity{}, ip("192.0.2.1"));
  EXPECT_EQ(client, ClientKey(ip("192.0.2.1")));
  EXPECT_EQ(client, ClientKey(ip("::ffff:192.0.2.1")));
  EXPECT_NE(client, ClientKey(ip("192.0.2.2")));
  EXPECT_EQ(client.identity(), nullptr);
  ASSERT_NE(client.address(), nullptr);
  EXPECT_EQ(*client.address(), ip("192.0.2.1"));
}

TEST(ClientKey, AnIpv6AddressIsItsSlash64) {
  const ClientKey client(ip("2001:db8:1:2::1"));
  EXPECT_EQ(client, ClientKey(ip("2001:db8:1:2:ffff:ffff:ffff:ffff")));
  EXPECT_EQ(client, ClientKey(Identity{}, ip("2001:db8:1:2::3")));
  EXPECT_NE(client, ClientKey(ip("2001:db8:1:3::1")));
  EXPECT_EQ(*client.address(), ip("2001:db8:1:2::"));
}

TEST(ClientKey, AnIdentityThatIsNamedLikeAnAddressIsNone) {
  const ClientKey name(named("192.0.2.1"), ip("192.0.2.1")), address(ip("192.0.2.1"));
  EXPECT_NE(name, address);
  EXPECT_EQ((std::set{name, address, ClientKey(named("192.0.2.1"), ip("192.0.2.9"))}).size(), 2u);
}

TEST(ClientKey, TheSameClientHasTheSameHash) {
  EXPECT_EQ(ClientKey(ip("2001:db8:1:2::1")).hash(), ClientKey(ip("2001:db8:1:2::9")).hash());
  EXPECT_EQ(ClientKey(named("alice"), ip("192.0.2.1")).hash(),
            ClientKey(named("alice"), ip("192.0.2.2")).hash());
  std::set<std::size_t> hashes;
  for (const auto address : {"192.0.2.1", "192.0.2.2", "192.0.3.1", "2001:db8::", "2001:db8:0:1::"})
    hashes.insert(ClientKey(ip(address)).hash());
  EXPECT_EQ(hashes.size(), 5u);
}

}  // namespace
}  // namespace sallyport::masque
