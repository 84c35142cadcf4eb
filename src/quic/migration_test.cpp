// Address changes: NAT rebinding seen by the server, migration asked for by the client (RFC 9000 §9).
#include "quic/application_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::Pair;

const net::SocketAddress elsewhere = *net::SocketAddress::parse("192.0.2.99:2000");

struct Moving : Pair {
  test::LinkEnd other{simulation, {elsewhere, *net::SocketAddress::parse("192.0.2.2:443")}};
  Moving() {
    on_accept = [](test::TestApplication& application) { application.echo = true; };
    other.connect(link.server);
    link.server.connect(other);
  }
  ~Moving() {
    client.reset();
    endpoint.reset();
  }
  bool echo(std::size_t size) {
    const StreamId id = *client->open_bidirectional();
    client_application.send(id, std::string(size, 'x'), true);
    return simulation.run_until([&] { return client_application.streams[id].received_fin; });
  }
};

TEST(Migration, NatRebindingIsFollowed) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(100'000));
  pair.link.client.rebind(elsewhere);
  ASSERT_TRUE(pair.echo(300'000));
  EXPECT_EQ(pair.server().path().remote, elsewhere);
  EXPECT_EQ(pair.server().stats().path_changes, 1u);
  EXPECT_EQ(pair.endpoint->stats().connections, 1u);
  EXPECT_EQ(pair.endpoint->stats().stateless_resets_sent, 0u);
}

// Each move with a new connection ID gives the peer room for another, while ngtcp2 still counts the one of
// the path that it would fall back to.
TEST(Migration, MovesAfterRebindingsKeepTheConnection) {
  for (const Duration pause : {0ms, 300ms, 700ms, 3000ms}) {
    Moving pair;
    ASSERT_TRUE(pair.establish());
    ASSERT_TRUE(pair.echo(1000));
    for (int i = 0; i < 4; ++i) {
      pair.link.client.rebind(*net::SocketAddress::parse("192.0.2.50:" + std::to_string(3000 + i)));
      ASSERT_TRUE(pair.echo(1000)) << pause / 1ms << " ms, " << i;
      pair.simulation.run_for(pause);
      ASSERT_TRUE(pair.client->migrate(i % 2 == 0 ? pair.other : pair.link.client))
          << pause / 1ms << " ms, " << i;
      ASSERT_TRUE(pair.echo(1000)) << pause / 1ms << " ms, " << i;
      pair.simulation.run_for(pause);
    }
    EXPECT_FALSE(pair.client_application.closed) << pause / 1ms;
  }
}

TEST(Migration, UnvalidatedAddressGetsLittle) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(1000));
  const StreamId id = *pair.server().open_bidirectional();
  pair.server_application().send(id, std::string(500'000, 'x'), true);
  pair.simulation.run_for(15ms);
  // One packet with a spoofed address starts a path validation that is not answered: the victim gets at most
  // three times as many bytes.
  std::size_t to_victim = 0, from_there = 0;
  pair.link.client.rebind(elsewhere);
  pair.link.client.filter = [&](Bytes datagram) {
    return std::exchange(from_there, from_there + datagram.size()) == 0;
  };
  pair.link.server.watch = [&](const net::SocketAddress& to, Bytes datagram) {
    to_victim += to == elsewhere ? datagram.size() : 0;
  };
  pair.link.server.filter = [](Bytes) { return false; };
  ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(1000, 'd'))));
  pair.simulation.run_for(0s);
  const std::size_t spoofed = from_there;
  pair.simulation.run_for(1s);
  EXPECT_GT(to_victim, 0u);
  EXPECT_LE(to_victim, 3 * spoofed);
  EXPECT_NE(pair.server().path().remote,
            elsewhere);  // logs and policy keep the old address until the new one is validated
}

TEST(Migration, OneUnvalidatedAddressAfterAnotherChangesNothing) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(1000));
  const net::NetPath before = pair.server().path();
  // Two new paths during one validation; neither is answered.
  for (const char* address : {"192.0.2.98:2000", "192.0.2.97:2000", "192.0.2.96:2000"}) {
    pair.link.client.rebind(*net::SocketAddress::parse(address));
    ASSERT_TRUE(pair.client->send_datagram({}, as_bytes("d")));
    pair.link.client.filter = [passed = 0](Bytes) mutable { return passed++ == 0; };
    pair.link.server.filter = [](Bytes) { return false; };
    pair.simulation.run_for(12ms);
    EXPECT_EQ(pair.server().path(), before) << address;
  }
  EXPECT_EQ(pair.server_application().datagrams.size(), 3u);
  pair.simulation.run_for(5s);
  EXPECT_EQ(pair.server().path(), before);
  EXPECT_EQ(pair.server().stats().path_changes, 0u);
  // The connection is where it was.
  pair.link.client.rebind(before.remote);
  pair.link.client.filter = pair.link.server.filter = nullptr;
  ASSERT_TRUE(pair.echo(100'000));
  EXPECT_EQ(pair.server().path(), before);
}

TEST(Migration, AfterAProvenAddressADeadOneChangesNothing) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(1000));
  pair.link.client.rebind(elsewhere);
  ASSERT_TRUE(pair.echo(1000));
  EXPECT_EQ(pair.server().path().remote, elsewhere);
  pair.link.client.rebind(*net::SocketAddress::parse("192.0.2.98:2000"));
  pair.link.server.filter = [](Bytes) { return false; };
  ASSERT_TRUE(pair.client->send_datagram({}, as_bytes("d")));
  pair.simulation.run_for(5s);
  EXPECT_EQ(pair.server().path().remote, elsewhere);
  EXPECT_EQ(pair.server().stats().path_changes, 1u);
}

