// Chains on networks that are not good: each condition by itself, through 0 to 4 hops, down and up at the
// same time. All at once, in random mixtures, is what chain_sweep_test.cpp does.
#include "chain_scene.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

struct Condition {
  const char* name;
  void (*set)(LinkProfile&);
  Duration limit = 60s;
  bool doubles = false;  ///< the limit, with each hop
};

const Condition conditions[] = {
    {"Loss", [](LinkProfile& link) { link.loss = 0.01; }},
    // Each leg loses 6% of what crosses it, and the innermost of four hops 28%. Congestion control that goes
    // by losses is down to its least window then, two packets, at every layer, and full of what is lost but
    // not known to be: so packets leave one by one, with probe timeouts, and each layer's hold up all within
    // it. Nothing is lost in queues. A hop more costs about twice the time: 1 to 9 s without one, 5 to 14 s
    // with one, 22 to 34 s with two; with four, over thirty seeds, mostly 125 to 250 s and up to 510 s.
    {"HeavyLoss", [](LinkProfile& link) { link.loss = 0.03; }, 60s, true},
    {"Reordering", [](LinkProfile& link) { link.reorder = 0.05; }},
    {"Corruption", [](LinkProfile& link) { link.corrupt = 0.01; }},
    {"Duplication", [](LinkProfile& link) { link.duplicate = 0.2; }},
    {"Jitter", [](LinkProfile& link) { link.jitter = 20ms; }},
    {"LowRate", [](LinkProfile& link) { link.bits_per_second = 1e6; }},
    {"SmallQueue",
     [](LinkProfile& link) {
       link.bits_per_second = 10e6;
       link.queue_bytes = 10 * 1500;
     }},
    {"LongWay", [](LinkProfile& link) { link.delay = 100ms; }, 120s},
    {"Marking",
     [](LinkProfile& link) {
       link.bits_per_second = 10e6;
       link.mark_above = 20'000;
     }},
    {"Batches",
     [](LinkProfile& link) {
       link.batching = 3ms;
       link.jitter = 3ms;
     }},
};

class ChainWith : public testing::TestWithParam<std::tuple<Condition, std::size_t>> {};

TEST_P(ChainWith, TransfersBothWays) {
  const auto& [condition, hops] = GetParam();
  ChainScene::Options options{.hops = hops, .seed = 7};
  options.client.connect_timeout = 30s;  // handshakes inside handshakes, each of which may lose packets
  options.client.config.keep_alive = 2s;
  const Duration limit = condition.limit * (condition.doubles ? 1 << hops : 1);
  // So slow a chain is silent for longer than its user's patience is by itself.
  if (condition.doubles)
    options.client.stall_timeout = options.client.limits.idle_timeout = options.gateway.limits.idle_timeout =
        limit;
  ChainScene scene(std::move(options));
  scene.each_link(condition.set);
  const Transfer& down = scene.download(500'000);
  const Transfer& up = scene.upload(300'000);
  EXPECT_TRUE(scene.run(limit));
  expect_intact(down, 500'000);
  expect_intact(up, 300'000);
  scene.expect_clean_end();
}

INSTANTIATE_TEST_SUITE_P(Condition, ChainWith,
                         testing::Combine(testing::ValuesIn(conditions), testing::Values(0, 1, 2, 4)),
                         [](const auto& parameter) {
                           return fmt::format("{}Over{}Hops", std::get<0>(parameter.param).name,
                                              std::get<1>(parameter.param));
                         });

class ChainThatMoves : public testing::TestWithParam<std::size_t> {
 protected:
  ChainScene scene{[] {
    ChainScene::Options options{.hops = GetParam()};
    // A client that only listens is not found again by a server whose every packet goes to its old address.
    options.client.config.keep_alive = 1s;
    return options;
  }()};

  /// Part of a transfer each way, `event`, and the rest.
  void interrupt(const std::function<void()>& event) {
    scene.each_link([](LinkProfile& link) { link.bits_per_second = 20e6; });
    const Transfer& down = scene.download(4'000'000);
    const Transfer& up = scene.upload(4'000'000);
    scene.network.run_for(1s);
    ASSERT_FALSE(down.done);
    event();
    EXPECT_TRUE(scene.run());
    expect_intact(down, 4'000'000);
    expect_intact(up, 4'000'000);
  }
  /// Of the connection that the client has with the first server.
  std::uint64_t path_changes_seen() {
    std::uint64_t changes = 0;
    scene.gateway(1).endpoint().for_each(
        [&](quic::Connection& connection) { changes += connection.stats().path_changes; });
    return changes;
  }
};

INSTANTIATE_TEST_SUITE_P(Hops, ChainThatMoves, testing::Values(0, 1, 2, 4),
                         testing::PrintToStringParamName());

TEST_P(ChainThatMoves, NatRebinding) {
  interrupt([this] { scene.client_host().rebind_ports(); });
  EXPECT_EQ(path_changes_seen(), 1u);
  scene.expect_clean_end();
}

TEST_P(ChainThatMoves, AnotherAddress) {
  interrupt([this] { scene.client_host().move_to(scene.network.free_address()); });
  EXPECT_EQ(path_changes_seen(), 1u);
  scene.expect_clean_end();
}

TEST_P(ChainThatMoves, SilenceOfTwoSeconds) {
  interrupt([this] {
    scene.client_host().set_down(true);
    scene.network.run_for(2s);
    scene.client_host().set_down(false);
  });
  EXPECT_EQ(path_changes_seen(), 0u);
  scene.expect_clean_end();
}

}  // namespace
}  // namespace sallyport::sim
