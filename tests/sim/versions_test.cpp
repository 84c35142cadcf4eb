// HTTP versions and tunnels of all kinds over the simulated network: HTTP/2 and HTTP/1.1 hops and origins,
// TCP under loss and resets, and the races of --http auto.
#include "chain_scene.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

using dial::HttpChoice;

std::string name_of(HttpChoice choice) {
  switch (choice) {
    case HttpChoice::h3:
      return "h3";
    case HttpChoice::h2:
      return "h2";
    case HttpChoice::h1:
      return "h1";
    case HttpChoice::automatic:
      return "auto";
  }
  return "";
}

struct Way {
  std::size_t hops = 0;
  HttpChoice hop = HttpChoice::h3, origin = HttpChoice::h3;
};

class Versions : public testing::TestWithParam<Way> {
 protected:
  static ChainScene::Options options() {
    ChainScene::Options made{.hops = GetParam().hops};
    made.client.hop_http = GetParam().hop;
    made.client.http = GetParam().origin;
    return made;
  }
  ChainScene scene{options()};
};

std::vector<Way> ways() {
  std::vector<Way> all;
  for (const auto origin : {HttpChoice::h2, HttpChoice::h1}) all.push_back({0, HttpChoice::h3, origin});
  for (const std::size_t hops : {1u, 2u})
    for (const auto hop : {HttpChoice::h3, HttpChoice::h2, HttpChoice::h1})
      for (const auto origin : {HttpChoice::h3, HttpChoice::h2, HttpChoice::h1})
        all.push_back({hops, hop, origin});
  return all;
}

INSTANTIATE_TEST_SUITE_P(By, Versions, testing::ValuesIn(ways()), [](const auto& given) {
  return fmt::format("{}_hops_{}_origin_{}", given.param.hops, name_of(given.param.hop),
                     name_of(given.param.origin));
});

