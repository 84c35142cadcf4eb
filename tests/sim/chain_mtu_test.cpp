// Path budgets: how many hops fit a link, what is said when they do not, and that chains follow a path that
// narrows.
//
// Each hop costs the path within it 33 bytes: a short header (1 + 8 bytes of connection ID + at most 3 of
// packet number), the tag (16), a DATAGRAM frame's head (1 + 2), quarter stream ID (1) and context ID (1).
// QUIC needs 1,200 bytes (RFC 9000 §14), and IPv4 and UDP take 28 of the link's.
#include "chain_scene.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr std::size_t headers = 28, hop_cost = 33, quic_minimum = 1200;
/// A search that tests with packets of data ends when it is within 8 bytes (quic/path_mtu.cpp), and such a
/// packet may be a few bytes shorter than the size under test.
constexpr std::size_t grain = 12;

std::size_t hops_that_fit(std::size_t mtu) {
  return (mtu - headers - quic_minimum) / hop_cost;
}

struct Link {
  std::size_t mtu, hops;
};

class ChainOver : public testing::TestWithParam<Link> {
 protected:
  ChainScene scene{{.hops = GetParam().hops}};
  void SetUp() override {
    scene.each_link([](LinkProfile& link) { link.mtu = GetParam().mtu; });
  }
  std::string name(std::size_t hop) const { return fmt::format("hop {} (hop{}.sim.test:443)", hop, hop); }
};

std::string link_name(const testing::TestParamInfo<Link>& info) {
  return fmt::format("{}BytesAnd{}Hops", info.param.mtu, info.param.hops);
}

class ChainThatFits : public ChainOver {};

INSTANTIATE_TEST_SUITE_P(Links, ChainThatFits,
                         testing::Values(Link{1500, 4}, Link{1500, 8}, Link{1400, 2}, Link{1400, 5},
                                         Link{1280, 0}, Link{1280, 1}),
                         link_name);

TEST_P(ChainThatFits, TransfersAndShowsItsBudgets) {
  const auto [mtu, hops] = GetParam();
  ASSERT_LE(hops, hops_that_fit(mtu));
  const Transfer& down = scene.download(300'000);
  const Transfer& up = scene.upload(300'000);
  EXPECT_TRUE(scene.run());
  expect_intact(down, 300'000);
  expect_intact(up, 300'000);
  // The first searches end; those that a narrower hop made necessary test with packets of data, the client's
  // with its own.
  scene.network.run_for(20s);
  const Transfer& more = scene.download(1'000'000);
  const Transfer& more_up = scene.upload(1'000'000);
  EXPECT_TRUE(scene.run());
  expect_intact(more, 1'000'000);
  expect_intact(more_up, 1'000'000);
  const auto links = scene.client().figures();
  for (std::size_t i = 0; i < links.size(); ++i) {
    const std::size_t carried = i == 0 ? mtu - headers : links[i - 1].path_budget;
    EXPECT_LE(links[i].quic.max_udp_payload, carried) << links[i].title;
    // Where there is next to no room above QUIC's least, such a search may find no packet to test it with.
    if (carried >= quic_minimum + 2 * grain) {
      EXPECT_GE(links[i].quic.max_udp_payload + grain, carried) << links[i].title;
    }
    if (i < hops) {
      EXPECT_EQ(links[i].path_budget + hop_cost, links[i].quic.max_udp_payload) << links[i].title;
      EXPECT_GE(links[i].path_budget, quic_minimum) << links[i].title;
    }
  }
  scene.expect_clean_end();
}

class ChainThatDoesNotFit : public ChainOver {};

INSTANTIATE_TEST_SUITE_P(Links, ChainThatDoesNotFit,
                         testing::Values(Link{1500, 9}, Link{1400, 6}, Link{1280, 2}, Link{1280, 4}),
                         link_name);

TEST_P(ChainThatDoesNotFit, SaysWhichHopIsTooNarrow) {
  const auto [mtu, hops] = GetParam();
  const std::size_t fitting = hops_that_fit(mtu);
  ASSERT_GT(hops, fitting);
  const Transfer& transfer = scene.download(1'000);
  // Before the connect timeout of the link that does not fit, which would hide the reason.
  EXPECT_TRUE(scene.run(12s));
  ASSERT_TRUE(transfer.error);
  EXPECT_EQ(transfer.error->kind, ErrorKind::too_large) << transfer.error->message;
  // The innermost of those that fit carries less than the next connection needs.
  const std::size_t narrow = fitting + 1;
  EXPECT_NE(transfer.error->message.find("the path inside " + name(narrow) + " carries datagrams of"),
            std::string::npos)
      << transfer.error->message;
  EXPECT_NE(transfer.error->message.find("QUIC needs 1200"), std::string::npos) << transfer.error->message;
  scene.expect_clean_end();
}

class ChainOnAPathThatNarrows : public testing::TestWithParam<std::size_t> {};

INSTANTIATE_TEST_SUITE_P(Hops, ChainOnAPathThatNarrows, testing::Values(0, 1, 2, 3, 4),
                         testing::PrintToStringParamName());

TEST_P(ChainOnAPathThatNarrows, GoesOn) {
  ChainScene::Options options{.hops = GetParam()};
  options.client.config.keep_alive = 1s;
  ChainScene scene(std::move(options));
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 20e6; });
  const Transfer& down = scene.download(3'000'000);
  const Transfer& up = scene.upload(3'000'000);
  scene.network.run_for(1s);
  ASSERT_FALSE(down.done || up.done);
  EXPECT_GT(scene.client().figures().front().quic.max_udp_payload, 1450u);
  // The client's line loses 100 bytes without a word: a route changed, a tunnel of the provider's came in
  // between.
  scene.client_host().up.profile.mtu = scene.client_host().down.profile.mtu = 1400;
  EXPECT_TRUE(scene.run());
  expect_intact(down, 3'000'000);
  expect_intact(up, 3'000'000);
  // All connections of the chain, not the nearest alone.
  std::size_t carried = 1400 - headers;
  for (const dial::LinkFigures& link : scene.client().figures()) {
    EXPECT_LE(link.quic.max_udp_payload, carried) << link.title;
    EXPECT_GE(link.quic.max_udp_payload, quic_minimum) << link.title;
    carried = link.path_budget;
  }
  EXPECT_GT(scene.client().figures().front().quic.max_udp_payload, 1300u);
  scene.expect_clean_end();
}

}  // namespace
}  // namespace sallyport::sim
