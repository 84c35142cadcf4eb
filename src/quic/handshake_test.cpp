// Handshakes between our client and our server: versions, Retry, resumption, 0-RTT, and how they fail.
#include "quic/application_for_test.h"
#include "tls/session_cache.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::Pair;

bool is_long(Bytes datagram) {
  return (datagram[0] & 0x80) != 0;
}
std::uint32_t version_of(Bytes datagram) {
  return std::uint32_t{datagram[1]} << 24 | std::uint32_t{datagram[2]} << 16 |
         std::uint32_t{datagram[3]} << 8 | datagram[4];
}

/// A pair whose client remembers sessions; meet() makes one connection after the other.
struct Returning : Pair {
  tls::SessionCache sessions;
  Returning() { client_options.sessions = &sessions; }

  /// One whole connection: handshake, tickets, close.
  void meet() {
    if (!endpoint) serve();
    client_application = {};
    connect();
    ASSERT_TRUE(simulation.run_until([this] { return client->is_established(); }));
    simulation.run_for(1s);
  }
  void part() {
    client->close(0x100, {});
    simulation.run_for(1s);
    client.reset();
  }
};

TEST(Handshake, AgreesOnAlpnNameAndVersion) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(pair.client->alpn(), "h3");
  EXPECT_EQ(pair.server().alpn(), "h3");
  EXPECT_EQ(pair.server().server_name(), "server.test");
  EXPECT_EQ(pair.client_application.established, 1u);
  EXPECT_EQ(pair.server_application().established, 1u);
  EXPECT_EQ(pair.client->stats().version, version_1);
  const EndpointStats stats = pair.endpoint->stats();
  EXPECT_EQ(stats.handshakes_completed, 1u);
  EXPECT_EQ(stats.half_open, 0u);
  EXPECT_EQ(stats.connections, 1u);
}

TEST(Handshake, TakesOneRoundTrip) {
  Pair pair;
  pair.serve();
  pair.connect();
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->is_established(); }));
  EXPECT_EQ(pair.client->stats().established - pair.client->stats().started, 20ms);
}

TEST(Handshake, ServerSendsWithItsFirstFlight) {
  Pair pair;
  pair.on_accept = [](test::TestApplication& application) {
    application.when_established = [&application] {
      application.send(*application.connection->open_unidirectional(), "settings", false);
    };
  };
  pair.serve();
  pair.connect();
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->is_established(); }));
  ASSERT_EQ(pair.client_application.streams.size(), 1u);
  EXPECT_EQ(pair.client_application.streams.begin()->second.received, "settings");
}

TEST(Handshake, ClientInitialIs1200Bytes) {
  Pair pair;
  std::vector<std::size_t> sizes;
  pair.link.client.filter = [&](Bytes datagram) {
    sizes.push_back(datagram.size());
    return true;
  };
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(sizes.at(0), 1200u);
}

TEST(Handshake, FirstDatagramIsFilledUpWhereAsked) {
  Pair pair;
  pair.client_options.config.first_datagram_size = 1290;
  std::vector<std::size_t> sizes;
  pair.link.client.filter = [&](Bytes datagram) {
    sizes.push_back(datagram.size());
    return true;
  };
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(sizes.at(0), 1290u);
  EXPECT_EQ(pair.endpoint->stats().dropped_malformed, 0u);
  EXPECT_EQ(pair.client->stats().packets_lost, 0u);
}

TEST(Handshake, FillingUpDoesNotFailNarrowPaths) {
  Pair silent;  // drops what is too large
  silent.client_options.config.first_datagram_size = 1290;
  silent.link.client.mtu = 1250;
  EXPECT_TRUE(silent.establish());

  Pair told;  // refuses it
  told.client_options.config.first_datagram_size = 1290;
  told.link.client.max_size = 1250;
  ASSERT_TRUE(told.establish());
  EXPECT_EQ(told.client->stats().packets_lost, 0u);
}

TEST(Handshake, Version2) {
  Pair pair;
  pair.client_options.config.versions = {version_2, version_1};
  pair.server_options.config.versions = {version_2, version_1};
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(pair.client->stats().version, version_2);
  EXPECT_EQ(pair.server().stats().version, version_2);
}

TEST(Handshake, ServerChangesToTheVersionItPrefers) {
  Pair pair;
  pair.client_options.config.versions = {version_1, version_2};
  pair.server_options.config.versions = {version_2, version_1};
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(pair.client->stats().version, version_2);
  EXPECT_EQ(pair.server().stats().version, version_2);
  EXPECT_EQ(pair.endpoint->stats().version_negotiations_sent, 0u);
}

TEST(Handshake, VersionNegotiationPacketIsFollowed) {
  Pair pair;
  pair.client_options.config.versions = {version_2, version_1};
  pair.server_options.config.versions = {version_1};
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(pair.client->stats().version, version_1);
  EXPECT_EQ(pair.endpoint->stats().version_negotiations_sent, 1u);
}

