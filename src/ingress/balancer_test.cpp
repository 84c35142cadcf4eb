#include "ingress/balancer.h"

#include "dial/world_for_test.h"

#include <map>

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

struct NoUse final : Upstream::User {
  void on_connection(Upstream::Lease&) override {}
  void on_no_connection(const Error&) override { ++refused; }
  int refused = 0;
};

class BalancerTest : public testing::Test {
 protected:
  std::shared_ptr<Upstream> upstream(const char* name) {
    return std::make_shared<Upstream>(
        context, graveyard,
        config::Backend{.protocol = config::BackendProtocol::http1, .host = name, .port = 80},
        std::make_shared<UpstreamCounters>());
  }
  std::map<std::string, int> draw(const Balancer& balancer, int times) {
    std::map<std::string, int> drawn;
    for (int i = 0; i < times; ++i) ++drawn[balancer.pick(asking())->backend().host];
    return drawn;
  }
  Balancer::Asking asking(std::uint64_t hash = 0, std::span<const Upstream* const> tried = {}) {
    return {.random = random, .now = context.timers().now(), .hash = hash, .tried = tried};
  }
  dial::test::World world;
  dial::Context context = world.context();
  dial::Graveyard graveyard{context.timers()};
  SeededRandom random{7};
};

TEST_F(BalancerTest, FollowsTheWeights) {
  const Balancer balancer({{upstream("a"), 8}, {upstream("b"), 2}, {upstream("c"), 0}});
  const auto drawn = draw(balancer, 1000);
  EXPECT_NEAR(drawn.at("a"), 800, 60);
  EXPECT_NEAR(drawn.at("b"), 200, 60);
  EXPECT_FALSE(drawn.contains("c"));
}

TEST_F(BalancerTest, PrefersTheLessBusy) {
  const auto busy = upstream("busy"), idle = upstream("idle");
  NoUse user;
  for (int i = 0; i < 10; ++i) busy->want(user);
  const Balancer balancer({{busy, 1}, {idle, 1}});
  const auto drawn = draw(balancer, 1000);
  EXPECT_GT(drawn.at("idle"), 700) << "in three of four pairs it is one of the two";
  const Balancer by_weight({{busy, 100}, {idle, 1}});
  EXPECT_GT(draw(by_weight, 1000).at("busy"), 900) << "ten requests are few for its weight";
  for (int i = 0; i < 10; ++i) busy->cancel(user);
}

TEST_F(BalancerTest, LeavesOutWhatIsDownWhileThereIsAnother) {
  const auto away = upstream("away"), there = upstream("there");
  world.refuses = true;
  NoUse user;
  away->want(user);
  world.clock.pass(1ms);
  EXPECT_EQ(user.refused, 1);
  const Balancer both({{away, 1}, {there, 1}});
  EXPECT_EQ(draw(both, 100).at("there"), 100);
  EXPECT_EQ(draw(Balancer({{away, 1}}), 1).at("away"), 1) << "better than none";
  world.clock.pass(1s);
  EXPECT_GT(draw(both, 100).at("away"), 20);
}

TEST_F(BalancerTest, RoundRobinGoesByWeightInTurn) {
  const config::Balancing in_turn{.kind = config::Balancing::Kind::round_robin, .header = {}};
  const auto a = upstream("a"), b = upstream("b"), c = upstream("c");
  const Balancer balancer({{a, 3}, {b, 1}, {c, 1}}, in_turn);
  std::string order;
  for (int i = 0; i < 10; ++i) order += balancer.pick(asking())->backend().host;
  EXPECT_EQ(order, "abacaabaca");
  const std::vector<const Upstream*> tried{a.get()};
  order.clear();
  for (int i = 0; i < 4; ++i) order += balancer.pick(asking(0, tried))->backend().host;
  EXPECT_EQ(order, "bcbc");
}

TEST_F(BalancerTest, AHashStaysWithItsBackend) {
  const config::Balancing by_client{.kind = config::Balancing::Kind::client_hash, .header = {}};
  const auto a = upstream("a"), b = upstream("b"), c = upstream("c");
  const Balancer all({{a, 2}, {b, 1}, {c, 1}}, by_client), less({{a, 2}, {b, 1}}, by_client);
  std::map<std::string, int> drawn;
  for (std::uint64_t hash = 1; hash <= 4000; ++hash) {
    const auto chosen = all.pick(asking(hash));
    ++drawn[chosen->backend().host];
    EXPECT_EQ(all.pick(asking(hash)), chosen);
    if (chosen != c) {
      EXPECT_EQ(less.pick(asking(hash)), chosen) << "only what c had moves where c goes";
    }
  }
  EXPECT_NEAR(drawn["a"], 2000, 150);
  EXPECT_NEAR(drawn["b"], 1000, 150);
  EXPECT_NEAR(drawn["c"], 1000, 150);
}

TEST_F(BalancerTest, LeavesOutWhatFailsAgainAndAgain) {
  const auto bad = upstream("bad"), good = upstream("good");
  const Balancer both({{bad, 1}, {good, 1}});
  const auto now = [this] { return context.timers().now(); };
  for (const unsigned status : {503u, 502u, 504u, 503u, 200u, 503u, 502u, 504u, 503u})
    bad->note_response(status, now());
  EXPECT_FALSE(bad->is_down(now())) << "four in a row, and four";
  bad->note_failure(now());
  EXPECT_EQ(draw(both, 100).at("good"), 100);
  world.clock.pass(11s);
  EXPECT_GT(draw(both, 100)["bad"], 20);
  for (int i = 0; i < 5; ++i) bad->note_failure(now());
  world.clock.pass(11s);
  EXPECT_EQ(draw(both, 100)["bad"], 0) << "longer than the first time";
  for (int i = 0; i < 5; ++i) bad->note_response(500, now());
  EXPECT_TRUE(bad->is_down(now()));
  world.clock.pass(10s);
  EXPECT_FALSE(bad->is_down(now())) << "a 500 is an answer of the application";
}

TEST_F(BalancerTest, TriesNoneTwice) {
  const auto a = upstream("a"), b = upstream("b");
  const Balancer balancer({{a, 1}, {b, 1}});
  const std::vector<const Upstream*> tried{a.get()};
  EXPECT_EQ(balancer.pick(asking(0, tried)), b);
  const std::vector<const Upstream*> all{a.get(), b.get()};
  EXPECT_EQ(balancer.pick(asking(0, all)), nullptr);
}

}  // namespace
}  // namespace sallyport::ingress
