// Chains with CONNECT-IP hops (RFC 9484), whose packets the client makes by hand: transfers, path budgets and
// what each datagram costs, mixed with CONNECT-UDP hops, over IPv4 and IPv6.
#include "chain_scene.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

using dial::TunnelMode;
using testing::HasSubstr;

/// As in chain_mtu_test.cpp: the most that a layer of CONNECT-UDP costs.
constexpr std::size_t hop_cost = 33, quic_minimum = 1200, grain = 12;

struct Shape {
  std::string modes;  // one letter a hop, the nearest first: u, i
  bool ipv6 = false;
};

ChainScene::Options options_for(const Shape& shape) {
  ChainScene::Options options{.hops = shape.modes.size(), .ipv6 = shape.ipv6};
  for (const char* pool : {"10.89.0.0/24", "fd89::/64"})
    options.gateway.ip.pool.push_back(*net::IpPrefix::parse(pool));
  std::vector<TunnelMode> modes;
  for (const char letter : shape.modes) modes.push_back(letter == 'i' ? TunnelMode::ip : TunnelMode::udp);
  options.client.mode = modes.back();
  modes.pop_back();
  options.client.hop_modes = std::move(modes);
  return options;
}

class IpChain : public testing::TestWithParam<Shape> {
 protected:
  std::size_t headers(std::size_t hop) const {
    return GetParam().modes.at(hop) == 'i' ? (GetParam().ipv6 ? 48 : 28) : 0;
  }
  ChainScene scene{options_for(GetParam())};
};

INSTANTIATE_TEST_SUITE_P(Shapes, IpChain,
                         testing::Values(Shape{"i"}, Shape{"ii"}, Shape{"iu"}, Shape{"ui"}, Shape{"iii"},
                                         Shape{"uiu"}, Shape{"i", true}, Shape{"ii", true},
                                         Shape{"ui", true}),
                         [](const auto& shape) {
                           return shape.param.modes + (shape.param.ipv6 ? "OverIpv6" : "OverIpv4");
                         });

