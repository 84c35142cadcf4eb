// Whole chains on a good network: transfers through 0 to 4 hops, both ways, several at once, and no trace of
// them afterwards.
#include "chain_scene.h"

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

class Chain : public testing::TestWithParam<std::size_t> {
 protected:
  ChainScene scene{{.hops = GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Hops, Chain, testing::Values(0, 1, 2, 3, 4), testing::PrintToStringParamName());

TEST_P(Chain, Download) {
  const Transfer& transfer = scene.download(1'000'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 1'000'000);
  EXPECT_EQ(scene.origin().requests(), 1u);
  // Each hop sees one client, and asks for one tunnel.
  for (std::size_t hop = 1; hop <= GetParam(); ++hop) {
    EXPECT_EQ(scene.gateway(hop).endpoint_stats().accepted, 1u);
    EXPECT_EQ(scene.gateway(hop).proxy().tunnels[masque::Protocol::udp], 1u);
    EXPECT_GT(scene.gateway(hop).proxy().bytes_down, 1'000'000u);
  }
  scene.expect_clean_end();
}

TEST_P(Chain, Upload) {
  const Transfer& transfer = scene.upload(1'000'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 1'000'000);
  scene.expect_clean_end();
}

TEST_P(Chain, ManyTransfersAtOnce) {
  std::vector<std::pair<const Transfer*, std::uint64_t>> transfers;
  for (std::uint64_t i = 0; i < 40; ++i) {
    const std::uint64_t bytes = i * i * 100;
    transfers.emplace_back(i % 3 == 0 ? &scene.upload(bytes) : &scene.download(bytes), bytes);
  }
  ASSERT_TRUE(scene.run());
  for (const auto& [transfer, bytes] : transfers) expect_intact(*transfer, bytes);
  EXPECT_EQ(scene.origin().endpoint_stats().accepted, 1u);
  EXPECT_EQ(scene.origin().requests(), 40u);
  scene.expect_clean_end();
}

TEST_P(Chain, TransfersOneAfterAnother) {
  for (int i = 0; i < 5; ++i) {
    const Transfer& transfer = scene.download(20'000);
    ASSERT_TRUE(scene.run());
    expect_intact(transfer, 20'000);
    scene.network.run_for(5s);
  }
  EXPECT_EQ(scene.origin().endpoint_stats().accepted, 1u);
  scene.expect_clean_end();
}

TEST_P(Chain, NothingIsLostOnAGoodNetwork) {
  const Transfer& transfer = scene.download(100'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 100'000);
  for (const dial::LinkFigures& link : scene.client().figures()) {
    EXPECT_EQ(link.tunnel.dropped_queue, 0u) << link.title;
    EXPECT_EQ(link.tunnel.dropped_context, 0u) << link.title;
  }
  for (std::size_t hop = 1; hop <= GetParam(); ++hop) {
    EXPECT_EQ(scene.gateway(hop).proxy().dropped_early, 0u);
    EXPECT_EQ(scene.gateway(hop).proxy().dropped_queue, 0u);
  }
}

}  // namespace
}  // namespace sallyport::sim
