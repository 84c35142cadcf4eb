// Handshakes with a peer that omits, duplicates, empties or truncates messages, against our server and our
// client: they end with the RFC's alert or transport error, without other effects.
#include "quic/application_for_test.h"
#include "quic/hand_peer_for_test.h"
#include "tls/session_cache.h"

#include <map>

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using namespace test;

// CRYPTO_ERROR with the alert (RFC 9001 §4.8, RFC 8446 §6)
constexpr std::uint64_t crypto_error = 0x100;
constexpr std::uint64_t unexpected_message = crypto_error | 10, missing_extension = crypto_error | 109,
                        handshake_failure = crypto_error | 40;
constexpr std::uint64_t transport_parameter_error = 0x08, connection_id_limit_error = 0x09,
                        protocol_violation = 0x0a;

Octets key_update() {
  return tls_message(TlsMessage::key_update, Octets{0});
}

/// Our server, which a HandClient meets.
struct Served : Pair {
  std::shared_ptr<SecretCatcher> secrets = std::make_shared<SecretCatcher>();
  std::optional<HandClient> hand;

  explicit Served(RetryPolicy retry = RetryPolicy::under_load) {
    server_options.retry = retry;
    environment.key_log = secrets;
    // A server that writes as soon as it may.
    on_accept = [](TestApplication& application) {
      application.when_established = [&application] {
        if (const auto id = application.connection->open_unidirectional())
          application.send(*id, "settings", false);
      };
    };
    serve();
    hand.emplace(link.server, *secrets);
  }
  void settle() { simulation.run_for(300ms); }
  /// Both flights, with Retry between where the server asks for it.
  void shake_hands() {
    hand->hello();
    settle();
    if (hand->retried) {
      hand->transcript.clear();
      hand->crypto_sent = {};
      hand->hello();
      settle();
    }
    hand->finish();
    settle();
  }
  /// A HandClient with a ticket of an earlier connection, before its ClientHello.
  void come_again() {
    shake_hands();
    const auto ticket = hand->ticket();
    ASSERT_TRUE(ticket);
    hand.reset();
    secrets->lines.clear();
    hand.emplace(link.server, *secrets, Octets{1, 2, 3, 4, 5, 6, 7, 8});
    hand->resumes = ticket;
  }
  bool established() const { return endpoint->stats().handshakes_completed == 1; }
  std::optional<std::uint64_t> close_code() const {
    if (!hand->closed || hand->closed->application) return std::nullopt;
    return hand->closed->code;
  }
  /// Whether others are still served.
  bool lives() {
    hand.reset();
    connect();
    return simulation.run_until([this] { return client->is_established(); });
  }
};

TEST(HostileHandshake, AClientByHandIsServed) {
  for (const RetryPolicy retry : {RetryPolicy::under_load, RetryPolicy::always}) {
    Served pair(retry);
    pair.shake_hands();
    EXPECT_TRUE(pair.established());
    EXPECT_FALSE(pair.hand->closed);
    EXPECT_EQ(pair.hand->retried, retry == RetryPolicy::always);
    EXPECT_TRUE(pair.lives());
  }
}

TEST(HostileHandshake, AClientByHandResumesWith0Rtt) {
  Served pair;
  ASSERT_NO_FATAL_FAILURE(pair.come_again());
  pair.hand->hello();
  pair.settle();
  ASSERT_TRUE(pair.hand->can_send(Level::zero_rtt));
  pair.hand->send(Level::zero_rtt, frame({0x0a, 0, 4, 1, 2, 3, 4}));
  pair.settle();
  EXPECT_EQ(pair.server_applications.at(1)->early_bytes, 4u);
  pair.hand->send_crypto(Level::zero_rtt, key_update());
  pair.settle();
  EXPECT_EQ(pair.close_code(), protocol_violation);
  EXPECT_TRUE(pair.lives());
}

// With 0-RTT keys and no 1-RTT keys ngtcp2 would assert at the 0-RTT packet.
TEST(HostileHandshake, AClientWithEarlyDataThatNeedsAHelloRetryRequest) {
  Served pair;
  ASSERT_NO_FATAL_FAILURE(pair.come_again());
  for (TlsExtension& each : pair.hand->extensions)
    if (each.type == extension::key_share) each.content = {0, 0};  // no share
  pair.hand->hello();
  pair.settle();
  ASSERT_TRUE(pair.hand->can_send(Level::zero_rtt));
  pair.hand->send(Level::zero_rtt, frame({0x0a, 0, 4, 1, 2, 3, 4}));
  pair.settle();
  EXPECT_EQ(pair.close_code(), handshake_failure);
  EXPECT_TRUE(pair.lives());
}