/// A path that is about to die asks to wait, and never takes it back.
TEST(Migration, ClientMovesAwayFromABlockedPath) {
  for (const bool first_challenge_lost : {false, true}) {
    Moving pair;
    ASSERT_TRUE(pair.establish());
    ASSERT_TRUE(pair.echo(1000));
    pair.link.client.reports_blocked = true;
    const StreamId id = *pair.client->open_bidirectional();
    pair.client_application.send(id, std::string(300'000, 'x'), true);
    pair.simulation.run_for(100ms);
    pair.other.filter = [&](Bytes) { return !(first_challenge_lost && pair.other.sent <= 2); };
    pair.link.client.loss = 1;
    ASSERT_TRUE(pair.client->migrate(pair.other));
    ASSERT_TRUE(
        pair.simulation.run_until([&] { return pair.client_application.streams[id].received_fin; }, 10s))
        << first_challenge_lost;
    EXPECT_EQ(pair.client->stats().path_changes, 1u) << first_challenge_lost;
  }
}

TEST(Migration, ClientChangesABlockedSocketForAnotherWithTheSameAddress) {
  Moving pair;
  test::LinkEnd again{pair.simulation, pair.link.client.net_path()};
  again.connect(pair.link.server);
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(1000));
  pair.link.client.reports_blocked = true;
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, std::string(100'000, 'x'), true);
  pair.simulation.run_for(100ms);
  const std::uint64_t before = again.sent;
  ASSERT_TRUE(pair.client->migrate(again));
  pair.simulation.run_for(100ms);
  EXPECT_GT(again.sent, before);
  pair.client.reset();
}

TEST(Migration, ANextPathThatBlocksAndFailsLeavesTheOldOneFree) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(1000));
  pair.other.loss = 1;
  pair.other.reports_blocked = true;
  ASSERT_TRUE(pair.client->migrate(pair.other));
  pair.simulation.run_for(10s);
  EXPECT_EQ(pair.client->stats().path_changes, 0u);
  ASSERT_TRUE(pair.echo(100'000));
}

TEST(Migration, ClientMovesToAnotherPath) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(100'000));
  ASSERT_TRUE(pair.client->migrate(pair.other));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->stats().path_changes == 1; }, 5s));
  EXPECT_EQ(pair.client->path().local, elsewhere);
  const std::uint64_t on_old_path = pair.link.client.sent;
  ASSERT_TRUE(pair.echo(300'000));
  EXPECT_EQ(pair.link.client.sent, on_old_path);
  EXPECT_EQ(pair.server().path().remote, elsewhere);
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1472u);  // found anew
}

/// Of the one before nothing is known any more (RFC 9000 §14.2: for each path).
TEST(Migration, TheSizeOfAnotherPathIsFoundAnew) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(300'000));
  ASSERT_EQ(pair.client->stats().max_udp_payload, 1472u);
  pair.other.mtu = 1300;
  std::size_t too_large = 0;
  pair.other.filter = [&](Bytes datagram) {
    too_large += datagram.size() > 1300;
    return true;
  };
  ASSERT_TRUE(pair.client->migrate(pair.other));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->stats().path_changes == 1; }, 5s));
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1200u);
  ASSERT_TRUE(pair.echo(300'000));
  pair.simulation.run_for(10s);
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1300u);
  EXPECT_LE(too_large, 9u) << "three probes a size; no data";
}

TEST(Migration, TheServerFindsTheSizeOfAnotherPathAnew) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(300'000));
  ASSERT_EQ(pair.server().stats().max_udp_payload, 1472u);
  pair.link.client.rebind(elsewhere);
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, "x", false);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server().stats().path_changes == 1; }, 5s));
  EXPECT_EQ(pair.server().stats().max_udp_payload, 1200u);
  ASSERT_TRUE(pair.echo(300'000));
  pair.simulation.run_for(3s);
  ASSERT_TRUE(pair.echo(300'000)) << "the data of this one probes";
  EXPECT_EQ(pair.server().stats().max_udp_payload, 1472u);
}

TEST(Migration, DeadPathIsNotMovedTo) {
  Moving pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.echo(1000));
  pair.other.loss = 1;
  ASSERT_TRUE(pair.client->migrate(pair.other));
  EXPECT_FALSE(pair.client->migrate(pair.other));  // one at a time
  ASSERT_TRUE(pair.echo(100'000));
  pair.simulation.run_for(10s);
  EXPECT_EQ(pair.client->stats().path_changes, 0u);
  EXPECT_NE(pair.client->path().local, elsewhere);
  ASSERT_TRUE(pair.echo(100'000));
  pair.other.loss = 0;
  ASSERT_TRUE(pair.client->migrate(pair.other));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->stats().path_changes == 1; }, 5s));
}

TEST(Migration, NotBeforeTheHandshake) {
  Moving pair;
  pair.serve();
  pair.connect();
  EXPECT_FALSE(pair.client->migrate(pair.other));
}

}  // namespace
}  // namespace sallyport::quic
