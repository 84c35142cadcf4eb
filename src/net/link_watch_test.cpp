#include "net/link_watch.h"

#include "net/network_namespace_for_test.h"

#include <cstddef>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

using namespace test;

TEST(LinkWatch, TellsOfItsOwnDeviceOnly) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    const Tun tun = make_tun(loop, {.name = "sp0"}, {});
    Rtnetlink netlink = value_of(Rtnetlink::open());
    const Link lo = value_of(find_link(netlink, "lo"));
    std::vector<std::size_t> of_lo, of_tun;  // MTUs
    const auto watch_lo =
        value_of(LinkWatch::open(loop, lo.index, [&of_lo](const Link& link) { of_lo.push_back(link.mtu); }));
    const auto watch_tun = value_of(
        LinkWatch::open(loop, tun.link.index, [&of_tun](const Link& link) { of_tun.push_back(link.mtu); }));
    // The kernel notifies before it answers.
    value_of(change_link(netlink, tun.link, {.mtu = 1400}));
    run_turns(loop, 3);
    ASSERT_FALSE(of_tun.empty());
    EXPECT_EQ(of_tun.back(), 1400u);
    EXPECT_TRUE(of_lo.empty());
    value_of(change_link(netlink, lo, {.mtu = 4000}));
    run_turns(loop, 3);
    ASSERT_FALSE(of_lo.empty());
    EXPECT_EQ(of_lo.back(), 4000u);
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

}  // namespace
}  // namespace sallyport::net
