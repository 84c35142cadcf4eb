// Hops over HTTP/1.1, whose connection is used up by one tunnel: each tunnel has one of its own, through any
// number of hops.
#include "chain_scene.h"
#include "identity.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

using dial::HttpChoice;

std::string title(std::size_t hop) {
  return fmt::format("hop {} (hop{}.sim.test:443)", hop, hop);
}

/// Parameter: how many hops.
class Http1Hops : public testing::TestWithParam<std::size_t> {
 protected:
  static ChainScene::Options options() {
    ChainScene::Options made{.hops = GetParam()};
    made.client.hop_http = HttpChoice::h1;
    made.client.http = HttpChoice::h1;
    return made;
  }

  /// One that is under way, and takes long.
  const Transfer& begin_download(ChainScene& scene) {
    scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
    const Transfer& transfer = scene.download(5'000'000);
    scene.network.run_for(2s);
    EXPECT_FALSE(transfer.done);
    EXPECT_GT(transfer.bytes, 0u);
    return transfer;
  }

  /// What hop `number` shows to those who connect from now on.
  static void show(ChainScene& scene, std::size_t number,
                   std::shared_ptr<const tls::ServerCredentials> credentials) {
    auto next = std::make_shared<config::Configuration>(*scene.gateway(number).configuration());
    next->listeners[0].credentials = std::move(credentials);
    ASSERT_TRUE(scene.gateway(number).apply(std::move(next)));
  }
};

INSTANTIATE_TEST_SUITE_P(Hops, Http1Hops, testing::Values(1, 2), testing::PrintToStringParamName());

TEST_P(Http1Hops, CarrySeveralTransfersAtOnce) {
  ChainScene scene(options());
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 10e6; });
  constexpr std::size_t count = 4;
  std::vector<const Transfer*> transfers;
  for (std::size_t i = 0; i < count; ++i) transfers.push_back(&scene.download(10'000'000));
  const auto all_run = [&] {
    return std::ranges::all_of(transfers, [](const Transfer* transfer) { return transfer->bytes > 0; });
  };
  ASSERT_TRUE(scene.network.run_until(all_run, 10s));
  for (const Transfer* transfer : transfers) EXPECT_FALSE(transfer->done);
  for (std::size_t hop = 1; hop <= GetParam(); ++hop) {
    EXPECT_EQ(scene.gateway(hop).open_connections(), count);
    EXPECT_EQ(scene.gateway(hop).proxy().open[masque::Protocol::tcp], count);
  }
  std::vector<std::string> links, expected;
  for (const dial::LinkFigures& link : scene.client().figures())
    links.push_back(fmt::format("{}: {}", link.title, link.version));
  for (std::size_t hop = 1; hop <= GetParam(); ++hop) expected.insert(expected.end(), count, title(hop));
  expected.insert(expected.end(), count, fmt::format("origin {}:443", ChainScene::origin_name));
  for (std::string& link : expected) link += ": HTTP/1.1";
  EXPECT_EQ(links, expected) << "hops from the nearest on, then the origin";
  ASSERT_TRUE(scene.run());
  for (const Transfer* transfer : transfers) expect_intact(*transfer, 10'000'000);
  scene.expect_clean_end();
}

TEST_P(Http1Hops, LeadToSeveralOrigins) {
  ChainScene::Options made = options();
  made.client.http = HttpChoice::h3;  // which needs one connection to each
  ChainScene scene(std::move(made));
  const Transfer& one = scene.download(100'000);
  const Transfer& other = scene.client().download(ChainScene::hop_name(GetParam()), 100'000);
  ASSERT_TRUE(scene.run());
  expect_intact(one, 100'000);
  expect_intact(other, 100'000);
  scene.expect_clean_end();
}

TEST_P(Http1Hops, AreAskedForConnectWhereTheyRefuseConnectUdp) {
  ChainScene::Options made = options();
  made.client.http = HttpChoice::automatic;
  made.gateway.masque->protocols.erase(masque::Protocol::udp);
  ChainScene scene(std::move(made));
  const Transfer& transfer = scene.download(10'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 10'000);
  EXPECT_EQ(scene.client().figures().back().version, "HTTP/2");
  scene.expect_clean_end();
}

TEST_P(Http1Hops, FailOneTransferWhereOnlyItsConnectionFails) {
  ChainScene scene(options());
  const Transfer& first = begin_download(scene);
  for (std::size_t hop = 1; hop <= GetParam(); ++hop) {
    show(scene, hop, *tls::ServerCredentials::make({*tls::make_self_signed({"somebody.else.test"})}));
    const Transfer& next = scene.download(1'000);
    ASSERT_TRUE(scene.network.run_until([&] { return next.done; }, 10s));
    ASSERT_TRUE(next.error);
    EXPECT_EQ(next.error->kind, ErrorKind::tls) << next.error->message;
    EXPECT_TRUE(next.error->message.starts_with(title(hop) + ": ")) << next.error->message;
    show(scene, hop, server_credentials());
  }
  EXPECT_FALSE(scene.client().broken());
  const Transfer& last = scene.download(1'000);
  ASSERT_TRUE(scene.run());
  expect_intact(first, 5'000'000);
  expect_intact(last, 1'000);
  scene.expect_clean_end();
}

TEST_P(Http1Hops, AreToBlameWhereTheyAreGone) {
  for (std::size_t gone = 1; gone <= GetParam(); ++gone) {
    ChainScene scene(options());
    const Transfer& cut = begin_download(scene);
    scene.kill(gone);
    ASSERT_TRUE(scene.run(60s));
    ASSERT_TRUE(cut.error);
    ASSERT_TRUE(scene.client().broken());
    EXPECT_TRUE(scene.client().broken()->message.starts_with(title(GetParam()) + ": "))
        << "what led to the origin: " << scene.client().broken()->message;
    const Transfer& next = scene.download(1'000);
    ASSERT_TRUE(scene.run(60s));
    ASSERT_TRUE(next.error);
    EXPECT_TRUE(next.error->message.starts_with("hop ")) << next.error->message;
    EXPECT_NE(next.error->message.find(ChainScene::hop_name(gone)), std::string::npos) << next.error->message;
    scene.expect_clean_end();
  }
}

TEST_P(Http1Hops, AreLeftInOrderInTheMiddleOfAll) {
  ChainScene scene(options());
  begin_download(scene);
  scene.download(5'000'000);
  scene.network.run_for(GetParam() * 40ms);  // while connections to hops are being made
  scene.expect_clean_end();
}

}  // namespace
}  // namespace sallyport::sim
