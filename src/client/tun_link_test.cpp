// In a network namespace of its own, with a TUN device.
#include "client/tun_link.h"

#include "masque/doubles_for_test.h"
#include "net/network_namespace_for_test.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace sallyport::client {
namespace {

using net::test::ip;
using net::test::value_of;

const std::vector everything{net::IpPrefix(net::IpAddress(), 0)};

/// One way out, so that there is one to a first hop.
net::TunDevice make_card() {
  net::TunDevice card = value_of(net::TunDevice::open({.name = "card"}));
  net::Rtnetlink netlink = value_of(net::Rtnetlink::open());
  value_of(net::change_link(netlink, value_of(net::find_link(netlink, card.index())), {.up = true}));
  value_of(
      net::add_address(netlink, {.link = card.index(), .address = ip("192.0.2.2"), .prefix_length = 24}));
  value_of(net::add_route(
      netlink, {.destination = everything.front(), .link = card.index(), .gateway = ip("192.0.2.1")}));
  return card;
}

TEST(TunLink, LeadsTheDevicesPacketsIntoFlows) {
  const bool ran = net::test::in_network_namespace_with_tun([] {
    const net::TunDevice card = make_card();
    net::EventLoop loop;
    masque::ConnectionForTest connection(loop.timers());
    connection.set_version(http::Version::http3);
    connection.free = 100;
    int opened = 0, told_addresses = 0;
    std::optional<std::string> ended;
    const auto link =
        value_of(TunLink::make(loop, {.device = "flows", .routes = everything},
                               {.opened = [&] { ++opened; },
                                .addresses = [&] { ++told_addresses; },
                                .routes = {},
                                .mtu = {},
                                .note = {},
                                .ended = [&](const Error& why, bool) { ended = why.message; }}));
    EXPECT_FALSE(link->figures().open);
    EXPECT_EQ(link->figures().path_budget, 0u);
    value_of(link->network().take_over(ip("203.0.113.9")));
    value_of(link->open_flows(connection,
                              {.proxy = masque::ProxyTemplate::parse("https://proxy.example").value(),
                               .fields = {},
                               .connect = [&](const auto& connected) { connected(&connection); },
                               .failed = {}},
                              {ip("10.7.0.2")}));
    EXPECT_EQ(opened, 1);
    EXPECT_EQ(told_addresses, 1);
    EXPECT_EQ(link->addresses(), std::vector{ip("10.7.0.2")});
    EXPECT_EQ(link->figures().path_budget, 65'535u) << "by capsules";
    EXPECT_EQ(link->figures().mtu, 65'535u) << "the device takes as much";

    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const net::SocketAddress far(ip("198.51.100.1"), 53);
    ASSERT_EQ(::sendto(socket.get(), "question", 8, 0, far.data(), far.size()), 8);
    net::run_until(loop, [&] { return connection.open_exchanges() > 0; }, 10s);
    ASSERT_EQ(connection.open_exchanges(), 1u);
    EXPECT_THAT(connection.last().request().path, testing::HasSubstr("/198.51.100.1/53/"));
    const TunDeviceFigures figures = link->figures();
    EXPECT_EQ(figures.device, "flows");
    EXPECT_TRUE(figures.open);
    EXPECT_EQ(figures.addresses, std::vector{ip("10.7.0.2")});
    EXPECT_EQ(figures.routes, everything);
    EXPECT_GE(figures.path_budget, 1280u);
    EXPECT_EQ(figures.flows, 1u);
    EXPECT_EQ(ended, std::nullopt);
  });
  if (!ran) GTEST_SKIP() << net::test::needs_tun;
}

}  // namespace
}  // namespace sallyport::client
