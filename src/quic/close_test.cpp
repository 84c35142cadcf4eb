// How connections end, and what the peer sees.
#include "quic/application_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::Pair;

TEST(Close, IsToldLaterAndEndsTheServersSide) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.client->close(0x100, {});
  EXPECT_FALSE(pair.client_application.closed);  // never from inside
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }, 0s));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::us);
  EXPECT_TRUE(pair.client->is_closed());
  EXPECT_FALSE(pair.client->open_bidirectional());
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.endpoint->stats().connections == 0; }));
}

TEST(Close, PeersWordsComeAsTheyAreForWhoPrintsThemToEscape) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.server().close(0x10c, "bye\n\x1b[31m");
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  const Closed& closed = *pair.client_application.closed;
  EXPECT_EQ(closed.by, Closed::By::peer);
  EXPECT_TRUE(closed.application);
  EXPECT_EQ(closed.code, 0x10cu);
  EXPECT_EQ(closed.reason, "bye\n\x1b[31m");
  EXPECT_FALSE(closed.clean());
  EXPECT_EQ(closed.to_error().message,
            "the peer closed the connection (application error 0x10c): bye\n\x1b[31m");
}

TEST(Close, NoErrorIsClean) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.server().close(0x100, {});
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_TRUE(pair.client_application.closed->clean());
}

TEST(Close, CallbackErrorBecomesTheApplicationCode) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.server_application().answer_data_with = Error{ErrorKind::protocol, "a bad frame", 0x106};
  pair.client_application.send(*pair.client->open_bidirectional(), "x", true);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_TRUE(pair.client_application.closed->application);
  EXPECT_EQ(pair.client_application.closed->code, 0x106u);
  EXPECT_EQ(pair.client_application.closed->reason, "a bad frame");
}

TEST(Close, BeforeTheHandshakeEnds) {
  Pair pair;
  pair.serve();
  pair.connect();
  pair.simulation.run_for(5ms);
  pair.client->close(0x100, {});
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.endpoint->stats().connections == 0; }));
  EXPECT_EQ(pair.endpoint->stats().half_open, 0u);
}

TEST(Close, IdleTimeoutIsSilent) {
  Pair pair;
  pair.client_options.config.idle_timeout = 5s;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  const Time quiet = pair.simulation.timers.now();
  const std::uint64_t sent = pair.link.client.sent;
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::idle_timeout);
  EXPECT_GE(pair.simulation.timers.now() - quiet, 4s);
  EXPECT_LE(pair.simulation.timers.now() - quiet, 6s);
  EXPECT_EQ(pair.link.client.sent, sent);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.endpoint->stats().connections == 0; }, 10s));
}

// A peer that is gone, where the idle timeout is long
TEST(Close, SilenceTimeoutEndsWhatNobodyAcknowledges) {
  Pair pair;
  pair.server_options.config.idle_timeout = pair.client_options.config.idle_timeout = 600s;
  pair.server_options.config.silence_timeout = 20s;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(100s);
  EXPECT_FALSE(pair.server_closed) << "a client that has nothing to say";
  pair.server().send_datagram({}, as_bytes("are you there?"));
  pair.simulation.run_for(100s);
  EXPECT_FALSE(pair.server_closed) << "it was";
  pair.link.client.filter = [](Bytes) { return false; };
  pair.simulation.run_for(100s);
  EXPECT_FALSE(pair.server_closed) << "nothing was asked of it";
  for (int i = 0; i < 19; ++i) {
    pair.server().send_datagram({}, as_bytes("are you there?"));
    pair.simulation.run_for(1s);
    ASSERT_FALSE(pair.server_closed);
  }
  pair.simulation.run_for(2s);
  ASSERT_TRUE(pair.server_closed);
  EXPECT_EQ(pair.server_closed->by, Closed::By::idle_timeout);
  EXPECT_EQ(pair.endpoint->stats().connections, 0u);
  EXPECT_TRUE(pair.client_application.closed) << "it was told, should it live (RFC 9000 §10.1)";
}

TEST(Close, AlertsSayWhenAndFromWhomTheyCame) {
  Closed closed{.by = Closed::By::peer, .code = Closed::crypto_error_first + 42};
  EXPECT_EQ(closed.to_error().message, "the client refused the certificate: bad certificate (alert 42)");
  closed.by_server = true;
  EXPECT_EQ(closed.to_error().message,
            "the server refused the client certificate: bad certificate (alert 42)");
  closed.code = Closed::crypto_error_first + 80;
  EXPECT_EQ(closed.to_error().message, "the peer refused the TLS handshake: internal error (alert 80)");
  closed.established = true;
  EXPECT_EQ(closed.to_error().message,
            "the peer closed the connection with a TLS alert: internal error (alert 80)");
}

