// In a network namespace of its own, with a TUN device.
#include "client/tun.h"

#include "base/random.h"
#include "masque/doubles_for_test.h"
#include "net/network_namespace_for_test.h"
#include "tls/credentials.h"

#include <optional>

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using net::test::value_of;

TEST(Tun, StopTakesTheDeviceDown) {
  const bool ran = net::test::in_network_namespace_with_tun([] {
    net::EventLoop loop;
    masque::OutboundForTest outbound(loop.timers());
    outbound.silent = true;  // so the proxy's name is still being looked up
    dial::Context context{.outbound = outbound,
                          .quic = {loop.timers(), system_random()},
                          .config = {},
                          .limits = {},
                          .trust = value_of(tls::Trust::make({.insecure = true}))};
    TunOptions options;
    options.proxy = masque::ProxyTemplate::parse("https://proxy.example", masque::Protocol::ip).value();
    options.routes = {net::IpPrefix(net::IpAddress(), 0)};
    options.device = "stopped";
    std::optional<Result<>> outcome;
    Tun tun(context, loop, options, [&](Result<> result) { outcome = std::move(result); });
    tun.start();
    net::run_until(loop, [&] { return !outbound.askers.empty(); }, 10s);
    net::Rtnetlink netlink = value_of(net::Rtnetlink::open());
    EXPECT_TRUE(net::find_link(netlink, "stopped"));
    EXPECT_FALSE(outcome);

    tun.stop();
    net::run_until(loop, [&] { return outcome.has_value(); }, 10s);
    ASSERT_TRUE(outcome);
    EXPECT_TRUE(*outcome) << "it was asked for";
    EXPECT_FALSE(net::find_link(netlink, "stopped"));
  });
  if (!ran) GTEST_SKIP() << net::test::needs_tun;
}

}  // namespace
}  // namespace sallyport::client
