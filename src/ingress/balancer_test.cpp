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
    for (int i = 0; i < times; ++i)
      ++drawn[balancer.pick(random, context.timers().now(), {})->backend().host];
    return drawn;
  }
  dial::test::World world;
  dial::Context context = world.context();
  dial::Graveyard graveyard{context.timers()};
  SeededRandom random{7};
};

TEST_F(BalancerTest, FollowsTheWeights) {
  const Balancer balancer({{upstream("a"), 8}, {upstream("b"), 2}, {upstream("c"), 0}});
  const auto drawn = draw(balancer, 1000);
  // Of two that are drawn, idle ones count by their weight as well.
  EXPECT_GT(drawn.at("a"), 700);
  EXPECT_GT(drawn.at("b"), 10);
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

TEST_F(BalancerTest, TriesNoneTwice) {
  const auto a = upstream("a"), b = upstream("b");
  const Balancer balancer({{a, 1}, {b, 1}});
  const std::vector<const Upstream*> tried{a.get()};
  EXPECT_EQ(balancer.pick(random, context.timers().now(), tried), b);
  const std::vector<const Upstream*> all{a.get(), b.get()};
  EXPECT_EQ(balancer.pick(random, context.timers().now(), all), nullptr);
}

}  // namespace
}  // namespace sallyport::ingress
