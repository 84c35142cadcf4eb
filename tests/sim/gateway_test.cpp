// The gateway's workers on the simulated network: draining, configurations that change under load, packets
// that reach the wrong worker, send queues that are full.
#include "chain_scene.h"
#include "identity.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

using dial::HttpChoice;

std::shared_ptr<const config::Configuration> changed(
    const SimGateway& gateway, const std::function<void(config::Configuration&)>& change) {
  auto next = std::make_shared<config::Configuration>(*gateway.configuration());
  change(*next);
  return next;
}

std::shared_ptr<const masque::TokenTable> tokens(std::string_view lines) {
  return masque::TokenTable::parse(lines, "tokens").value();
}

/// By HTTP version, as each has its own way to end in order.
class Gateway : public testing::TestWithParam<HttpChoice> {
 protected:
  static ChainScene::Options options(unsigned workers = 1) {
    ChainScene::Options made;
    made.client.http = GetParam();
    made.gateway.workers = workers;
    return made;
  }
  /// A client of its own, as it opens connections of its own.
  std::unique_ptr<SimClient> another_client(ChainScene& scene) {
    SimClient::Options made;
    made.http = GetParam();
    return std::make_unique<SimClient>(scene.network, scene.client_host(), made);
  }
};

INSTANTIATE_TEST_SUITE_P(By, Gateway, testing::Values(HttpChoice::h3, HttpChoice::h2, HttpChoice::h1),
                         [](const auto& given) {
                           return given.param == HttpChoice::h3   ? "h3"
                                  : given.param == HttpChoice::h2 ? "h2"
                                                                  : "h1";
                         });

TEST_P(Gateway, DrainsWhatIsOpenAndTakesNothingNew) {
  ChainScene scene(options(2));
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  const Transfer& open = scene.download(3'000'000);
  scene.network.run_for(1s);
  ASSERT_GT(open.bytes, 0u);
  bool drained = false;
  scene.origin().drain([&] { drained = true; });
  scene.network.run_for(100ms);
  EXPECT_FALSE(drained);
  const auto late = another_client(scene);
  const Transfer& refused = late->download(ChainScene::origin_name, 1000);
  ASSERT_TRUE(scene.run());
  expect_intact(open, 3'000'000);
  ASSERT_TRUE(scene.network.run_until([&] { return drained && late->done(); }, 60s));
  EXPECT_TRUE(refused.error);
  EXPECT_EQ(scene.origin().open_connections(), 0u);
}

TEST_P(Gateway, AConfigurationThatComesWhileItDrainsOpensNothing) {
  ChainScene scene(options());
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  const Transfer& open = scene.download(2'000'000);
  scene.network.run_for(500ms);
  bool drained = false;
  scene.origin().drain([&] { drained = true; });
  ASSERT_TRUE(scene.origin().apply(changed(scene.origin(), [](auto& next) {
    next.listeners[0].id = "elsewhere";
    next.listeners[0].address.set_port(8443);
  })));
  EXPECT_EQ(scene.origin().worker().listeners().size(), 1u);
  ASSERT_TRUE(scene.run());
  expect_intact(open, 2'000'000);
  EXPECT_TRUE(scene.network.run_until([&] { return drained; }, 60s));
}

TEST_P(Gateway, AnotherCertificateIsForNewConnectionsOnly) {
  ChainScene scene(options());
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  const Transfer& open = scene.download(2'000'000);
  scene.network.run_for(500ms);
  ASSERT_FALSE(open.done);
  const auto other = tls::ServerCredentials::make({tls::make_self_signed({"*.sim.test"}).value()}).value();
  ASSERT_TRUE(scene.origin().apply(
      changed(scene.origin(), [&](auto& next) { next.listeners[0].credentials = other; })));
  const auto late = another_client(scene);
  const Transfer& distrusted = late->download(ChainScene::origin_name, 1000);
  ASSERT_TRUE(scene.run());
  expect_intact(open, 2'000'000);
  ASSERT_TRUE(scene.network.run_until([&] { return late->done(); }, 60s));
  ASSERT_TRUE(distrusted.error);
  EXPECT_NE(distrusted.error->message.find("certificate"), std::string::npos) << distrusted.error->message;
  // HTTP/1.1 takes the next request on the connection that it has, too.
  const Transfer& again = scene.download(1000);
  ASSERT_TRUE(scene.run());
  expect_intact(again, 1000);
}

