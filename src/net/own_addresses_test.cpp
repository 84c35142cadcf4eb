#include "net/own_addresses.h"

#include "base/unique_fd.h"
#include "net/new_namespace_for_test.h"
#include "net/socket_calls.h"

#include <cstring>

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

TEST(OwnAddresses, KnowsLoopbackAndTheUnspecified) {
  OwnAddresses own;
  for (const char* address : {"127.0.0.1", "127.3.2.1", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"})
    EXPECT_TRUE(own.contains(ip(address))) << address;
  for (const char* address : {"192.0.2.1", "8.8.8.8", "2001:db8::1", "::ffff:192.0.2.1", "224.0.0.1"})
    EXPECT_FALSE(own.contains(ip(address))) << address;
}

/// Gives the loopback device of this thread's namespace an address; "lo:1" adds a second one.
bool add_address(const char* device, const char* address, const char* mask) {
  const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::strcpy(request.ifr_name, device);
  const SocketAddress where(ip(address), 0), width(ip(mask), 0);
  std::memcpy(&request.ifr_addr, where.data(), sizeof(sockaddr_in));
  if (::ioctl(control.get(), SIOCSIFADDR, &request) != 0) return false;
  std::memcpy(&request.ifr_netmask, width.data(), sizeof(sockaddr_in));
  if (::ioctl(control.get(), SIOCSIFNETMASK, &request) != 0) return false;
  request.ifr_flags = IFF_UP | IFF_LOOPBACK;
  return ::ioctl(control.get(), SIOCSIFFLAGS, &request) == 0;
}

TEST(OwnAddresses, FollowsAddressesThatComeLater) {
  bool possible = false;
  test::in_new_namespace([&] {
    OwnAddresses own;
    EXPECT_FALSE(own.contains(ip("198.51.100.7")));
    if (!add_address("lo:1", "198.51.100.7", "255.255.255.0")) return;
    possible = true;
    EXPECT_TRUE(own.contains(ip("198.51.100.7")));
    EXPECT_FALSE(own.contains(ip("198.51.101.7")));
    // A second one of the subnet: sent to from the first.
    ASSERT_TRUE(add_address("lo:2", "198.51.100.8", "255.255.255.0"));
    EXPECT_TRUE(own.contains(ip("198.51.100.8")));
    EXPECT_TRUE(own.contains(ip("::ffff:198.51.100.8")));
  });
  if (!possible) GTEST_SKIP() << test::needs_namespace;
}

}  // namespace
}  // namespace sallyport::net
