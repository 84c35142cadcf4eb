// What lives how long while nobody says anything: a tunnel by its own idle timeout, a connection without
// requests by HTTP's, and neither by that of the QUIC connection.
#include "http/h3_connection.h"
#include "identity.h"
#include "masque/ip_tunnel.h"
#include "masque/udp_tunnel.h"
#include "network.h"
#include "sim_gateway.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

struct Client final : http::ConnectionHandler, net::DatagramReceiver {
  void on_connection_closed(http::Connection&, const Error* why) override {
    closed = true;
    if (why != nullptr) error = *why;
  }
  void on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time) override {
    received += as_text(run.bytes);
  }
  bool closed = false;
  std::optional<Error> error;
  std::string received;
};

/// A target that keeps what it got and from whom.
struct Target final : net::DatagramReceiver {
  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time) override {
    from = path;
    received += as_text(run.bytes);
  }
  net::NetPath from;
  std::string received;
};

/// A client that sends nothing of its own accord and would wait for an hour.
struct Silence {
  explicit Silence(SimGateway::Options options = {})
      : gateway(network, network.add_host("gateway.sim.test"), std::move(options)) {
    quic::ClientOptions quic;
    quic.trust = client_trust();
    quic.host = gateway.host().name();
    quic.origin = quic.host + ":443";
    quic.config.idle_timeout = 1h;
    limits.idle_timeout = 1h;
    path = *client_host.open_udp({gateway.host().address(), SimGateway::port});
    connection =
        std::move(*http::make_h3_client({network.timers(), network.random()}, *path, quic, client, limits));
    listening->set_receiver(&target);
  }
  ~Silence() {
    tunnel.reset();
    connection.reset();
  }
  void open_tunnel() {
    const std::string address = target_host.address().to_string();
    tunnel = std::make_unique<masque::UdpTunnel>(
        *connection, *masque::ProxyTemplate::parse("https://" + gateway.host().name()),
        masque::Target{address, 53}, http::Fields{},
        masque::TunnelEvents{[](const std::string&) {}, [this](const Error& why) { ended = why.message; }});
    tunnel->set_receiver(&client);
    tunnel->send({}, {as_bytes("ask"), 3});
    ASSERT_TRUE(network.run_until([this] { return target.received == "ask"; }, 5s));
  }
  void answer(std::string_view text) {
    listening->send(target.from, {as_bytes(text), text.size()});
    network.run_for(1s);
  }

  Network network{1};
  Host& client_host = network.add_host("client");
  Host& target_host = network.add_host("target");
  Target target;
  std::unique_ptr<Socket> listening = target_host.listen(53);
  SimGateway gateway;
  Client client;
  http::Limits limits;
  std::unique_ptr<net::DatagramPath> path;
  std::unique_ptr<http::Connection> connection;
  std::unique_ptr<masque::UdpTunnel> tunnel;
  std::string ended;
};

TEST(Idle, ATunnelLivesTwoMinutesThoughItsClientIsSilent) {
  Silence scene;
  ASSERT_NO_FATAL_FAILURE(scene.open_tunnel());
  scene.network.run_for(5s);
  const std::uint64_t before = scene.connection->quic()->stats().packets_sent;
  scene.network.run_for(113s);
  EXPECT_EQ(scene.connection->quic()->stats().packets_sent, before) << "by itself";
  scene.answer("after 119 seconds");
  EXPECT_EQ(scene.client.received, "after 119 seconds");
  EXPECT_EQ(scene.ended, "");
  EXPECT_FALSE(scene.client.closed);
}

