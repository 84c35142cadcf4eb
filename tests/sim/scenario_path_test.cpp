// The scenarios of quic-interop-runner that are about the path of a connection: it changes, goes away and
// comes back, marks, narrows.
#include "quic_scene.h"

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr std::size_t some_megabytes = 3'000'000;

/// Half a transfer, `event`, and the other half.
void interrupt(QuicScene& scene, QuicScene::Client& client, const std::function<void()>& event) {
  const quic::StreamId id = scene.begin_echo(client, some_megabytes);
  scene.network.run_for(300ms);  // of at least 480 ms that one direction takes at 50 Mbit/s
  ASSERT_FALSE(scene.echoed(client, id));
  ASSERT_GT(client.stats().bytes_sent, 100'000u);
  event();
  ASSERT_TRUE(scene.network.run_until([&] { return scene.echoed(client, id); }, 60s));
  EXPECT_EQ(client.application.streams.at(id).received.size(), some_megabytes);
}

TEST(Path, PortRebinding) {
  QuicScene scene;
  auto& client = scene.establish();
  const net::NetPath before = scene.server_application()->connection->path();
  interrupt(scene, client, [&] { scene.client_host.rebind_ports(); });
  EXPECT_EQ(scene.server_stats().path_changes, 1u);
  const net::NetPath after = scene.server_application()->connection->path();
  EXPECT_EQ(after.remote.ip(), before.remote.ip());
  EXPECT_NE(after.remote.port(), before.remote.port());
}

TEST(Path, AddressRebinding) {
  QuicScene scene;
  auto& client = scene.establish();
  const net::IpAddress elsewhere = scene.network.free_address();
  interrupt(scene, client, [&] { scene.client_host.move_to(elsewhere); });
  EXPECT_EQ(scene.server_stats().path_changes, 1u);
  EXPECT_EQ(scene.server_application()->connection->path().remote.ip(), elsewhere);
}

TEST(Path, RebindingAgainAndAgain) {
  QuicScene scene;
  // What the server says is lost with each rebinding, credit for more data too. A client that waits for that,
  // and has nothing to say meanwhile, would not be found again (RFC 9000 §10.1.2), were it not for its PINGs.
  auto& client = scene.establish();
  const quic::StreamId id = scene.begin_echo(client, 2 * some_megabytes);
  for (int i = 1; i <= 10; ++i) {
    scene.network.run_for(100ms);
    scene.client_host.rebind_ports();
  }
  // Only what is proven is a change; most of those addresses were gone before.
  for (int i = 1; i <= 10; ++i) {
    scene.network.run_for(600ms);
    scene.client_host.rebind_ports();
  }
  ASSERT_TRUE(scene.network.run_until([&] { return scene.echoed(client, id); }, 60s));
  EXPECT_GE(scene.server_stats().path_changes, 3u);
}

/// Behind a NAT that is short of ports, without keep-alive.
TEST(Path, DownloadsThroughANatThatChangesThePortAllTheTime) {
  constexpr std::size_t size = 1'500'000;  // 240 ms
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    QuicScene scene(seed);
    auto& client = scene.establish();
    SeededRandom random(seed);
    std::function<void()> change = [&] {
      scene.client_host.rebind_ports();
      scene.network.after(50ms + 1ms * static_cast<int>(random.below(251)), change);
    };
    scene.network.after(50ms + 1ms * static_cast<int>(random.below(251)), change);
    const quic::StreamId id = *client.connection->open_bidirectional();
    client.application.send(id, "a download, please", false);
    const Time asked = scene.network.now();
    auto& server = *scene.server_application();
    ASSERT_TRUE(scene.network.run_until([&] { return !server.streams[id].received.empty(); }, 5s));
    server.send(id, std::string(size, 'x'), true);
    const auto& stream = client.application.streams[id];
    ASSERT_TRUE(scene.network.run_until([&] { return stream.received_fin; }, 60s)) << "seed " << seed;
    EXPECT_EQ(stream.received.size(), size);
    EXPECT_LT(scene.network.now() - asked, 6s) << "seed " << seed;
  }
}

