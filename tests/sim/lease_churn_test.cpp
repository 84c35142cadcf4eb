// Ten thousand CONNECT-IP tunnels of two thousand clients (RFC 9484) that come and go; LeaseChurn says how,
// and what is compared all the while. They are spread over two thousand QUIC connections of one to seven
// tunnels each (of twenty in a rush), a hundred or two at a time, on a hundred hosts: a connection of its own
// for each would cost five times the handshakes and show nothing more, as leases are a tunnel's, and
// connections end two thousand times. The pool has 509 IPv4 and 510 IPv6 addresses, so that each is leased
// some fifteen times.
#include "lease_churn.h"

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

void expect_all_sorts(const LeaseChurn::Figures& figures) {
  const std::uint64_t some = figures.asked / 250;
  for (const std::uint64_t tunnels : {figures.finished, figures.reset, figures.closed, figures.vanished,
                                      figures.disconnected, figures.refused, figures.rejections})
    EXPECT_GT(tunnels, some);
  for (const std::uint64_t packets :
       {figures.up, figures.down, figures.between, figures.into_networks, figures.for_nobody})
    EXPECT_GT(packets, some);
  EXPECT_GT(figures.most_open, LeaseChurn::capacity(true)) << "there are moments with too few addresses";
}

TEST(LeaseChurn, TenThousandTunnelsComeAndGo) {
  LeaseChurn churn({.seed = 1, .tunnels = 10'000});
  churn.run();
  churn.expect_nothing_left();
  const LeaseChurn::Figures& figures = churn.figures();
  expect_all_sorts(figures);
  EXPECT_GE(figures.asked, 10'000u);
  EXPECT_GT(figures.assigned, 8'000u);
  EXPECT_GT(figures.revoked, 40u);
  EXPECT_GT(figures.came_back, 40u);
}

class LeaseChurnOf : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, LeaseChurnOf, testing::Range<std::uint64_t>(1, 4));

/// Without tokens a client is the host that it is on. Packets are lost, so that datagrams overtake capsules.
TEST_P(LeaseChurnOf, HostsComeAndGo) {
  LeaseChurn churn({.seed = GetParam(), .tunnels = 2'500, .identities = 0, .workers = 2, .loss = 0.01});
  churn.run();
  churn.expect_nothing_left();
  expect_all_sorts(churn.figures());
}

}  // namespace
}  // namespace sallyport::sim