TEST_P(Gateway, AListenerThatGoesDrainsAndOneThatComesServes) {
  ChainScene scene(options(2));
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  const Transfer& open = scene.download(2'000'000);
  scene.network.run_for(500ms);
  ASSERT_FALSE(open.done);
  ASSERT_TRUE(scene.origin().apply(changed(scene.origin(), [](auto& next) {
    next.listeners[0].id = "elsewhere";
    next.listeners[0].address.set_port(8443);
  })));
  const auto late = another_client(scene);
  const Transfer& refused = late->download(ChainScene::origin_name, 1000);
  const auto elsewhere = another_client(scene);
  const Transfer& served = elsewhere->download(fmt::format("{}:8443", ChainScene::origin_name), 50'000);
  ASSERT_TRUE(scene.run());
  expect_intact(open, 2'000'000);
  ASSERT_TRUE(scene.network.run_until([&] { return late->done() && elsewhere->done(); }, 60s));
  EXPECT_TRUE(refused.error);
  expect_intact(served, 50'000);
  admin::MetricSet figures;
  for (std::size_t i = 0; i < 2; ++i) scene.origin().worker(i).collect(figures);
  const std::string version = GetParam() == HttpChoice::h3   ? "http/3"
                              : GetParam() == HttpChoice::h2 ? "http/2"
                                                             : "http/1";
  EXPECT_NE(figures.to_text().find("connections_total{version=\"" + version + "\"} 2"), std::string::npos)
      << "what a listener counted stays when it goes\n"
      << figures.to_text();
}

TEST_P(Gateway, AListenerOfAnotherNameAtTheSameAddressGoesOn) {
  ChainScene scene(options(2));
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  const Transfer& open = scene.download(2'000'000);
  scene.network.run_for(500ms);
  ASSERT_FALSE(open.done);
  const gateway::Listener* const before = scene.origin().worker().listeners().front().get();
  ASSERT_TRUE(scene.origin().apply(
      changed(scene.origin(), [](auto& next) { next.listeners[0].id = "of another name"; })));
  EXPECT_EQ(scene.origin().worker().listeners().front().get(), before);
  EXPECT_EQ(before->configuration().id, "of another name");
  ASSERT_TRUE(scene.run());
  expect_intact(open, 2'000'000);
  const Transfer& again = scene.download(1000);
  ASSERT_TRUE(scene.run());
  expect_intact(again, 1000);
}

TEST_P(Gateway, AListenerMayLoseTcpAndGetItBack) {
  ChainScene scene(options(2));
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  const Transfer& open = scene.download(2'000'000);
  scene.network.run_for(500ms);
  ASSERT_FALSE(open.done);
  ASSERT_TRUE(
      scene.origin().apply(changed(scene.origin(), [](auto& next) { next.listeners[0].tcp = false; })));
  const auto late = another_client(scene);
  const Transfer& meanwhile = late->download(ChainScene::origin_name, 1000);
  ASSERT_TRUE(scene.network.run_until([&] { return late->done(); }, 60s));
  EXPECT_EQ(!meanwhile.error, GetParam() == HttpChoice::h3) << "the others are over TCP";
  ASSERT_TRUE(
      scene.origin().apply(changed(scene.origin(), [](auto& next) { next.listeners[0].tcp = true; })));
  const auto later = another_client(scene);
  const Transfer& served = later->download(ChainScene::origin_name, 1000);
  ASSERT_TRUE(scene.network.run_until([&] { return later->done(); }, 60s));
  expect_intact(served, 1000);
  ASSERT_TRUE(scene.run());
  expect_intact(open, 2'000'000);
  bool drained = false;
  scene.origin().drain([&] { drained = true; });
  EXPECT_TRUE(scene.network.run_until([&] { return drained; }, 60s));
}

TEST_P(Gateway, LimitsOfANewConfigurationAreForNewConnections) {
  ChainScene scene(options());
  const Transfer& first = scene.download(1000);
  ASSERT_TRUE(scene.run());
  expect_intact(first, 1000);
  ASSERT_TRUE(scene.origin().apply(changed(scene.origin(), [](auto& next) {
    next.retry = quic::RetryPolicy::always;
    next.limits.idle_timeout = 2s;
  })));
  const auto late = another_client(scene);
  const Transfer& second = late->download(ChainScene::origin_name, 1000);
  ASSERT_TRUE(scene.network.run_until([&] { return late->done(); }, 60s));
  expect_intact(second, 1000);
  EXPECT_EQ(scene.origin().endpoint_stats().retries_sent > 0, GetParam() == HttpChoice::h3);
  EXPECT_EQ(scene.origin().open_connections(), 2u);
  scene.network.run_for(10s);
  EXPECT_EQ(scene.origin().open_connections(), 1u) << "the earlier one has the idle timeout that it had";
}

TEST_P(Gateway, ManyChangesUnderLoadHurtNoTransfer) {
  ChainScene scene(options(2));
  scene.each_link([](LinkProfile& link) {
    link.bits_per_second = 10e6;
    link.loss = 0.005;
  });
  const Transfer& down = scene.download(3'000'000);
  const Transfer& up = scene.upload(2'000'000);
  for (int i = 0; i < 20; ++i) {
    scene.network.run_for(100ms);
    ASSERT_TRUE(scene.origin().apply(changed(scene.origin(), [i](auto& next) {
      next.masque->max_tunnels = static_cast<std::size_t>(100 + i);
      next.listeners[0].alt_svc_port = static_cast<std::uint16_t>(i);
      if (i % 5 == 0) next.listeners.resize(1);
      if (i % 5 == 2) {
        next.listeners.push_back(next.listeners[0]);
        next.listeners[1].id = "second";
        next.listeners[1].address.set_port(static_cast<std::uint16_t>(9000 + i));
      }
    })));
  }
  ASSERT_TRUE(scene.run());
  expect_intact(down, 3'000'000);
  expect_intact(up, 2'000'000);
}

TEST(GatewayApply, ChangesNothingWhereSomethingCannotBeHad) {
  ChainScene scene({});
  const auto before = scene.origin().configuration();
  const auto next = changed(scene.origin(), [&](auto& wanted) {
    wanted.masque.reset();
    wanted.listeners.push_back(wanted.listeners[0]);
    wanted.listeners[1].id = "not ours";
    wanted.listeners[1].address = {scene.network.free_address(), 443};
  });
  EXPECT_FALSE(scene.origin().apply(next));
  EXPECT_EQ(scene.origin().configuration(), before);
  EXPECT_EQ(scene.origin().worker().listeners().size(), 1u);
  const Transfer& transfer = scene.download(1000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 1000);
}

TEST(GatewayApply, ATokenThatIsGoneEndsItsTunnels) {
  ChainScene::Options options{.hops = 1};
  options.gateway.masque->open = false;
  options.gateway.masque->tokens = tokens("alice token-of-alice-01\nbob token-of-bob-0001\n");
  options.client.token = "token-of-alice-01";
  ChainScene scene(std::move(options));
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  const Transfer& transfer = scene.download(5'000'000);
  scene.network.run_for(1s);
  ASSERT_GT(transfer.bytes, 0u);
  ASSERT_TRUE(scene.gateway(1).apply(changed(scene.gateway(1), [](auto& next) {
    next.masque->tokens = tokens("alice token-of-alice-01\ncarol token-of-carol-01\n");
  })));
  scene.network.run_for(500ms);
  ASSERT_FALSE(transfer.error) << "hers is still good";
  ASSERT_TRUE(scene.gateway(1).apply(changed(
      scene.gateway(1), [](auto& next) { next.masque->tokens = tokens("carol token-of-carol-01\n"); })));
  ASSERT_TRUE(scene.run(60s));
  EXPECT_TRUE(transfer.error);
  EXPECT_EQ(scene.gateway(1).proxy().open[masque::Protocol::udp], 0u);
}

TEST(GatewayApply, AProxyCanBeSwitchedOffAndOn) {
  ChainScene scene({.hops = 1});
  const auto with = scene.gateway(1).configuration();
  ASSERT_TRUE(scene.gateway(1).apply(changed(scene.gateway(1), [](auto& next) { next.masque.reset(); })));
  const Transfer& refused = scene.download(1000);
  ASSERT_TRUE(scene.run());
  ASSERT_TRUE(refused.error);
  ASSERT_TRUE(scene.gateway(1).apply(with));
  SimClient::Options options;
  options.hops = {ChainScene::hop_name(1)};
  SimClient again(scene.network, scene.client_host(), options);
  const Transfer& served = again.download(ChainScene::origin_name, 1000);
  ASSERT_TRUE(scene.network.run_until([&] { return again.done(); }, 30s));
  expect_intact(served, 1000);
}

/// Packets that reach another worker than their connection's.
TEST(Strays, AreHandedOverBetweenWorkers) {
  ChainScene::Options options;
  options.gateway.workers = 3;
  ChainScene scene(std::move(options));
  const Transfer& first = scene.download(100'000);
  ASSERT_TRUE(scene.run());
  expect_intact(first, 100'000);
  std::uint64_t taken = 0;
  const auto count = [&] {
    taken = 0;
    for (unsigned i = 0; i < 3; ++i) taken += scene.origin().strays()->counters(i).taken;
    return taken;
  };
  EXPECT_EQ(count(), 0u) << "steered";
  scene.origin_host().misroute(true);
  const Transfer& second = scene.download(500'000);
  const Transfer& third = scene.upload(500'000);
  ASSERT_TRUE(scene.run());
  expect_intact(second, 500'000);
  expect_intact(third, 500'000);
  EXPECT_GT(count(), 100u);
  EXPECT_EQ(scene.origin().endpoint_stats().accepted, 1u);
  scene.expect_clean_end();
}

/// Send queues that are full now and then, of all hosts: nothing is lost by it and nothing stops.
TEST(BlockedSockets, OnlyDelay) {
  for (const std::size_t hops : {0u, 1u, 2u}) {
    ChainScene scene({.hops = hops});
    scene.each_link([](LinkProfile& link) { link.blocked = 0.05; });
    const Transfer& down = scene.download(1'000'000);
    const Transfer& up = scene.upload(1'000'000);
    ASSERT_TRUE(scene.run());
    expect_intact(down, 1'000'000);
    expect_intact(up, 1'000'000);
    scene.expect_clean_end();
  }
}

}  // namespace
}  // namespace sallyport::sim
