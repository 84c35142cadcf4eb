// A server's idle connections rest: their memory is folded, without an effect on the peer.
#include "quic/application_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

struct Resting : test::Pair {
  Resting() {
    server_options.config.idle_timeout = client_options.config.idle_timeout = 60s;
    on_accept = [](test::TestApplication& application) { application.echo = true; };
    EXPECT_TRUE(establish());
    EXPECT_FALSE(server().stats().resting);
    simulation.run_for(5s);
    EXPECT_TRUE(server().stats().resting);
  }
  void expect_echo(std::size_t size) {
    const StreamId id = *client->open_bidirectional();
    client_application.send(id, std::string(size, 'x'), true);
    auto& stream = client_application.streams[id];
    ASSERT_TRUE(simulation.run_until([&] { return stream.received_fin; }));
    EXPECT_EQ(stream.received, std::string(size, 'x'));
  }
};

TEST(Rest, WakesForThePeerAndGoesBack) {
  Resting pair;
  for (int i = 0; i < 3; ++i) {
    pair.expect_echo(100'000);
    EXPECT_FALSE(pair.server().stats().resting);
    pair.simulation.run_for(5s);
    EXPECT_TRUE(pair.server().stats().resting);
  }
}

TEST(Rest, WakesForTheApplication) {
  Resting pair;
  EXPECT_TRUE(pair.server().send_datagram({}, as_bytes("news")));
  pair.simulation.run_for(100ms);
  EXPECT_EQ(pair.client_application.datagrams, std::vector<std::string>{"news"});
}

TEST(Rest, FiguresAreTheSameAndWakeNobody) {
  test::Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(500ms);
  const Stats before = pair.server().stats();
  EXPECT_FALSE(before.resting);
  pair.simulation.run_for(5s);
  for (int i = 0; i < 2; ++i) {
    const Stats stats = pair.server().stats();
    EXPECT_TRUE(stats.resting);
    EXPECT_GT(stats.smoothed_rtt, Duration::zero());
    EXPECT_EQ(stats.smoothed_rtt, before.smoothed_rtt);
    EXPECT_EQ(stats.congestion_window, before.congestion_window);
    EXPECT_EQ(stats.version, version_1);
  }
}

TEST(Rest, WhatAnIdleTunnelAsksForWakesNobody) {
  Resting pair;
  EXPECT_TRUE(pair.server().peer_takes_datagrams());
  EXPECT_GT(pair.server().max_datagram_payload(), 1100u);
  EXPECT_EQ(pair.server().queued_datagram_bytes(), 0u);
  EXPECT_TRUE(pair.server().is_address_validated());
  EXPECT_TRUE(pair.server().stats().resting);
}

TEST(Rest, WhoeverLooksKeepsItAwakeForAMomentOnly) {
  Resting pair;
  for (int i = 0; i < 2; ++i) {
    EXPECT_GT(pair.server().proven_datagram_payload(), 1100u);
    EXPECT_FALSE(pair.server().stats().resting);
    pair.simulation.run_for(2s);
    EXPECT_TRUE(pair.server().stats().resting);
  }
  pair.expect_echo(1000);
}

TEST(Rest, ManyStreams) {
  Resting pair;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(pair.client->open_bidirectional());
  for (StreamId i = 0; i < 50; ++i) pair.client_application.send(4 * i, std::string(100, 'x'), false);
  pair.simulation.run_for(10s);  // a client with open requests sends a few PINGs first
  EXPECT_TRUE(pair.server().stats().resting);
  for (auto& [id, stream] : pair.client_application.streams) pair.client_application.send(id, "y", true);
  ASSERT_TRUE(pair.simulation.run_until([&] {
    return std::ranges::all_of(pair.client_application.streams,
                               [](const auto& item) { return item.second.received_fin; });
  }));
  EXPECT_EQ(pair.client_application.streams.size(), 50u);
}

TEST(Rest, KeysCanBeUpdatedAfterIt) {
  Resting pair;
  for (std::uint64_t updates = 1; updates <= 3; ++updates) {
    pair.expect_echo(1000);  // ngtcp2 has the next keys only some packets after the last update
    ASSERT_TRUE(pair.client->update_keys());
    pair.expect_echo(1000);
    EXPECT_EQ(pair.server().stats().key_updates, updates);
    pair.simulation.run_for(5s);
    EXPECT_TRUE(pair.server().stats().resting);
  }
}

TEST(Rest, SurvivesNatRebinding) {
  Resting pair;
  pair.link.client.rebind(*net::SocketAddress::parse("192.0.2.9:4000"));
  pair.expect_echo(10'000);
  pair.simulation.run_for(10s);  // the new path's size is searched for
  EXPECT_TRUE(pair.server().stats().resting);
  EXPECT_EQ(pair.server().stats().path_changes, 1u);
}

TEST(Rest, EndsByTheIdleTimeout) {
  Resting pair;
  pair.link.client.filter = [](Bytes) { return false; };
  pair.simulation.run_for(50s);
  EXPECT_FALSE(pair.server_closed);
  pair.simulation.run_for(20s);
  ASSERT_TRUE(pair.server_closed);
  EXPECT_EQ(pair.server_closed->by, Closed::By::idle_timeout);
}

TEST(Rest, IsClosedFromEitherSide) {
  {
    Resting pair;
    pair.client->close(0x100, {});
    ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_closed.has_value(); }));
    EXPECT_EQ(pair.server_closed->by, Closed::By::peer);
  }
  Resting pair;
  pair.endpoint->close_all(0x100);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::peer);
  EXPECT_EQ(pair.client_application.closed->code, 0x100u);
}

TEST(Rest, IsDestroyedInIt) {
  Resting pair;
  pair.endpoint.reset();
}

}  // namespace
}  // namespace sallyport::quic
