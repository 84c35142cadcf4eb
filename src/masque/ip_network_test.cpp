#include "masque/ip_network.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::IpPrefix prefix(const std::string& text) {
  return net::IpPrefix::parse(text).value();
}

TEST(ClientNetworks, NoTwoOverlap) {
  ClientNetworks networks;
  EXPECT_TRUE(networks.claim(prefix("10.1.0.0/16")));
  EXPECT_TRUE(networks.claim(prefix("10.3.0.0/16")));
  for (const char* taken : {"10.1.0.0/16", "10.1.0.0/17", "10.1.255.0/24", "10.0.0.0/8", "10.0.0.0/15",
                            "10.2.0.0/15", "0.0.0.0/0"})
    EXPECT_FALSE(networks.claim(prefix(taken))) << taken;
  EXPECT_TRUE(networks.claim(prefix("10.2.0.0/16")));
  EXPECT_TRUE(networks.claim(prefix("fd00::/8")));
  EXPECT_FALSE(networks.claim(prefix("fd00:1::/32")));
  networks.release(prefix("10.1.0.0/16"));
  EXPECT_TRUE(networks.claim(prefix("10.1.2.0/24")));
}

TEST(ClientNetworks, ThereAreSoManyAtMost) {
  ClientNetworks networks;
  for (std::size_t i = 0; i < ClientNetworks::most; ++i)
    ASSERT_TRUE(networks.claim(prefix(fmt::format("10.{}.{}.0/24", i / 256, i % 256))));
  EXPECT_FALSE(networks.claim(prefix("192.168.0.0/24")));
}

}  // namespace
}  // namespace sallyport::masque