TEST(Close, KeepAliveHoldsAnIdleConnectionOpen) {
  Pair pair;
  pair.client_options.config.idle_timeout = 5s;
  pair.client_options.config.keep_alive = 2s;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(60s);
  EXPECT_TRUE(pair.client->is_established());
  EXPECT_EQ(pair.endpoint->stats().connections, 1u);
}

TEST(Close, ClosingServerAnswersEverMoreRarely) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  // The client never hears of the close and goes on sending.
  std::size_t answers = 0;
  pair.link.server.filter = [&](Bytes) {
    ++answers;
    return false;
  };
  pair.endpoint->close_all(0x100);
  for (int i = 0; i < 40; ++i) {
    pair.client->send_datagram({}, as_bytes(std::string(1000, 'd')));
    pair.simulation.run_for(1ms);
  }
  EXPECT_GE(answers, 3u);
  EXPECT_LE(answers, 8u);
}

TEST(Close, LateCloseIsRepeatedByAClient) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  bool lose = true;
  pair.link.client.filter = [&](Bytes) { return !lose; };
  pair.client->close(0x100, {});
  pair.simulation.run_for(50ms);
  ASSERT_EQ(pair.endpoint->stats().connections, 1u);
  lose = false;
  pair.server().send_datagram({}, as_bytes("still there?"));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.endpoint->stats().connections == 0; }, 1s));
}

TEST(Close, StatelessResetFromARestartedServer) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  // The same secret, but nothing known any more.
  pair.link.server.set_receiver(nullptr);
  pair.endpoint.reset();
  pair.serve();
  pair.client_application.send(*pair.client->open_bidirectional(), "anybody?", true);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }, 5s));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::stateless_reset);
  EXPECT_EQ(pair.endpoint->stats().stateless_resets_sent, 1u);
}

TEST(Close, PathThatClosesEndsTheConnectionWithItsReason) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.link.client.close({ErrorKind::unreachable, "hop 1 died"});
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::path);
  EXPECT_EQ(pair.client_application.closed->to_error().message, "hop 1 died");
}

TEST(Close, AnIcmpErrorBeforeAnyAnswerEndsTheAttemptAtOnce) {
  for (const auto kind : {net::Unreachable::hint, net::Unreachable::definite}) {
    Pair pair;
    pair.connect();
    pair.simulation.run_for(5ms);
    pair.link.client.report(kind, {ErrorKind::refused, "nobody there"});
    pair.simulation.run_for(0ms);
    ASSERT_TRUE(pair.client_application.closed);
    EXPECT_EQ(pair.client_application.closed->by, Closed::By::path);
    EXPECT_EQ(pair.client_application.closed->to_error().message, "nobody there");
  }
}

// An attacker can forge an ICMP error, and a restarting server is unreachable for a moment.
TEST(Close, AnIcmpErrorAfterAnAnswerEndsNothing) {
  for (const auto kind : {net::Unreachable::hint, net::Unreachable::definite}) {
    Pair pair;
    pair.on_accept = [](test::TestApplication& application) { application.echo = true; };
    pair.serve();
    pair.connect();
    ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->stats().packets_received > 0; }));
    pair.link.client.report(kind, {ErrorKind::refused, "forged"});
    ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->is_established(); }));
    const StreamId id = *pair.client->open_bidirectional();
    pair.client_application.send(id, std::string(100'000, 'x'), true);
    pair.simulation.run_for(15ms);
    pair.link.client.report(kind, {ErrorKind::refused, "forged"});
    EXPECT_TRUE(
        pair.simulation.run_until([&] { return pair.client_application.streams[id].received_fin; }, 5s));
    EXPECT_FALSE(pair.client_application.closed);
  }
}

TEST(Close, PathThatTurnsOutTooNarrowDuringTheHandshake) {
  Pair pair;
  pair.connect();
  pair.link.client.set_max_size(1100);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }, 1s));
  EXPECT_EQ(pair.client_application.closed->by, Closed::By::path);
  EXPECT_NE(pair.client_application.closed->reason.find("1100"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::quic
