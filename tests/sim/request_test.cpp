// Small requests, one at a time: how long `sallyport bench` says that they take, and how many datagrams they
// cost.
#include "chain_scene.h"
#include "client/load.h"
#include "identity.h"

#include <optional>

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr std::uint64_t requests = 200;

class Request : public testing::TestWithParam<std::size_t> {
 protected:
  /// Makes the scene; `ack_threshold` is that of the servers.
  void set_up(std::size_t ack_threshold) {
    ChainScene::Options options{.hops = GetParam()};
    options.gateway.quic.ack_threshold = ack_threshold;
    scene_.emplace(std::move(options));
    scene_->each_link([](LinkProfile& link) {
      link.delay = 5ms;
      link.bits_per_second = 0;
    });
  }

  /// The time from end to end and back.
  static Duration round_trip() { return 20ms * static_cast<int>(GetParam() + 1); }

  client::LoadFigures run() {
    dial::Context context{.outbound = scene_->client_host(),
                          .quic = {scene_->network.timers(), scene_->network.random()},
                          .trust = client_trust()};
    client::LoadOptions options;
    options.urls = {*dial::parse_url(std::string("https://") + ChainScene::origin_name + "/bytes/1000")};
    options.chain.http = dial::HttpChoice::h3;
    for (std::size_t hop = 1; hop <= GetParam(); ++hop)
      options.chain.hops.push_back(*masque::ProxyTemplate::parse("https://" + ChainScene::hop_name(hop)));
    options.requests = requests;
    std::optional<client::LoadFigures> result;
    client::Load load(context, options, [&](client::LoadFigures figures) { result = std::move(figures); });
    load.start();
    EXPECT_TRUE(scene_->network.run_until([&] { return result.has_value(); }, 600s));
    return result.value_or(client::LoadFigures{});
  }

  std::optional<ChainScene> scene_;
};

INSTANTIATE_TEST_SUITE_P(Hops, Request, testing::Values(0, 1), testing::PrintToStringParamName());

/// The acknowledgement of the request's end, which the servers here delay, is no part of it.
TEST_P(Request, IsAnsweredWhenTheAnswerHasEnded) {
  set_up(10);
  const client::LoadFigures figures = run();
  EXPECT_EQ(figures.requests, requests);
  EXPECT_TRUE(figures.errors.empty());
  EXPECT_GE(figures.latency.quantile(0.5), round_trip());
  EXPECT_LT(figures.latency.quantile(0.9), round_trip() + round_trip() / 20);
}

/// Nor of the time that `sallyport get` says.
TEST_P(Request, OfGetEndsWithTheAnswer) {
  set_up(10);
  const Transfer& transfer = scene_->download(1'000);
  ASSERT_TRUE(scene_->run());
  expect_intact(transfer, 1'000);
  EXPECT_LT(transfer.ended - transfer.first_byte, 1ms);
}

/// The ACK of a request rides on its answer, that of an answer on the next request: besides those of the
/// handshake a datagram goes each way. (A hop's ACK has nothing to ride on: the answer comes a round trip
/// later.)
TEST_P(Request, CostsOneDatagramEachWay) {
  if (GetParam() > 0) return;
  set_up(quic::Config{}.ack_threshold);
  run();
  EXPECT_LT(scene_->client_host().down.counters().entered, requests + 60);
  EXPECT_LT(scene_->client_host().up.counters().entered, requests + 60);
}

}  // namespace
}  // namespace sallyport::sim
