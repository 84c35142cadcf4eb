// The scenarios of quic-interop-runner that are about the beginning of a connection, between our client and
// our server. Each asserts that what it is named after did happen, not only that the connection survived it.
#include "quic_scene.h"

#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

TEST(Handshake, TakesOneRoundTrip) {
  QuicScene scene;
  auto& client = scene.establish();
  const quic::Stats stats = client.stats();
  // 20 ms on the way, and little over 5 KB to be sent at 50 Mbit/s and passed on by two links each way.
  EXPECT_LT(stats.established - stats.started, 23ms);
  EXPECT_EQ(stats.version, quic::version_1);
  EXPECT_FALSE(stats.resumed);
  EXPECT_FALSE(stats.retried);
  EXPECT_TRUE(scene.echo(client, 100'000));
  EXPECT_EQ(client.stats().packets_lost, 0u);
  EXPECT_EQ(scene.server_stats().packets_lost, 0u);
}

TEST(Handshake, Ipv6) {
  QuicScene scene(1, QuicScene::Family::v6);
  auto& client = scene.establish();
  EXPECT_TRUE(client.connection->path().remote.ip().is_v6());
  EXPECT_TRUE(scene.echo(client, 1'000'000));
  // 1,500 less the longer header of IPv6 and that of UDP, as far as the search goes.
  EXPECT_GT(client.stats().max_udp_payload, 1440u);
  EXPECT_LE(client.stats().max_udp_payload, 1452u);
}

TEST(Handshake, Retry) {
  QuicScene scene;
  scene.server_options.retry = quic::RetryPolicy::always;
  auto& client = scene.establish();
  EXPECT_TRUE(client.stats().retried);
  EXPECT_TRUE(scene.server_stats().retried);
  EXPECT_EQ(scene.endpoint->stats().retries_sent, 1u);
  EXPECT_GE(client.stats().established - client.stats().started, 40ms);  // it costs a round trip
  EXPECT_TRUE(scene.echo(client, 100'000));
}

TEST(Handshake, TokenOfAnEarlierConnectionSavesRetry) {
  QuicScene scene;
  scene.server_options.retry_above_half_open = 0;  // under load: asks everyone it does not know
  auto& first = scene.establish();
  EXPECT_TRUE(first.stats().retried);
  scene.network.run_for(100ms);  // NEW_TOKEN comes
  auto& second = scene.connect();
  ASSERT_TRUE(scene.network.run_until([&] { return scene.established(second); }, 10s));
  EXPECT_FALSE(second.stats().retried);
  EXPECT_EQ(scene.endpoint->stats().retries_sent, 1u);
}

TEST(Handshake, Resumption) {
  QuicScene scene;
  auto& first = scene.establish();
  EXPECT_FALSE(first.stats().resumed);
  scene.network.run_for(100ms);  // the ticket comes
  auto& second = scene.connect();
  ASSERT_TRUE(scene.network.run_until([&] { return scene.established(second); }, 10s));
  EXPECT_TRUE(second.stats().resumed);
  EXPECT_TRUE(scene.server_stats().resumed);
  EXPECT_FALSE(second.stats().early_data_accepted);
  EXPECT_TRUE(scene.echo(second, 100'000));
}

TEST(Handshake, ZeroRtt) {
  QuicScene scene;
  scene.client_options.early_data = true;
  scene.establish();
  scene.network.run_for(100ms);
  auto& client = scene.connect();
  ASSERT_TRUE(client.connection->can_send_early());
  const Time start = scene.network.now();
  const quic::StreamId id = scene.begin_echo(client, 2'000);
  ASSERT_TRUE(scene.network.run_until([&] { return scene.echoed(client, id); }, 10s));
  EXPECT_LT(scene.network.now() - start, 25ms);  // there and back once
  EXPECT_TRUE(client.stats().early_data_accepted);
  EXPECT_TRUE(scene.server_stats().early_data_accepted);
  EXPECT_EQ(scene.server_application()->early_bytes, 2'000u);
  EXPECT_EQ(client.application.early_rejected, 0u);
}

TEST(Handshake, ZeroRttThatAnotherServerRefuses) {
  QuicScene scene;
  scene.client_options.early_data = true;
  scene.establish();
  scene.network.run_for(100ms);
  scene.server_options.secret =
      tls::ServerSecret::random();  // it was started anew, and cannot read the ticket
  scene.endpoint.reset();
  scene.serve();
  auto& client = scene.connect();
  ASSERT_TRUE(client.connection->can_send_early());
  scene.begin_echo(client, 2'000);
  ASSERT_TRUE(scene.network.run_until([&] { return scene.established(client); }, 10s));
  EXPECT_EQ(client.application.early_rejected, 1u);
  EXPECT_FALSE(client.stats().early_data_accepted);
  EXPECT_FALSE(client.stats().resumed);
  EXPECT_TRUE(scene.echo(client, 100'000));
}

TEST(Handshake, Version2) {
  QuicScene scene;
  scene.client_options.config.versions =
      scene.server_options.config.versions = {quic::version_2, quic::version_1};
  auto& client = scene.establish();
  EXPECT_EQ(client.stats().version, quic::version_2);
  EXPECT_EQ(scene.server_stats().version, quic::version_2);
  EXPECT_TRUE(scene.echo(client, 100'000));
}

TEST(Handshake, ServerMovesOnToVersion2) {  // RFC 9368, compatible negotiation: no round trip more
  QuicScene scene;
  scene.server_options.config.versions = {quic::version_2, quic::version_1};
  auto& client = scene.establish();
  EXPECT_EQ(client.stats().version, quic::version_2);
  EXPECT_EQ(scene.server_stats().version, quic::version_2);
  EXPECT_EQ(scene.endpoint->stats().version_negotiations_sent, 0u);
  EXPECT_LT(client.stats().established - client.stats().started, 25ms);
  EXPECT_TRUE(scene.echo(client, 100'000));
}

TEST(Handshake, VersionNegotiation) {
  QuicScene scene;
  scene.client_options.config.versions = {quic::version_2, quic::version_1};
  scene.server_options.config.versions = {quic::version_1};
  auto& client = scene.establish();
  EXPECT_EQ(client.stats().version, quic::version_1);
  EXPECT_EQ(scene.endpoint->stats().version_negotiations_sent, 1u);
  EXPECT_TRUE(scene.echo(client, 100'000));
}

TEST(Handshake, AmplificationLimit) {
  QuicScene scene;
  // A certificate of some 9 KB: the server's first flight is far over three times the client's.
  std::vector<std::string> names{"server.sim.test"};
  for (int i = 0; i < 200; ++i) names.push_back(fmt::format("a-rather-long-name-number-{}.sim.test", i));
  scene.server_options.credentials = *tls::ServerCredentials::make({*tls::make_self_signed(names)});
  scene.client_options.trust = *tls::Trust::make({.insecure = true});
  scene.serve();

  std::uint64_t from_client = 0, from_server = 0;
  bool client_is_heard = true;
  scene.network.set_filter([&](const Packet& packet) {
    if (packet.path.local.ip() == scene.server_host.address()) {
      from_server += packet.bytes.size();
      return true;
    }
    if (!client_is_heard) return false;
    from_client += packet.bytes.size();
    client_is_heard = false;  // nothing but the first datagram arrives, so the address stays unproven
    return true;
  });
  auto& client = scene.connect();
  scene.network.run_for(3s);  // the server's timers would have it try again
  EXPECT_EQ(from_client, 1200u);
  EXPECT_GT(from_server, 2 * from_client);  // it does use what it may
  EXPECT_LE(from_server, 3 * from_client);
  EXPECT_FALSE(client.connection->is_established());

  scene.network.set_filter(nullptr);
  EXPECT_TRUE(scene.network.run_until([&] { return scene.established(client); }, 7s));
}

TEST(Handshake, LongRoundTrip) {
  QuicScene scene;
  scene.each_link([](LinkProfile& link) { link.delay = 375ms; });  // 1.5 s there and back
  auto& client = scene.establish();
  const quic::Stats stats = client.stats();
  // The first guess of the round-trip time makes the client try again once or twice; that must cost no
  // further round trip.
  EXPECT_GE(stats.established - stats.started, 1500ms);
  EXPECT_LT(stats.established - stats.started, 1550ms);
  EXPECT_TRUE(scene.echo(client, 100'000));
  EXPECT_GE(client.stats().min_rtt, 1500ms);
  EXPECT_EQ(scene.endpoint->stats().accepted, 1u);
}

/// Fifty connections, one after the other, each of which moves 1 KB: what handshakeloss, handshakecorruption
/// and multiconnect do.
void connect_fifty_times(QuicScene& scene) {
  scene.client_options.sessions = nullptr;  // whole handshakes only
  scene.client_options.config.handshake_timeout = scene.server_options.config.handshake_timeout = 60s;
  scene.client_options.config.idle_timeout = scene.server_options.config.idle_timeout = 120s;
  scene.serve();
  for (int i = 0; i < 50; ++i) {
    auto& client = scene.connect();
    ASSERT_TRUE(scene.network.run_until([&] { return client.connection->is_established(); }, 60s)) << i;
    ASSERT_TRUE(scene.echo(client, 1'000)) << i;
    client.connection->close(0, {});
  }
  scene.network.run_until([&] { return scene.endpoint->stats().connections == 0; }, 200s);
  EXPECT_EQ(scene.endpoint->stats().connections, 0u);
  EXPECT_EQ(scene.endpoint->stats().half_open, 0u);
}

TEST(Handshake, MultiConnect) {
  QuicScene scene;
  connect_fifty_times(scene);
  EXPECT_EQ(scene.endpoint->stats().accepted, 50u);
  EXPECT_EQ(scene.endpoint->stats().handshakes_completed, 50u);
}

TEST(Handshake, LossOfThirtyPercent) {
  QuicScene scene(3);
  scene.client_host.up.profile.loss = scene.client_host.down.profile.loss = 0.3;
  connect_fifty_times(scene);
  EXPECT_GT(scene.client_host.up.counters().lost, 50u);
  EXPECT_GT(scene.client_host.down.counters().lost, 50u);
}

TEST(Handshake, CorruptionOfThirtyPercent) {
  QuicScene scene(4);
  scene.client_host.up.profile.corrupt = scene.client_host.down.profile.corrupt = 0.3;
  connect_fifty_times(scene);
  EXPECT_GT(scene.client_host.up.counters().corrupted, 50u);
  EXPECT_GT(scene.client_host.down.counters().corrupted, 50u);
}

}  // namespace
}  // namespace sallyport::sim