/// A server that takes its time hears of the client a few times only.
TEST(Path, AClientThatWaitsForAnAnswerDoesNotKeepAsking) {
  QuicScene scene;
  scene.client_options.config.idle_timeout = scene.server_options.config.idle_timeout = 300s;
  auto& client = scene.establish();
  client.application.send(*client.connection->open_bidirectional(), "a question", false);
  scene.network.run_for(1s);
  const std::uint64_t before = client.stats().packets_sent;
  scene.network.run_for(200s);
  EXPECT_LE(client.stats().packets_sent, before + 6);
  EXPECT_FALSE(client.application.closed);
}

TEST(Path, ConnectionMigration) {
  QuicScene scene;
  auto& client = scene.establish();
  scene.network.run_for(100ms);  // spare connection IDs come
  std::unique_ptr<net::DatagramPath> other_path;
  const net::IpAddress elsewhere = scene.network.free_address();
  interrupt(scene, client, [&] {
    scene.client_host.add_address(elsewhere);
    other_path = *scene.client_host.open_udp({scene.server_host.address(), 443});
    const auto moved = client.connection->migrate(*other_path);
    ASSERT_TRUE(moved) << moved.error().message;
  });
  EXPECT_EQ(client.stats().path_changes, 1u);
  EXPECT_EQ(scene.server_stats().path_changes, 1u);
  EXPECT_EQ(client.connection->path().local.ip(), elsewhere);
  EXPECT_EQ(scene.server_application()->connection->path().remote.ip(), elsewhere);
  client.connection.reset();  // before the path
}

TEST(Path, BlackHoleOfTwoSeconds) {
  QuicScene scene;
  auto& client = scene.establish();
  Time back{};
  interrupt(scene, client, [&] {
    scene.client_host.set_down(true);
    scene.network.run_for(2s);
    scene.client_host.set_down(false);
    back = scene.network.now();
  });
  EXPECT_GT(scene.client_host.up.counters().lost + scene.client_host.down.counters().lost, 10u);
  EXPECT_LT(scene.network.now() - back, 6s);  // the probe timeout had grown to 2 s or so
  EXPECT_FALSE(client.application.closed);
}

TEST(Path, Ecn) {
  QuicScene scene;
  std::uint64_t capable = 0, sent = 0;
  scene.network.set_filter([&](const Packet& packet) {
    ++sent;
    capable += packet.ecn == net::Ecn::ect0;
    return true;
  });
  // The queue marks long before it is full.
  scene.client_host.up.profile.bits_per_second = 10e6;
  scene.client_host.up.profile.mark_above = 20'000;
  auto& client = scene.establish();
  ASSERT_TRUE(scene.echo(client, some_megabytes));
  EXPECT_GT(capable, sent * 8 / 10);
  EXPECT_GT(scene.client_host.up.counters().marked, 0u);
  EXPECT_EQ(scene.server_stats().ecn_marked, scene.client_host.up.counters().marked);
  // The marks slowed the client down before it lost anything.
  EXPECT_EQ(scene.client_host.up.counters().queue_full, 0u);
  EXPECT_EQ(client.stats().packets_lost, 0u);
}

TEST(Path, EcnOff) {
  QuicScene scene;
  scene.client_options.config.ecn = false;
  std::uint64_t capable = 0;
  scene.network.set_filter([&](const Packet& packet) {
    capable += packet.path.local.ip() == scene.client_host.address() && packet.ecn != net::Ecn::not_ect;
    return true;
  });
  auto& client = scene.establish();
  EXPECT_TRUE(scene.echo(client, 100'000));
  EXPECT_EQ(capable, 0u);
}

TEST(Path, MtuIsFoundAndFollowed) {
  QuicScene scene;
  scene.each_link([](LinkProfile& link) { link.mtu = 1400; });
  auto& client = scene.establish();
  ASSERT_TRUE(scene.echo(client, 500'000));  // meanwhile
  scene.network.run_for(10s);
  EXPECT_GT(client.stats().max_udp_payload, 1372u - 16);
  EXPECT_LE(client.stats().max_udp_payload, 1372u);
  interrupt(scene, client,
            [&] { scene.server_host.down.profile.mtu = scene.server_host.up.profile.mtu = 1300; });
  EXPECT_GE(client.stats().max_udp_payload, 1200u);
  EXPECT_LE(client.stats().max_udp_payload, 1272u);
}

}  // namespace
}  // namespace sallyport::sim