TEST(Handshake, NoVersionInCommon) {
  Pair pair;
  pair.client_options.config.versions = {version_2};
  pair.server_options.config.versions = {version_1};
  pair.serve();
  pair.connect();
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::version);
  EXPECT_EQ(pair.client_application.closed->to_error().message, "no QUIC version in common with the server");
  EXPECT_TRUE(pair.client->is_closed());
}

TEST(Handshake, RetryAlways) {
  Pair pair;
  pair.server_options.retry = RetryPolicy::always;
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(pair.endpoint->stats().retries_sent, 1u);
  EXPECT_TRUE(pair.client->stats().retried);
  EXPECT_TRUE(pair.server().stats().retried);
}

TEST(Handshake, RetryUnderLoadOnly) {
  Pair pair;
  pair.server_options.retry_above_half_open = 0;
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(pair.endpoint->stats().retries_sent, 1u);
}

TEST(Handshake, LossyBothWays) {
  for (int seed = 0; seed < 20; ++seed) {
    Pair pair;
    int left = seed;  // another packet is lost in each round
    pair.link.client.filter = pair.link.server.filter = [&left](Bytes) { return left-- % 3 != 0; };
    ASSERT_TRUE(pair.establish()) << seed;
  }
}

TEST(Handshake, SilentServerTimesOut) {
  Pair pair;
  pair.link.client.loss = 1;
  pair.connect();
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::handshake_timeout);
  EXPECT_GE(pair.simulation.timers.now() - pair.client->stats().started, 10s);
  EXPECT_LT(pair.simulation.timers.now() - pair.client->stats().started, 20s);
}

TEST(Handshake, ClientThatFallsSilentIsGivenUp) {
  Pair pair;
  pair.serve();
  pair.connect();
  int passed = 0;
  pair.link.client.filter = [&](Bytes) { return passed++ == 0; };
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.endpoint->stats().half_open == 1; }));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.endpoint->stats().half_open == 0; }));
  EXPECT_EQ(pair.endpoint->stats().handshakes_failed, 1u);
  EXPECT_EQ(pair.endpoint->stats().connections, 0u);
}

TEST(Handshake, UntrustedCertificateIsAnErrorThatSaysSo) {
  Pair pair;
  pair.client_options.trust = *tls::Trust::make({});
  pair.serve();
  pair.connect();
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  const Closed& closed = *pair.client_application.closed;
  EXPECT_EQ(closed.by, Closed::By::us);
  EXPECT_EQ(closed.code, 0x100u + 48) << "unknown_ca";
  EXPECT_EQ(closed.to_error().kind, ErrorKind::tls);
  EXPECT_NE(closed.to_error().message.find("certificate"), std::string::npos) << closed.to_error().message;
  EXPECT_EQ(pair.client_application.established, 0u);
  // The server learns the alert, not our words.
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.endpoint->stats().connections == 0; }));
  ASSERT_TRUE(pair.server_closed);
  EXPECT_EQ(pair.server_closed->by, Closed::By::peer);
  EXPECT_EQ(pair.server_closed->code, closed.code);
  EXPECT_EQ(pair.server_closed->reason, "");
  const std::string told = pair.server_closed->to_error().message;
  EXPECT_TRUE(told.starts_with("the client refused the certificate: ")) << told;
  EXPECT_TRUE(told.ends_with("(alert " + std::to_string(closed.code - 0x100) + ")")) << told;
}

TEST(Handshake, NoCommonAlpn) {
  Pair pair;
  pair.client_options.alpn = {"other"};
  pair.serve();
  pair.connect();
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::peer);
  EXPECT_EQ(pair.client_application.closed->code, 0x100u + 120);  // no_application_protocol (RFC 9001 §8.1)
}

TEST(Handshake, RefusedWhenNotAccepting) {
  Pair pair;
  pair.serve();
  pair.endpoint->stop_accepting();
  pair.connect();
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_EQ(pair.client_application.closed->code, 2u);  // CONNECTION_REFUSED
  EXPECT_EQ(pair.client_application.closed->to_error().kind, ErrorKind::refused);
}

TEST(Handshake, PathThatIsTooNarrowIsRefusedAtOnce) {
  Pair pair;
  pair.link.client.max_size = 1199;
  const auto connection =
      Connection::connect(pair.environment, pair.link.client, pair.client_application, pair.client_options);
  ASSERT_FALSE(connection);
  EXPECT_EQ(connection.error().kind, ErrorKind::too_large);
}

TEST(Resumption, SecondConnectionUsesTheTicket) {
  Returning pair;
  pair.meet();
  EXPECT_FALSE(pair.client->stats().resumed);
  pair.part();
  pair.meet();
  EXPECT_TRUE(pair.client->stats().resumed);
  EXPECT_TRUE(pair.server().stats().resumed);
}

TEST(Resumption, TicketOfAnotherServerIsForgotten) {
  Returning pair;
  pair.meet();
  pair.part();
  pair.endpoint.reset();
  pair.server_options.secret = tls::ServerSecret::random();
  pair.meet();
  EXPECT_FALSE(pair.client->stats().resumed);
}

TEST(Resumption, AddressTokenSparesRetry) {
  Returning pair;
  pair.meet();
  pair.part();
  pair.endpoint.reset();
  pair.server_options.retry_above_half_open = 0;
  pair.meet();
  EXPECT_EQ(pair.endpoint->stats().retries_sent, 0u);
  pair.part();
}

