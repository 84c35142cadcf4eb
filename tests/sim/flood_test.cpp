// Floods: tunnels of one connection over a path that is slower than what one of them sends without congestion
// control. It may not hold up the others, and sees no more than the bound itself (RFC 8290).
#include "http/h3_connection.h"
#include "identity.h"
#include "masque/udp_tunnel.h"
#include "network.h"
#include "sim_gateway.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr std::uint16_t target_port = 53;

/// Datagrams that say when they were sent, and how long each took.
struct Arrivals final : net::DatagramReceiver {
  explicit Arrivals(Network& its_network) : network(its_network) {}
  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time) override {
    from = path;
    for (Bytes rest = run.bytes; !rest.empty();
         rest = rest.subspan(std::min(run.segment_size, rest.size()))) {
      Duration sent;
      if (rest.size() < sizeof sent) return;
      std::memcpy(&sent, rest.data(), sizeof sent);
      took.push_back(network.now().time_since_epoch() - sent);
    }
  }
  Duration longest() const { return took.empty() ? Duration{} : *std::ranges::max_element(took); }
  Network& network;
  net::NetPath from;
  std::vector<Duration> took;
};

/// Two tunnels of one connection, each to a target of its own, with 10 Mbit/s between client and gateway,
/// whose own queue is 10 ms long.
struct Floods : http::ConnectionHandler {
  struct Tunnel {
    explicit Tunnel(Network& network) : at_client(network), at_target(network) {}
    std::unique_ptr<masque::UdpTunnel> tunnel;
    std::unique_ptr<Socket> target;
    Arrivals at_client, at_target;
  };

  explicit Floods(std::uint64_t seed, SimGateway::Options options = {}, http::Limits its_limits = {})
      : network(seed),
        gateway(network, network.add_host("gateway.sim.test"), std::move(options)),
        limits(its_limits) {
    for (LinkProfile* const link : {&client_host.up.profile, &client_host.down.profile}) {
      link->bits_per_second = 10e6;
      link->queue_bytes = 12'500;
    }
    quic::ClientOptions quic;
    quic.trust = client_trust();
    quic.host = gateway.host().name();
    quic.origin = quic.host + ":443";
    path = *client_host.open_udp({gateway.host().address(), SimGateway::port});
    connection =
        std::move(*http::make_h3_client({network.timers(), network.random()}, *path, quic, *this, limits));
    for (std::uint16_t i = 0; i < 2; ++i) {
      auto& each = *tunnels.emplace_back(std::make_unique<Tunnel>(network));
      const auto port = static_cast<std::uint16_t>(target_port + i);
      each.target = target_host.listen(port);
      each.target->set_receiver(&each.at_target);
      each.tunnel = std::make_unique<masque::UdpTunnel>(
          *connection, *masque::ProxyTemplate::parse("https://" + gateway.host().name()),
          masque::Target{target_host.address().to_string(), port}, http::Fields{},
          masque::TunnelEvents{[](const std::string&) {},
                               [](const Error& why) { ADD_FAILURE() << why.message; }});
      each.tunnel->set_receiver(&each.at_client);
      up(i, 100);
    }
    network.run_for(3s);
    for (const auto& each : tunnels) EXPECT_EQ(each->at_target.took.size(), 1u);
  }
  ~Floods() {
    stopped = true;
    for (const auto& each : tunnels) each->tunnel.reset();
    connection.reset();
  }
  void on_connection_closed(http::Connection&, const Error*) override {}

  std::vector<std::uint8_t> stamped(std::size_t size) const {
    std::vector<std::uint8_t> bytes(size);
    const Duration sent = network.now().time_since_epoch();
    std::memcpy(bytes.data(), &sent, sizeof sent);
    return bytes;
  }
  net::SendStatus up(std::size_t number, std::size_t size) {
    const auto bytes = stamped(size);
    return tunnels[number]->tunnel->send({}, {bytes, bytes.size()});
  }
  void down(std::size_t number, std::size_t size) {
    const auto bytes = stamped(size);
    tunnels[number]->target->send(tunnels[number]->at_target.from, {bytes, bytes.size()});
  }
  /// From now on.
  void every(Duration pause, const std::function<void()>& action) {
    network.after(pause, [this, pause, action] {
      if (stopped) return;
      action();
      every(pause, action);
    });
  }
  void forget() {
    for (const auto& each : tunnels) each->at_client.took.clear(), each->at_target.took.clear();
  }

  Network network;
  Host& client_host = network.add_host("client");
  Host& target_host = network.add_host("target");
  SimGateway gateway;
  http::Limits limits;
  std::unique_ptr<net::DatagramPath> path;
  std::unique_ptr<http::Connection> connection;
  std::vector<std::unique_ptr<Tunnel>> tunnels;
  bool stopped = false;
};

class Flood : public testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Seeds, Flood, testing::Range<std::uint64_t>(1, 9));

TEST_P(Flood, DownHoldsUpNoOtherTunnel) {
  Floods scene(GetParam());
  scene.every(20ms, [&] { scene.down(1, 100); });
  scene.network.run_for(5s);
  const Duration before = scene.tunnels[1]->at_client.longest();
  scene.forget();
  std::uint64_t sent = 0;
  scene.every(500us, [&] {  // 19 Mbit/s
    scene.down(0, 1200);
    ++sent;
  });
  scene.network.run_for(10s);
  const Arrivals& other = scene.tunnels[1]->at_client;
  EXPECT_GT(other.took.size(), 440u);
  EXPECT_LE(other.longest() - before, 20ms);
  // Its own are no older than the bound, and the way.
  const Arrivals& flood = scene.tunnels[0]->at_client;
  EXPECT_GT(flood.took.size(), 6'000u);
  EXPECT_LE(flood.longest(), quic::DatagramQueueOptions{}.sojourn_limit + before + 20ms);
  const auto counters = scene.gateway.proxy();
  // As its queue is full before its oldest datagram has waited for as long as it may.
  const std::uint64_t dropped = counters.dropped_sojourn + counters.dropped_queue;
  EXPECT_GT(counters.dropped_sojourn, 1'000u);
  EXPECT_GT(dropped, 6'000u);
  // All that did not arrive was counted somewhere.
  std::uint64_t lost = 0;
  scene.gateway.endpoint().for_each([&](quic::Connection& c) { lost += c.stats().datagrams_lost; });
  constexpr std::uint64_t under_way = 600;
  EXPECT_GE(flood.took.size() + dropped + lost + under_way, sent);
}

TEST_P(Flood, UpHoldsUpNoOtherTunnel) {
  Floods scene(GetParam());
  scene.every(20ms, [&] { scene.up(1, 100); });
  scene.network.run_for(5s);
  const Duration before = scene.tunnels[1]->at_target.longest();
  scene.forget();
  scene.every(500us, [&] { scene.up(0, 1200); });
  scene.network.run_for(10s);
  const Arrivals& other = scene.tunnels[1]->at_target;
  EXPECT_GT(other.took.size(), 440u);
  EXPECT_LE(other.longest() - before, 20ms);
  EXPECT_GT(scene.tunnels[0]->at_target.took.size(), 6'000u);
}

}  // namespace
}  // namespace sallyport::sim
