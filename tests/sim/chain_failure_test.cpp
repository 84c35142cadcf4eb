// Chains that break: every error names the hop and the reason, comes in time, and leaves nothing behind.
#include "chain_scene.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

std::string title(std::size_t hop) {
  return fmt::format("hop {} (hop{}.sim.test:443)", hop, hop);
}

void expect_error(const std::optional<Error>& error, ErrorKind kind, const std::string& beginning) {
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, kind) << error->message;
  EXPECT_TRUE(error->message.starts_with(beginning)) << error->message;
  // It has a reason behind the name.
  EXPECT_GT(error->message.size(), beginning.size() + 5) << error->message;
}

/// Three hops; parameter: the one that something happens to.
class ChainWithBadHop : public testing::TestWithParam<std::size_t> {
 protected:
  static constexpr std::size_t hops = 3;
  ChainScene scene{[] {
    ChainScene::Options options{.hops = hops};
    options.client.config.idle_timeout = 10s;
    options.client.config.keep_alive = 3s;
    return options;
  }()};
  const Transfer* transfer = nullptr;

  void begin_download() {
    scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
    transfer = &scene.download(5'000'000);
    scene.network.run_for(2s);
    ASSERT_FALSE(transfer->done);
    ASSERT_GT(scene.gateway(1).proxy().bytes_down, 100'000u);
  }
};

INSTANTIATE_TEST_SUITE_P(Hop, ChainWithBadHop, testing::Values(1, 2, 3), testing::PrintToStringParamName());

TEST_P(ChainWithBadHop, KilledInTheMiddle) {
  begin_download();
  scene.kill(GetParam());
  EXPECT_TRUE(scene.run(60s));
  ASSERT_TRUE(transfer->error);
  // What the client sees of it is the end of what led to that hop.
  ASSERT_TRUE(scene.client().broken());
  EXPECT_NE(scene.client().broken()->message.find(fmt::format("hop{}.sim.test", GetParam())),
            std::string::npos)
      << scene.client().broken()->message;
  EXPECT_GT(transfer->bytes, 0u);
  scene.expect_clean_end();
}

TEST_P(ChainWithBadHop, CutOffInTheMiddle) {
  begin_download();
  const Time cut = scene.network.now();
  scene.host(GetParam()).set_down(true);
  EXPECT_TRUE(scene.run(60s));
  ASSERT_TRUE(transfer->error);
  EXPECT_LT(scene.network.now() - cut, 35s);
  ASSERT_TRUE(scene.client().broken());
  EXPECT_EQ(scene.client().broken()->kind, ErrorKind::timeout) << scene.client().broken()->message;
  EXPECT_NE(scene.client().broken()->message.find(fmt::format("hop{}.sim.test", GetParam())),
            std::string::npos)
      << scene.client().broken()->message;
  scene.host(GetParam()).set_down(false);
  scene.expect_clean_end();
}

TEST_P(ChainWithBadHop, NeverThere) {
  scene.host(GetParam()).set_down(true);
  transfer = &scene.download(1'000);
  EXPECT_TRUE(scene.run(60s));
  expect_error(transfer->error, ErrorKind::timeout, title(GetParam()));
  // The connect timeout of one link, not of each that waits behind it.
  EXPECT_LT(transfer->ended - transfer->started, 12s);
  scene.expect_clean_end();
}

TEST_P(ChainWithBadHop, NobodyListens) {
  scene.kill(GetParam());
  transfer = &scene.download(1'000);
  EXPECT_TRUE(scene.run(60s));
  ASSERT_TRUE(transfer->error);
  EXPECT_NE(transfer->error->message.find(fmt::format("hop{}.sim.test", GetParam())), std::string::npos)
      << transfer->error->message;
  EXPECT_LT(transfer->ended - transfer->started, 5s) << "a closed port is known at once";
  scene.expect_clean_end();
}

TEST(ChainFailure, OriginThatNobodyKnows) {
  ChainScene scene({.hops = 2});
  const Transfer& transfer = scene.client().download("nowhere.sim.test", 1'000);
  EXPECT_TRUE(scene.run(60s));
  expect_error(transfer.error, ErrorKind::resolve, title(2));
  EXPECT_NE(transfer.error->message.find("nowhere.sim.test"), std::string::npos) << transfer.error->message;
  EXPECT_LT(transfer.ended - transfer.started, 5s);
  scene.expect_clean_end();
}

TEST(ChainFailure, OriginThatPolicyForbids) {
  ChainScene scene({.hops = 2});
  const Transfer& transfer = scene.client().download("127.0.0.1", 1'000);
  EXPECT_TRUE(scene.run(60s));
  expect_error(transfer.error, ErrorKind::denied, title(2));
  EXPECT_EQ(scene.gateway(2).proxy().refused_policy, 1u);
  EXPECT_LT(transfer.ended - transfer.started, 5s);
  scene.expect_clean_end();
}

TEST(ChainFailure, HopThatIsNoProxy) {
  ChainScene::Options options{.hops = 2};
  options.gateway.masque->protocols.erase(masque::Protocol::udp);
  ChainScene scene(std::move(options));
  const Transfer& transfer = scene.download(1'000);
  EXPECT_TRUE(scene.run(60s));
  ASSERT_TRUE(transfer.error);
  EXPECT_TRUE(transfer.error->message.starts_with(title(1))) << transfer.error->message;
  EXPECT_NE(transfer.error->message.find("501"), std::string::npos) << transfer.error->message;
  scene.expect_clean_end();
}

TEST(ChainFailure, CertificateOfAnother) {
  ChainScene::Options options{.hops = 2};
  options.gateway.credentials =
      *tls::ServerCredentials::make({*tls::make_self_signed({"somebody.else.test"})});
  ChainScene scene(std::move(options));
  const Transfer& transfer = scene.download(1'000);
  EXPECT_TRUE(scene.run(60s));
  expect_error(transfer.error, ErrorKind::tls, title(1));
  EXPECT_NE(transfer.error->message.find("certificate"), std::string::npos) << transfer.error->message;
  EXPECT_LT(transfer.ended - transfer.started, 1s);
  scene.expect_clean_end();
}

TEST(ChainFailure, NotFoundIsTheOriginsAnswer) {
  ChainScene scene({.hops = 2});
  scene.client().download(ChainScene::origin_name, 1'000);
  const Transfer& transfer = scene.client().download_path(ChainScene::origin_name, "/nothing/here");
  EXPECT_TRUE(scene.run(60s));
  expect_error(transfer.error, ErrorKind::http,
               std::string(ChainScene::origin_name) + " answered HTTP status 404");
  EXPECT_FALSE(scene.client().broken());
  scene.expect_clean_end();
}

TEST(ChainFailure, OneOriginDoesNotTakeTheOtherAlong) {
  ChainScene scene({.hops = 2});
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  const Transfer& good = scene.download(1'000'000);
  const Transfer& bad = scene.client().download("nowhere.sim.test", 1'000);
  EXPECT_TRUE(scene.run(60s));
  EXPECT_TRUE(bad.error);
  expect_intact(good, 1'000'000);
  scene.expect_clean_end();
}

TEST(ChainFailure, ClientThatVanishes) {
  ChainScene scene({.hops = 3});
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  scene.download(5'000'000);
  scene.network.run_for(2s);
  scene.client_host().set_down(true);
  EXPECT_TRUE(scene.run(60s));
  scene.expect_clean_end();  // gateways give up by their own timeouts
}

}  // namespace
}  // namespace sallyport::sim