TEST_P(IpChain, TransfersAndShowsItsBudgetsAndCosts) {
  const Transfer& down = scene.download(300'000);
  const Transfer& up = scene.upload(300'000);
  EXPECT_TRUE(scene.run());
  expect_intact(down, 300'000);
  expect_intact(up, 300'000);
  scene.network.run_for(20s);  // the searches for the paths' sizes end
  const Transfer& more = scene.download(1'000'000);
  const Transfer& more_up = scene.upload(1'000'000);
  EXPECT_TRUE(scene.run());
  expect_intact(more, 1'000'000);
  expect_intact(more_up, 1'000'000);

  const auto links = scene.client().figures();
  ASSERT_EQ(links.size(), GetParam().modes.size() + 1);
  for (std::size_t i = 0; i < links.size(); ++i) {
    const dial::LinkFigures& link = links[i];
    SCOPED_TRACE(link.title);
    EXPECT_EQ(link.tunnel_headers, i == 0 ? 0 : headers(i - 1));
    if (i > 0) {
      const std::size_t carried = links[i - 1].path_budget;
      EXPECT_LE(link.quic.max_udp_payload, carried);
      EXPECT_GE(link.quic.max_udp_payload + grain, carried);
      EXPECT_EQ(link.tunnel.headers_out, link.tunnel.datagrams_out * headers(i - 1));
      EXPECT_EQ(link.tunnel.dropped_packets, 0u);
    }
    if (i + 1 == links.size()) continue;
    EXPECT_EQ(link.path_budget + hop_cost + headers(i), link.quic.max_udp_payload);
    EXPECT_GE(link.path_budget, quic_minimum);
    for (const dial::TunnelCost* cost : {&link.cost_sent, &link.cost_received}) {
      EXPECT_GT(cost->datagrams, 500u);
      EXPECT_EQ(cost->http, 2);
      EXPECT_EQ(cost->ip, static_cast<double>(headers(i)));
      // Flags, connection ID, packet number, tag, and the frame's type and length; ACKs now and then. Small
      // datagrams share a packet, of which each has a frame of its own at least.
      EXPECT_GT(cost->quic, 1 + 2);
      EXPECT_LE(cost->quic, 1 + 8 + 3 + 16 + 3 + 8);
    }
  }
  scene.expect_clean_end();
}

TEST_P(IpChain, GoesOnUnderLossAndReordering) {
  scene.each_link([](LinkProfile& link) {
    link.loss = 0.01;
    link.reorder = 0.01;
    link.blocked = 0.01;
  });
  const Transfer& down = scene.download(500'000);
  const Transfer& up = scene.upload(500'000);
  EXPECT_TRUE(scene.run());
  expect_intact(down, 500'000);
  expect_intact(up, 500'000);
  scene.expect_clean_end();
}

TEST(IpChainThatDoesNotFit, SaysThatTheHeadersTakeRoom) {
  // 1,280 - 28 - 33 - 28 = 1,191, where CONNECT-UDP leaves 1,219.
  ChainScene scene(options_for({"i"}));
  scene.each_link([](LinkProfile& link) { link.mtu = 1280; });
  const Transfer& transfer = scene.download(1'000);
  EXPECT_TRUE(scene.run(12s));
  ASSERT_TRUE(transfer.error);
  EXPECT_EQ(transfer.error->kind, ErrorKind::too_large);
  EXPECT_THAT(transfer.error->message,
              HasSubstr("the path inside hop 1 (hop1.sim.test:443) carries IP packets of"));
  EXPECT_THAT(transfer.error->message, HasSubstr("QUIC needs 1200 behind 28 bytes of IP and UDP headers"));
  scene.expect_clean_end();
}

TEST(IpChainOnAPathThatNarrows, GoesOn) {
  ChainScene::Options options = options_for({"ii"});
  options.client.config.keep_alive = 1s;
  ChainScene scene(std::move(options));
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 20e6; });
  const Transfer& down = scene.download(3'000'000);
  const Transfer& up = scene.upload(3'000'000);
  scene.network.run_for(1s);
  ASSERT_FALSE(down.done || up.done);
  scene.client_host().up.profile.mtu = scene.client_host().down.profile.mtu = 1400;
  EXPECT_TRUE(scene.run());
  expect_intact(down, 3'000'000);
  expect_intact(up, 3'000'000);
  scene.expect_clean_end();
}

TEST(IpChain, AClosedPortIsToldByIcmpAtOnce) {
  ChainScene scene(options_for({"i"}));
  scene.kill(2);
  const Transfer& transfer = scene.download(1'000);
  EXPECT_TRUE(scene.run(2s)) << "no need to wait for a timeout";
  ASSERT_TRUE(transfer.error);
  EXPECT_THAT(transfer.error->message, HasSubstr("failed: Connection refused"));
  scene.expect_clean_end();
}

TEST(IpChain, AHopWithoutIpSaysSo) {
  ChainScene::Options options = options_for({"i"});
  options.gateway.ip.pool.clear();
  ChainScene scene(std::move(options));
  const Transfer& transfer = scene.download(1'000);
  EXPECT_TRUE(scene.run(2s));
  ASSERT_TRUE(transfer.error);
  EXPECT_THAT(
      transfer.error->message,
      HasSubstr("hop 1 (hop1.sim.test:443): the hop refused the tunnel to origin.sim.test (IP protocol 17)"));
  scene.expect_clean_end();
}

TEST(IpChain, AHopWithoutAddressesOfTheRightVersionSaysSo) {
  ChainScene::Options options = options_for({"i"});
  options.gateway.ip.pool = {*net::IpPrefix::parse("fd89::/64")};
  ChainScene scene(std::move(options));
  const Transfer& transfer = scene.download(1'000);
  EXPECT_TRUE(scene.run(2s));
  ASSERT_TRUE(transfer.error);
  EXPECT_THAT(transfer.error->message, HasSubstr("this proxy has no route to it"));
  scene.expect_clean_end();
}

}  // namespace
}  // namespace sallyport::sim