TEST(HostileHandshake, AClientWithoutTransportParameters) {
  for (const RetryPolicy retry : {RetryPolicy::under_load, RetryPolicy::always}) {
    Served pair(retry);
    std::erase_if(pair.hand->extensions,
                  [](const TlsExtension& each) { return each.type == extension::transport_parameters; });
    pair.shake_hands();
    EXPECT_EQ(pair.close_code(), missing_extension);
    EXPECT_FALSE(pair.established());
    EXPECT_TRUE(pair.lives());
  }
}

TEST(HostileHandshake, AClientsExtensionsDroppedDoubledEmptiedAndCut) {
  enum class Change { drop, twice, empty, cut, lengthen, none };
  const std::size_t count = Served().hand->extensions.size();
  for (std::size_t which = 0; which < count; ++which) {
    for (const Change change : {Change::drop, Change::twice, Change::empty, Change::cut, Change::lengthen}) {
      Served pair;
      auto& all = pair.hand->extensions;
      const std::uint16_t type = all[which].type;
      SCOPED_TRACE(testing::Message() << "extension " << type << ", change " << static_cast<int>(change));
      switch (change) {
        case Change::drop:
          all.erase(all.begin() + static_cast<std::ptrdiff_t>(which));
          break;
        case Change::twice:
          all.push_back(all[which]);
          break;
        case Change::empty:
          all[which].content.clear();
          break;
        case Change::cut:
          all[which].content.pop_back();
          break;
        default:
          all[which].content.push_back(0);
      }
      pair.shake_hands();
      // Either it is as good as before, or the connection ends; never half of each.
      EXPECT_NE(pair.established(), pair.hand->closed.has_value());
      EXPECT_TRUE(pair.lives());
    }
  }
}

TEST(HostileHandshake, AClientsTransportParametersDroppedDoubledAndExtreme) {
  for (std::size_t which = 0; which < usual_parameters({}).size(); ++which) {
    for (const Octets& value : {Octets{}, Octets{0}, Octets{0x40}, frame({varint_max}), Octets(21, 0xff)}) {
      Served pair;
      auto parameters = usual_parameters(pair.hand->own_id);
      parameters[which].value = value;
      pair.hand->extensions.back().content = encode(parameters);
      SCOPED_TRACE(testing::Message() << "parameter " << parameters[which].id << " of " << value.size());
      pair.shake_hands();
      EXPECT_NE(pair.established(), pair.hand->closed.has_value());
      EXPECT_TRUE(pair.lives());
    }
    Served twice;
    auto parameters = usual_parameters(twice.hand->own_id);
    parameters.push_back(parameters[which]);
    twice.hand->extensions.back().content = encode(parameters);
    twice.shake_hands();
    EXPECT_NE(twice.established(), twice.hand->closed.has_value());
  }
  // A server's own (RFC 9000 §18.2).
  for (const std::uint64_t servers : {0x00u, 0x02u, 0x0du, 0x10u}) {
    Served pair;
    auto parameters = usual_parameters(pair.hand->own_id);
    parameters.push_back({servers, Octets(servers == 0x0d ? 61 : 16, 1)});
    pair.hand->extensions.back().content = encode(parameters);
    pair.shake_hands();
    EXPECT_EQ(pair.close_code(), transport_parameter_error) << servers;
  }
}

TEST(HostileHandshake, AClientsKeyUpdateInsteadOfItsFinished) {  // RFC 9001 §6
  for (const Level level : {Level::initial, Level::handshake}) {
    Served pair;
    pair.hand->hello();
    pair.settle();
    pair.hand->send_crypto(level, key_update());
    pair.settle();
    EXPECT_EQ(pair.close_code(), unexpected_message) << static_cast<int>(level);
    EXPECT_TRUE(pair.lives());
  }
}

