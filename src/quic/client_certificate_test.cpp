// Client certificates over QUIC: which are taken, with which CRYPTO_ERROR others are refused, and that
// neither a ticket nor 0-RTT stands in for one. What makes a certificate bad is in
// tls/client_certificate_test.cpp.
#include "tls/client_certificate.h"

#include "quic/application_for_test.h"
#include "tls/authority_for_test.h"
#include "tls/session_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::quic::test {
namespace {

class QuicClientCertificate : public testing::Test {
 protected:
  void ask(bool required) {
    pair.server_options.credentials = *tls::ServerCredentials::make({*tls::make_self_signed({"server.test"})},
                                                                    tls::clients_of(authority, required));
  }
  void offer(const tls::KeyPair& certificate) {
    pair.client_options.certificate = *tls::OfferedCertificate::make(certificate);
  }
  /// The code that the client's connection was closed with by the server; 0: it is established at both ends.
  std::uint64_t meet() {
    pair.client.reset();
    pair.client_application = {};
    pair.server_closed.reset();
    pair.server_applications.clear();
    pair.serve();
    pair.connect();
    const auto& closed = pair.client_application.closed;
    EXPECT_TRUE(pair.simulation.run_until([&] {
      return closed.has_value() || (pair.client->is_established() && !pair.server_applications.empty() &&
                                    !pair.server_closed && pair.server().is_established());
    }));
    if (!closed) return 0;
    EXPECT_EQ(closed->by, Closed::By::peer);
    return closed->code;
  }

  const tls::AuthorityForTest authority{"Clients' CA"};
  tls::SessionCache sessions;
  Pair pair;
};

TEST_F(QuicClientCertificate, IsVerifiedAndKnown) {
  ask(true);
  offer(authority.issue("alice"));
  ASSERT_EQ(meet(), 0u);
  ASSERT_TRUE(pair.server().client_certificate());
  EXPECT_EQ(pair.server().client_certificate()->subject, "CN=alice");
  EXPECT_FALSE(pair.client->client_certificate());
}

TEST_F(QuicClientCertificate, WhereItIsRequiredNobodyIsServedWithout) {
  ask(true);
  EXPECT_EQ(meet(), Closed::crypto_error_first + 116);
  EXPECT_THAT(pair.client_application.closed->to_error().message,
              testing::HasSubstr("the server requires a client certificate"));
  ask(false);
  EXPECT_EQ(meet(), 0u);
  EXPECT_FALSE(pair.server().client_certificate());
}

TEST_F(QuicClientCertificate, ABadOneIsRefusedWithItsAlertAlsoWhereItIsOptional) {
  const tls::AuthorityForTest other("Others' CA"), impostor("Clients' CA");
  const std::time_t now = std::time(nullptr);
  const std::pair<tls::KeyPair, unsigned> rows[] = {
      {other.issue("eve"), 48},
      {impostor.issue("eve"), 42},
      {authority.issue("eve", {.purpose = GNUTLS_KP_TLS_WWW_SERVER}), 43},
      {authority.issue("eve", {.from = now - 7200, .until = now - 3600}), 45},
      {{authority.issue("alice").certificate_pem, other.issue("eve").key_pem}, 51}};
  for (const bool required : {true, false}) {
    ask(required);
    for (const auto& [certificate, alert] : rows) {
      offer(certificate);
      EXPECT_EQ(meet(), Closed::crypto_error_first + alert);
    }
  }
}

/// What a client sends behind its handshake is not read before its certificate was.
TEST_F(QuicClientCertificate, NothingIsReadOfAClientThatIsRefused) {
  ask(true);
  std::size_t streams = 0;
  pair.on_accept = [&](TestApplication& application) {
    application.when_closed = [&, before = application.when_closed](const Closed& why) {
      streams += application.streams.size();
      before(why);
    };
  };
  pair.client_application.when_established = [&] {
    const auto id = pair.client->open_bidirectional();
    ASSERT_TRUE(id);
    pair.client_application.send(*id, "a request", true);
  };
  pair.serve();
  pair.connect();
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.closed.has_value(); }));
  EXPECT_EQ(pair.client_application.closed->code, Closed::crypto_error_first + 116);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_closed.has_value(); }));
  EXPECT_EQ(streams, 0u);
}

TEST_F(QuicClientCertificate, NeitherATicketNorEarlyDataStandsForOne) {
  pair.client_options.sessions = &sessions;
  pair.client_options.early_data = true;
  const auto has_ticket = [&] {
    const auto entry = sessions.find("server.test:443");
    return entry && !entry->ticket.empty();
  };
  ASSERT_EQ(meet(), 0u);
  ASSERT_TRUE(pair.simulation.run_until(has_ticket)) << "a ticket of the time before";
  ask(true);
  EXPECT_EQ(meet(), Closed::crypto_error_first + 116);
  ask(false);
  ASSERT_EQ(meet(), 0u);
  EXPECT_FALSE(pair.server().stats().resumed || pair.server().stats().early_data_accepted);
}

TEST_F(QuicClientCertificate, ThereIsNoTicketForOne) {
  pair.client_options.sessions = &sessions;
  ask(true);
  offer(authority.issue("alice"));
  ASSERT_EQ(meet(), 0u);
  // The address token is sent where a ticket would be.
  ASSERT_TRUE(pair.simulation.run_until([&] { return !sessions.take_token("server.test:443").empty(); }));
  const auto entry = sessions.find("server.test:443");
  EXPECT_TRUE(!entry || entry->ticket.empty());
}

}  // namespace
}  // namespace sallyport::quic::test