TEST(Idle, ATunnelEndsByItsOwnTimeAndTheConnectionByThatWithoutRequests) {
  SimGateway::Options options;
  options.limits.idle_timeout = 45s;
  options.masque->udp_idle = 200s;
  Silence scene(std::move(options));
  ASSERT_NO_FATAL_FAILURE(scene.open_tunnel());
  scene.network.run_for(195s);
  EXPECT_EQ(scene.ended, "");
  scene.network.run_for(10s);
  EXPECT_NE(scene.ended.find("the hop ended the tunnel"), std::string::npos) << scene.ended;
  EXPECT_FALSE(scene.client.closed);
  scene.tunnel.reset();
  scene.network.run_for(40s);
  EXPECT_EQ(scene.gateway.open_connections(), 1u);
  scene.network.run_for(10s);
  EXPECT_TRUE(scene.client.closed);
  EXPECT_FALSE(scene.client.error) << scene.client.error->message;
  scene.network.run_for(5s);
  EXPECT_TRUE(scene.gateway.is_idle());
}

TEST(Idle, AConnectionThatNeverAsksForAnythingEnds) {
  SimGateway::Options options;
  options.limits.idle_timeout = 45s;
  Silence scene(std::move(options));
  scene.network.run_for(44s);
  EXPECT_FALSE(scene.client.closed);
  scene.network.run_for(3s);
  EXPECT_TRUE(scene.client.closed);
  EXPECT_FALSE(scene.client.error);
  scene.network.run_for(5s);
  EXPECT_TRUE(scene.gateway.is_idle());
}

/// Its memory is folded, and stays so when the tunnel looks at the path's MTU and an operator at the tunnel.
TEST(Idle, AConnectionWithAnIpTunnelRests) {
  SimGateway::Options options;
  options.ip.pool = {*net::IpPrefix::parse("10.89.0.0/24"), *net::IpPrefix::parse("fd89::/64")};
  Silence scene(std::move(options));
  std::size_t routes = 0;
  masque::IpTunnelEvents events;
  events.routes = [&routes](const auto& all) { routes = all.size(); };
  events.closed = [](const Error& why) { ADD_FAILURE() << why.message; };
  const auto proxy =
      masque::ProxyTemplate::parse("https://" + scene.gateway.host().name(), masque::Protocol::ip);
  auto ip_tunnel = masque::IpTunnel::open(*scene.connection, *proxy, {}, {}, std::move(events));
  ASSERT_TRUE(ip_tunnel);
  scene.network.run_for(20s);
  EXPECT_EQ(routes, 2u);
  const auto resting = [&scene] {
    std::size_t count = 0;
    scene.gateway.endpoint().for_each([&](quic::Connection& each) { count += each.stats().resting ? 1 : 0; });
    return count;
  };
  EXPECT_EQ(resting(), 1u);
  EXPECT_EQ(scene.gateway.worker().ip_tunnels().size(), 1u);
  EXPECT_EQ(resting(), 1u);
}

/// What a client that went away leaves behind is gone as soon, although QUIC would wait longer.
TEST(Idle, AConnectionWhoseClientVanishedEndsWithoutRequests) {
  SimGateway::Options options;
  options.limits.idle_timeout = 45s;
  Silence scene(std::move(options));
  scene.network.run_for(5s);
  scene.client_host.set_down(true);
  scene.network.run_for(50s);
  EXPECT_EQ(scene.gateway.open_connections(), 0u);
}

/// Not only once the longest tunnel could have been idle.
TEST(Idle, AClientThatVanishedIsGoneThoughItsTargetGoesOn) {
  SimGateway::Options options;
  options.limits.idle_timeout = 45s;
  Silence scene(std::move(options));
  ASSERT_NO_FATAL_FAILURE(scene.open_tunnel());
  scene.network.run_for(5s);
  scene.client_host.set_down(true);
  for (int i = 0; i < 44; ++i) scene.answer("and more");
  EXPECT_EQ(scene.gateway.open_connections(), 1u);
  for (int i = 0; i < 3; ++i) scene.answer("and more");
  EXPECT_EQ(scene.gateway.open_connections(), 0u);
  scene.network.run_for(1s);
  EXPECT_TRUE(scene.gateway.is_idle());
}

}  // namespace
}  // namespace sallyport::sim