TEST(Resumption, AddressTokenIsGoodOnce) {
  Returning pair;
  pair.server_options.used_tokens = std::make_shared<tls::ReplayRecord>();
  pair.meet();
  pair.part();
  const auto token = pair.sessions.take_token(pair.client_options.origin);
  ASSERT_FALSE(token.empty());
  pair.endpoint.reset();
  pair.server_options.retry_above_half_open = 0;
  for (const std::uint64_t retries : {0u, 1u}) {
    pair.sessions.store_token(pair.client_options.origin, token);
    pair.meet();
    EXPECT_EQ(pair.endpoint->stats().retries_sent, retries);
    pair.part();
  }
  EXPECT_EQ(pair.endpoint->stats().ignored_tokens, 1u);
}

TEST(Resumption, AddressTokenIsDatedByTheWallClock) {
  static WallTime time;
  time = WallTime(1'000'000s);
  Returning pair;
  pair.server_options.wall_clock = [] { return time; };
  pair.meet();
  pair.part();
  // Another replica, whose steady clock began at another time.
  pair.endpoint.reset();
  pair.server_options.retry_above_half_open = 0;
  pair.simulation.run_for(48h);
  time += 59min;
  pair.meet();
  EXPECT_EQ(pair.endpoint->stats().retries_sent, 0u);
  pair.part();
  time += 61min;
  pair.meet();
  EXPECT_EQ(pair.endpoint->stats().retries_sent, 1u);
}

TEST(Resumption, AddressTokenIsBoundToTheAddress) {
  Returning pair;
  pair.meet();
  pair.part();
  pair.endpoint.reset();
  pair.server_options.retry_above_half_open = 0;
  pair.link.client.rebind(*net::SocketAddress::parse("192.0.2.77:1000"));
  pair.meet();
  EXPECT_EQ(pair.endpoint->stats().retries_sent, 1u);
  EXPECT_EQ(pair.endpoint->stats().ignored_tokens, 1u);
}

TEST(Resumption, TicketStaysWithItsVersion) {
  Returning pair;
  pair.client_options.config.versions = {version_2, version_1};
  pair.server_options.config.versions = {version_2, version_1};
  pair.meet();
  pair.part();
  // The client would rather speak version 1 now, but its ticket is one of version 2.
  pair.client_options.config.versions = {version_1, version_2};
  std::uint32_t first_version = 0;
  pair.link.client.filter = [&](Bytes datagram) {
    if (first_version == 0 && is_long(datagram)) first_version = version_of(datagram);
    return true;
  };
  pair.meet();
  EXPECT_EQ(first_version, version_2);
  EXPECT_TRUE(pair.client->stats().resumed);
}

struct EarlyData : Returning {
  EarlyData() { client_options.early_data = true; }
  /// Connects and sends `text` on a stream before anything came back.
  StreamId connect_and_send(const std::string& text) {
    client_application = {};
    connect();
    EXPECT_TRUE(client->can_send_early());
    const StreamId id = *client->open_bidirectional();
    client_application.send(id, text, true);
    return id;
  }
};

TEST(ZeroRtt, IsAcceptedAndSavesARoundTrip) {
  EarlyData pair;
  pair.on_accept = [](test::TestApplication& application) { application.echo = true; };
  pair.meet();
  pair.part();
  const StreamId id = pair.connect_and_send("early");
  const Time start = pair.simulation.timers.now();
  auto& stream = pair.client_application.streams[id];
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.received_fin; }));
  EXPECT_EQ(stream.received, "early");
  EXPECT_EQ(pair.simulation.timers.now() - start, 20ms);
  EXPECT_TRUE(pair.client->stats().early_data_accepted);
  EXPECT_EQ(pair.server_application().early_bytes, 5u);
  EXPECT_EQ(pair.client_application.early_rejected, 0u);
}

TEST(ZeroRtt, RejectedDataIsToldAndTheConnectionGoesOn) {
  EarlyData pair;
  pair.meet();
  pair.part();
  pair.endpoint.reset();
  pair.server_options.early_data = false;
  pair.serve();
  pair.connect_and_send("early");
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->is_established(); }));
  EXPECT_EQ(pair.client_application.early_rejected, 1u);
  EXPECT_EQ(pair.client_application.established, 1u);
  EXPECT_FALSE(pair.client->stats().early_data_accepted);
  EXPECT_EQ(pair.server_application().early_bytes, 0u);
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, "again", true);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_application().streams[id].received_fin; }));
  EXPECT_EQ(pair.server_application().streams[id].received, "again");
}

TEST(ZeroRtt, SettingsAreRemembered) {
  EarlyData pair;
  pair.meet();
  EXPECT_TRUE(pair.client->remembered_settings().empty());
  pair.client->remember_settings(as_bytes("settings"));
  pair.part();
  pair.connect();
  EXPECT_EQ(as_text(pair.client->remembered_settings()), "settings");
}

}  // namespace
}  // namespace sallyport::quic
