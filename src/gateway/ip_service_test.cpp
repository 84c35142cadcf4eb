// In a network namespace of its own, with the TUN device of CONNECT-IP.
#include "gateway/ip_service.h"

#include "net/network_namespace_for_test.h"

#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace sallyport::gateway {
namespace {

using net::test::ip;
using net::test::value_of;

IpSettings settings() {
  IpSettings made;
  made.pool = {net::IpPrefix::parse("10.89.0.0/24").value()};
  return made;
}

TEST(IpService, TellsWhatTheKernelDroppedAsNobodyReadIt) {
  const bool ran = net::test::in_network_namespace_with_tun([] {
    const auto service = value_of(IpService::open(settings(), 1));
    EXPECT_EQ(service->dropped_unread(), 0u);
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const net::SocketAddress client(ip("10.89.0.7"), 9);
    // More than its queue takes (net.core of the kernel: 500).
    for (int i = 0; i < 2000; ++i) {
      ASSERT_EQ(::sendto(socket.get(), "x", 1, 0, client.data(), client.size()), 1) << i;
    }
    EXPECT_GT(service->dropped_unread(), 0u);
  });
  if (!ran) GTEST_SKIP() << net::test::needs_tun;
}

TEST(IpService, HasNothingToTellWithoutADevice) {
  EXPECT_EQ(value_of(IpService::without_device(settings(), 1))->dropped_unread(), std::nullopt);
}

}  // namespace
}  // namespace sallyport::gateway