TEST_P(Versions, TransfersBothWaysUnderLossAndReordering) {
  scene.each_link([](LinkProfile& link) {
    link.loss = 0.01;
    link.reorder = 0.02;
    link.bits_per_second = 20e6;
  });
  const Transfer& down = scene.download(300'000);
  const Transfer& up = scene.upload(200'000);
  ASSERT_TRUE(scene.run(300s));
  expect_intact(down, 300'000);
  expect_intact(up, 200'000);
  scene.expect_clean_end();
}

TEST_P(Versions, SeveralTransfersAtOnceOnAGoodNetwork) {
  std::vector<std::pair<const Transfer*, std::uint64_t>> transfers;
  for (std::uint64_t i = 0; i < 8; ++i) {
    const std::uint64_t bytes = i * i * 3000;
    transfers.emplace_back(i % 3 == 0 ? &scene.upload(bytes) : &scene.download(bytes), bytes);
  }
  ASSERT_TRUE(scene.run());
  for (const auto& [transfer, bytes] : transfers) expect_intact(*transfer, bytes);
  scene.expect_clean_end();
}

/// Over TCP: a middlebox resets every connection of the origin's in the middle of a transfer.
class Resets : public testing::TestWithParam<Way> {};

INSTANTIATE_TEST_SUITE_P(By, Resets,
                         testing::Values(Way{0, HttpChoice::h3, HttpChoice::h2},
                                         Way{0, HttpChoice::h3, HttpChoice::h1},
                                         Way{1, HttpChoice::h2, HttpChoice::h2},
                                         Way{1, HttpChoice::h1, HttpChoice::h1},
                                         Way{1, HttpChoice::h3, HttpChoice::h2}),
                         [](const auto& given) {
                           return fmt::format("{}_hops_{}_origin_{}", given.param.hops,
                                              name_of(given.param.hop), name_of(given.param.origin));
                         });

TEST_P(Resets, EndTheTransferAndLeaveNothing) {
  ChainScene::Options options{.hops = GetParam().hops};
  options.client.hop_http = GetParam().hop;
  options.client.http = GetParam().origin;
  ChainScene scene(std::move(options));
  scene.each_link([](LinkProfile& link) { link.bits_per_second = 5e6; });
  const Transfer& transfer = scene.download(5'000'000);
  scene.network.run_for(2s);
  ASSERT_FALSE(transfer.done);
  ASSERT_GT(transfer.bytes, 0u);
  scene.origin_host().reset_tcp_connections();
  ASSERT_TRUE(scene.run(60s));
  ASSERT_TRUE(transfer.error) << "a transfer that was cut is not whole";
  EXPECT_LT(transfer.bytes, 5'000'000u);
  const Transfer& next = scene.download(10'000);
  ASSERT_TRUE(scene.run(60s));
  expect_intact(next, 10'000);
  scene.expect_clean_end();
}

class Race : public testing::Test {
 protected:
  static ChainScene::Options options() {
    ChainScene::Options made;
    made.client.http = HttpChoice::automatic;
    return made;
  }
  std::string version() { return scene.client().figures().back().version; }
  ChainScene scene{options()};
};

TEST_F(Race, Http3WinsWhereBothAnswer) {
  const Transfer& transfer = scene.download(10'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 10'000);
  EXPECT_EQ(version(), "HTTP/3");
  scene.expect_clean_end();
}

TEST_F(Race, TcpWinsWhereUdpIsDropped) {
  scene.network.set_filter([](const Packet& packet) { return packet.protocol == Protocol::tcp; });
  const Transfer& transfer = scene.download(10'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 10'000);
  EXPECT_EQ(version(), "HTTP/2");
  EXPECT_LT(transfer.ended - transfer.started, 2s);
}

TEST_F(Race, TcpWinsWhereHttp3IsTooSlowToStand) {
  // The first UDP packets are lost, so that QUIC's next attempt comes later than TCP.
  scene.network.set_filter(
      [held = 0](const Packet& packet) mutable { return packet.protocol == Protocol::tcp || ++held > 12; });
  const Transfer& transfer = scene.download(10'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 10'000);
  EXPECT_EQ(version(), "HTTP/2");
  scene.network.set_filter(nullptr);
  scene.expect_clean_end();
}

TEST_F(Race, Http3WinsWhereTcpIsFirewalled) {
  scene.origin_host().set_tcp_down(true);
  scene.network.set_filter([this](const Packet& packet) {
    return packet.protocol == Protocol::tcp || scene.network.elapsed() > 350ms;
  });
  const Transfer& transfer = scene.download(10'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 10'000);
  EXPECT_EQ(version(), "HTTP/3");
}

TEST_F(Race, Http3WinsWhereTcpIsRefused) {
  auto without = std::make_shared<config::Configuration>(*scene.origin().configuration());
  without->listeners[0].id = "without TCP";
  without->listeners[0].tcp = false;
  without->listeners[0].address.set_port(8443);
  ASSERT_TRUE(scene.origin().apply(std::move(without)));
  scene.network.set_filter([this](const Packet& packet) {
    return packet.protocol == Protocol::tcp || scene.network.elapsed() > 350ms;
  });
  const Transfer& transfer = scene.client().download(fmt::format("{}:8443", ChainScene::origin_name), 10'000);
  ASSERT_TRUE(scene.run());
  expect_intact(transfer, 10'000);
  EXPECT_EQ(version(), "HTTP/3");
}

TEST_F(Race, BothSilentIsAnErrorInTime) {
  scene.origin_host().set_down(true);
  const Transfer& transfer = scene.download(10'000);
  ASSERT_TRUE(scene.run(30s));
  ASSERT_TRUE(transfer.error);
  EXPECT_EQ(transfer.error->kind, ErrorKind::timeout) << transfer.error->message;
  EXPECT_TRUE(transfer.error->message.starts_with("origin ")) << transfer.error->message;
}

TEST_F(Race, BothRefusedIsAnErrorAtOnce) {
  scene.kill(1);
  const Transfer& transfer = scene.download(10'000);
  ASSERT_TRUE(scene.run(5s));
  ASSERT_TRUE(transfer.error);
  for (const char* tried : {"QUIC: ", "TCP: ", "Connection refused"})
    EXPECT_NE(transfer.error->message.find(tried), std::string::npos) << transfer.error->message;
}

}  // namespace
}  // namespace sallyport::sim