TEST(HostileHandshake, AClientsKeyUpdateBehindItsFinished) {
  // In one datagram, so the server still has its TLS session.
  for (const Level level : {Level::handshake, Level::one_rtt}) {
    Served pair;
    pair.hand->hello();
    pair.settle();
    const Octets done =
        finished(pair.secrets->secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET"), pair.hand->transcript);
    Octets datagram = pair.hand->packet(Level::handshake, pair.hand->crypto_frame(Level::handshake, done));
    append(datagram, pair.hand->packet(level, pair.hand->crypto_frame(level, key_update())));
    pair.hand->send_datagram(datagram);
    pair.settle();
    EXPECT_EQ(pair.close_code(), unexpected_message);
    EXPECT_TRUE(pair.lives());
  }
}

TEST(HostileHandshake, TlsMessagesOfEveryTypeAtEveryLevel) {
  for (const Level level : {Level::initial, Level::handshake, Level::one_rtt}) {
    for (unsigned type = 0; type < 26; ++type) {
      for (const bool before_finished : {true, false}) {
        SCOPED_TRACE(testing::Message() << "type " << type << " at level " << static_cast<int>(level)
                                        << (before_finished ? " before" : " after"));
        Served pair;
        pair.hand->hello();
        pair.settle();
        if (!before_finished) {
          pair.hand->finish();
          pair.settle();
        }
        pair.hand->send_crypto(level, tls_message(static_cast<TlsMessage>(type), Octets{0}));
        pair.settle();
        EXPECT_TRUE(pair.lives());
      }
    }
  }
}

/// Our client, which meets a HandServer.
struct Asked : Pair {
  std::shared_ptr<SecretCatcher> secrets = std::make_shared<SecretCatcher>();
  std::optional<HandServer> hand;

  explicit Asked(tls::SessionCache* sessions = nullptr) {
    client_options.sessions = sessions;
    client_options.early_data = sessions != nullptr;
    static const HandCertificate certificate(*tls::make_self_signed({"server.test"}));
    environment.key_log = secrets;
    hand.emplace(link.client, *secrets, certificate);
    // A client that writes as soon as it may.
    client_application.when_established = [this] {
      if (const auto id = client->open_bidirectional()) client_application.send(*id, "request", true);
    };
    connect();
    settle();
  }
  void settle() { simulation.run_for(300ms); }
  void shake_hands() {
    ASSERT_TRUE(hand->has_hello());
    hand->answer();
    settle();
  }
  std::optional<std::uint64_t> close_code() const {
    if (!client_application.closed || client_application.closed->by != Closed::By::us) return std::nullopt;
    return client_application.closed->code;
  }
};

TEST(HostileHandshake, AServerByHandIsMet) {
  Asked pair;
  pair.shake_hands();
  EXPECT_TRUE(pair.client->is_established())
      << (pair.client_application.closed ? pair.client_application.closed->to_error().message : "");
  EXPECT_FALSE(pair.hand->closed);
}

TEST(HostileHandshake, AServerByHandSendsRetry) {
  Asked pair;
  pair.hand->retry();
  pair.settle();
  pair.shake_hands();
  EXPECT_TRUE(pair.client->is_established());
  EXPECT_TRUE(pair.client->stats().retried);
}

TEST(HostileHandshake, AServerWithoutTransportParameters) {
  Asked pair;
  pair.hand->sends_parameters = false;
  pair.shake_hands();
  EXPECT_EQ(pair.close_code(), missing_extension);
  ASSERT_TRUE(pair.hand->closed);
  EXPECT_EQ(pair.hand->closed->code, missing_extension);
}

/// Has a client remember a visit to our own server.
void visit(tls::SessionCache& sessions) {
  Pair first;
  first.client_options.sessions = &sessions;
  ASSERT_TRUE(first.establish());
  first.simulation.run_for(300ms);
}

TEST(HostileHandshake, AServerWithoutTransportParametersToAClientThatRemembersSome) {
  tls::SessionCache sessions;
  visit(sessions);
  Asked pair(&sessions);
  ASSERT_TRUE(pair.client->can_send_early());
  pair.hand->sends_parameters = false;
  pair.shake_hands();
  EXPECT_EQ(pair.close_code(), missing_extension);
  EXPECT_EQ(pair.client_application.established, 0u);
}

TEST(HostileHandshake, AServersHelloRetryRequestToAClientWith0Rtt) {
  tls::SessionCache sessions;
  visit(sessions);
  Asked pair(&sessions);
  ASSERT_TRUE(pair.client->can_send_early());
  pair.hand->send_crypto(Level::initial, hello_retry_request());
  pair.settle();
  // The second ClientHello comes, and without early data.
  EXPECT_FALSE(pair.client_application.closed);
  const Octets& hellos = pair.hand->crypto_received[0];
  const std::size_t first_size = 4 + (std::size_t{hellos[2]} << 8 | hellos[3]);
  EXPECT_GT(hellos.size(), first_size + 100);
}

/// A server's first flight and more, in one datagram.
void answer_with(Asked& pair, const Octets& frames) {
  pair.hand->answer();
  pair.hand->send(Level::one_rtt, frames);
  pair.settle();
  pair.settle();
}

TEST(HostileHandshake, AServersHandshakeDoneBeforeTheFinishedLeft) {
  Asked pair;
  answer_with(pair, frame({0x1e}));
  EXPECT_TRUE(pair.client->is_established());
  // Said again when it is time, it counts.
  pair.hand->send(Level::one_rtt, frame({0x1e}));
  pair.settle();
  EXPECT_FALSE(pair.client_application.closed);
}

Octets new_connection_id(std::uint64_t sequence, std::uint64_t retire_prior_to) {
  Octets out = frame({0x18, sequence, retire_prior_to, 8});
  for (int i = 0; i < 24; ++i) out.push_back(static_cast<std::uint8_t>(sequence * 31 + 7 * i));
  return out;
}

TEST(HostileHandshake, AServersRetirePriorToBeforeTheHandshakeIsLeft) {
  Asked pair;
  // A server that shows a stateless reset token for the ID that it takes back.
  pair.hand->parameters.push_back({0x02, Octets(16, 0x42)});
  answer_with(pair, new_connection_id(1, 1));
  EXPECT_TRUE(pair.client->is_established());
  pair.hand->send(Level::one_rtt, new_connection_id(1, 1));
  pair.settle();
  EXPECT_FALSE(pair.client_application.closed);
}

TEST(HostileHandshake, AServersTokenTooLongForAFirstPacket) {
  tls::SessionCache sessions;
  for (const std::size_t size : {1000u, 1140u, 1300u}) {
    Asked pair(&sessions);
    pair.shake_hands();
    Octets frames = frame({0x07, size});
    frames.resize(frames.size() + size, 0x33);
    pair.hand->send(Level::one_rtt, frames);
    pair.settle();
    Asked next(&sessions);
    next.client->want_write();
    next.settle();
    EXPECT_TRUE(next.hand->has_hello());
  }
}

TEST(HostileHandshake, AClientThatChangesPathAndAcknowledgesNothing) {
  Served pair;
  pair.shake_hands();
  ASSERT_TRUE(pair.established());
  for (unsigned i = 1; i < 40 && !pair.hand->closed; ++i) {
    pair.hand->address = {pair.hand->address.ip(), static_cast<std::uint16_t>(20'000 + i)};
    Octets probing = frame({0x1a});
    probing.resize(9, 0x55);
    append(probing, new_connection_id(i, 0));
    pair.hand->send(Level::one_rtt, probing);
    pair.hand->send(Level::one_rtt, frame({0x01}));
    pair.simulation.run_for(0s);
  }
  pair.settle();
  EXPECT_EQ(pair.close_code(), connection_id_limit_error);
  EXPECT_TRUE(pair.lives());
}

TEST(HostileHandshake, AClientThatAcknowledgesBeforeTheServerSends) {
  for (const std::uint64_t number : {1u, 2u, 3u, 4u, 6u}) {
    Served pair;
    pair.hand->hello();
    pair.settle();
    // Buffered until the handshake is complete, with the time at which it came.
    pair.hand->send(Level::one_rtt, frame({0x02, number, 0, 0, number}));
    pair.simulation.run_for(3s);
    pair.hand->finish();
    pair.simulation.run_for(20min);
    EXPECT_EQ(pair.endpoint->stats().connections, 0u) << number;
  }
}

TEST(HostileHandshake, AServersKeyUpdate) {
  for (const std::uint8_t asks : {0, 1}) {
    Asked pair;
    pair.shake_hands();
    ASSERT_TRUE(pair.client->is_established());
    pair.hand->send_crypto(Level::one_rtt, tls_message(TlsMessage::key_update, Octets{asks}));
    pair.settle();
    EXPECT_EQ(pair.close_code(), unexpected_message);
  }
}

TEST(HostileHandshake, AServersTransportParametersDroppedDoubledAndExtreme) {
  const std::size_t count = Asked().hand->parameters.size();
  for (std::size_t which = 0; which < count; ++which) {
    for (const Octets& value : {Octets{}, Octets{0}, Octets{0x40}, frame({varint_max}), Octets(21, 0xff)}) {
      Asked pair;
      pair.hand->parameters[which].value = value;
      SCOPED_TRACE(testing::Message() << "parameter " << pair.hand->parameters[which].id);
      pair.shake_hands();
      EXPECT_NE(pair.client->is_established(), pair.client_application.closed.has_value());
    }
    Asked twice;
    twice.hand->parameters.push_back(twice.hand->parameters[which]);
    twice.shake_hands();
    EXPECT_NE(twice.client->is_established(), twice.client_application.closed.has_value());
  }
}

TEST(HostileHandshake, AServersMessagesOfEveryTypeAtEveryLevel) {
  for (const Level level : {Level::initial, Level::handshake, Level::one_rtt}) {
    for (unsigned type = 0; type < 26; ++type) {
      for (const std::size_t size : {0u, 1u, 40u}) {
        SCOPED_TRACE(testing::Message() << "type " << type << " at level " << static_cast<int>(level));
        Asked before;
        before.hand->send_crypto(level, tls_message(static_cast<TlsMessage>(type), Octets(size)));
        before.settle();
        Asked after;
        after.shake_hands();
        after.hand->send_crypto(level, tls_message(static_cast<TlsMessage>(type), Octets(size)));
        after.settle();
        if (level == Level::one_rtt && type != static_cast<unsigned>(TlsMessage::new_session_ticket)) {
          EXPECT_TRUE(after.client_application.closed);
        }
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::quic
