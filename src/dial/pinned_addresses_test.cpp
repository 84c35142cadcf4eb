#include "dial/pinned_addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::dial {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

net::IpAddress ip(std::string_view text) {
  return *net::IpAddress::parse(text);
}

TEST(PinnedAddresses, AreFoundByHostAndPort) {
  PinnedAddresses pinned;
  ASSERT_TRUE(pinned.add("Example.org:443:192.0.2.1,[2001:db8::1],2001:db8::2"));
  EXPECT_THAT(pinned.find("example.org", 443),
              ElementsAre(ip("192.0.2.1"), ip("2001:db8::1"), ip("2001:db8::2")));
  EXPECT_THAT(pinned.find("example.org.", 443),
              ElementsAre(ip("192.0.2.1"), ip("2001:db8::1"), ip("2001:db8::2")));
  EXPECT_THAT(pinned.find("example.org", 8443), IsEmpty());
  EXPECT_THAT(pinned.find("www.example.org", 443), IsEmpty());
  ASSERT_TRUE(pinned.add("*:443:192.0.2.9"));
  EXPECT_THAT(pinned.find("www.example.org", 443), ElementsAre(ip("192.0.2.9")));
  EXPECT_THAT(pinned.find("example.org", 443).size(), 3u) << "a name goes before '*'";
  ASSERT_TRUE(pinned.add("example.org:443:192.0.2.2"));
  EXPECT_THAT(pinned.find("example.org", 443), ElementsAre(ip("192.0.2.2")));
  ASSERT_TRUE(pinned.add("[::1]:1:192.0.2.3"));
  EXPECT_THAT(pinned.find("::1", 1), ElementsAre(ip("192.0.2.3")));
}

TEST(PinnedAddresses, RefuseWhatIsNotOfTheForm) {
  for (const std::string_view bad :
       {"", "a", "a:443", "a:443:", "a:443:x", "a:443:1.2.3.4,", "a:0:1.2.3.4", "a:x:1.2.3.4",
        "a:65536:1.2.3.4", ":443:1.2.3.4", "a b:443:1.2.3.4", "[::1:443:1.2.3.4"}) {
    PinnedAddresses pinned;
    const auto added = pinned.add(bad);
    ASSERT_FALSE(added) << bad;
    EXPECT_EQ(added.error().kind, ErrorKind::usage);
    EXPECT_THAT(added.error().message, testing::StartsWith("--resolve"));
  }
}

TEST(PinnedAddresses, OneFamilyMayBeAskedFor) {
  const std::vector both{ip("192.0.2.1"), ip("2001:db8::1")};
  EXPECT_EQ(of_family(both, AddressFamily::any), both);
  EXPECT_THAT(of_family(both, AddressFamily::ipv4), ElementsAre(ip("192.0.2.1")));
  EXPECT_THAT(of_family(both, AddressFamily::ipv6), ElementsAre(ip("2001:db8::1")));
}

}  // namespace
}  // namespace sallyport::dial
