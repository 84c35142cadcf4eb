// Client certificates over TCP: which are taken, with which alert others are refused, and that no ticket
// stands in for one.
#include "tls/client_certificate.h"

#include "tls/authority_for_test.h"
#include "tls/gnutls_peer_for_test.h"
#include "tls/test_link.h"

#include <ctime>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr unsigned no_alert = 0;

class ClientCertificateTest : public testing::Test {
 protected:
  void ask(const ClientVerification& clients) {
    credentials_ = *ServerCredentials::make({*make_self_signed({"a.test"})}, clients);
  }
  void offer(const KeyPair& pair) { offered_ = *OfferedCertificate::make(pair); }

  /// A connection of ours, with a message in each direction where the handshake succeeds.
  void connect() {
    link_ = std::make_unique<Link>();
    link_->server_options.credentials = credentials_;
    link_->client_options.certificate = offered_;
    link_->client_options.sessions = sessions;
    link_->shake_hands();
    if (link_->client) link_->client->set_reading(true);
    if (link_->client && link_->server) {
      link_->server->set_reading(true);
      link_->client->write(as_bytes("to the server"));
      link_->server->write(as_bytes("to the client"));
    }
    link_->run();
  }
  bool is_served() const {
    return link_->client_inbox.received == "to the client" && link_->server_inbox.received == "to the server";
  }
  const ClientCertificate* verified() const { return link_->server->info().client_certificate.get(); }
  /// That the client got, in its handshake or, over TLS 1.3, after it.
  unsigned alert() const {
    const auto& error = link_->client_error ? link_->client_error : link_->client_inbox.error;
    return error ? static_cast<unsigned>(error->code) : no_alert;
  }
  std::string why() const { return link_->server_error ? link_->server_error->message : ""; }

  const AuthorityForTest authority_{"Clients' CA"};
  SessionCache* sessions = nullptr;
  std::unique_ptr<Link> link_;

 private:
  std::shared_ptr<const ServerCredentials> credentials_ = credentials_for({"a.test"});
  std::shared_ptr<const OfferedCertificate> offered_;
};

// docs/threat-model.md, "costly key". GnuTLS verifies the signature before it asks for the verdict.
TEST_F(ClientCertificateTest, ACostlyKeyIsRefusedBeforeItIsUsed) {
  ask(clients_of(authority_));
  const X509Certificate costly = authority_.issue_for_rsa(16384, 24);
  offer({AuthorityForTest::pem_of(costly.get()), authority_.issue("eve", {.rsa = true}).key_pem});
  connect();
  EXPECT_FALSE(link_->server);
  EXPECT_EQ(alert(), 42u);
  EXPECT_THAT(why(), HasSubstr("RSA key is too large: a modulus of 16384 bits"));
}

TEST_F(ClientCertificateTest, IsVerifiedAndKnown) {
  for (const bool rsa : {false, true}) {
    ask(clients_of(authority_));
    const KeyPair alice = authority_.issue("alice, of A", {.rsa = rsa});
    offer(alice);
    connect();
    ASSERT_TRUE(is_served()) << why();
    ASSERT_NE(verified(), nullptr);
    EXPECT_EQ(verified()->subject, "CN=alice\\, of A");
    const auto parsed = parse_certificates(alice.certificate_pem);
    EXPECT_EQ(verified()->fingerprint, fingerprint_of(parsed[0].get()));
    ASSERT_EQ(verified()->chain.size(), 1u);
    std::string body = alice.certificate_pem.substr(alice.certificate_pem.find('\n'));
    body.resize(body.find("-----END"));
    std::erase(body, '\n');
    EXPECT_EQ(verified()->chain[0], body);
    EXPECT_EQ(link_->client->info().client_certificate, nullptr);
  }
}

TEST_F(ClientCertificateTest, IsNotAskedForByItself) {
  offer(authority_.issue("alice"));
  connect();
  ASSERT_TRUE(is_served());
  EXPECT_EQ(verified(), nullptr);
}

TEST_F(ClientCertificateTest, WhereItIsRequiredNobodyIsServedWithout) {
  ask(clients_of(authority_));
  connect();
  EXPECT_FALSE(link_->server);
  EXPECT_EQ(why(), no_client_certificate);
  EXPECT_EQ(alert(), 116u);
  EXPECT_THAT(link_->client_inbox.error->message, HasSubstr("the server requires a client certificate"));
}

TEST_F(ClientCertificateTest, WhereItIsOptionalWhoHasNoneIsServed) {
  ask(clients_of(authority_, false));
  connect();
  ASSERT_TRUE(is_served()) << why();
  EXPECT_EQ(verified(), nullptr);
  offer(authority_.issue("alice"));
  connect();
  ASSERT_TRUE(is_served()) << why();
  EXPECT_EQ(verified()->subject, "CN=alice");
}

TEST_F(ClientCertificateTest, ABadOneIsRefusedWithItsAlertAlsoWhereItIsOptional) {
  const AuthorityForTest other("Others' CA"), impostor("Clients' CA");
  const KeyPair alice = authority_.issue("alice");
  const std::time_t now = std::time(nullptr);
  struct Row {
    KeyPair pair;
    unsigned alert;
    const char* why;
  };
  const Row rows[] = {
      {other.issue("eve"), 48,
       "'CN=eve' is signed by 'CN=Others' CA', and by no trusted issuer in clients.pem"},
      {*make_self_signed({"eve"}), 48, "no trusted issuer in clients.pem"},
      {impostor.issue("eve"), 42, "is signed by another 'CN=Clients' CA' than the one in clients.pem"},
      {authority_.issue("eve", {.purpose = GNUTLS_KP_TLS_WWW_SERVER}), 43, "is not a client certificate"},
      {authority_.issue("eve", {.from = now - 7200, .until = now - 3600}), 45, "'CN=eve' expired on "},
      {authority_.issue("eve", {.from = now + 3600}), 45, "is not valid before"},
      {{alice.certificate_pem, other.issue("eve").key_pem}, 51, ""},
  };
  for (const bool required : {true, false}) {
    ask(clients_of(authority_, required));
    for (const Row& row : rows) {
      offer(row.pair);
      connect();
      EXPECT_FALSE(link_->server) << row.why;
      EXPECT_EQ(alert(), row.alert) << why();
      EXPECT_THAT(why(), HasSubstr(row.why));
    }
  }
}

TEST_F(ClientCertificateTest, OneForEveryPurposeIsForThisOne) {
  ask(clients_of(authority_));
  offer(authority_.issue("alice", {.purpose = nullptr}));
  connect();
  EXPECT_TRUE(is_served()) << why();
}

TEST_F(ClientCertificateTest, ItsChainLeadsToTheAuthority) {
  const AuthorityForTest between("Between", &authority_);
  KeyPair alice = between.issue("alice");
  ask(clients_of(authority_));
  offer(alice);
  connect();
  EXPECT_EQ(alert(), 48u) << why();
  alice.certificate_pem += between.pem();
  offer(alice);
  connect();
  ASSERT_TRUE(is_served()) << why();
  EXPECT_EQ(verified()->subject, "CN=alice");
  EXPECT_EQ(verified()->chain.size(), 2u);
}

TEST_F(ClientCertificateTest, ALongChainIsNotKept) {
  KeyPair alice = authority_.issue("alice");
  std::string others;
  for (int i = 0; i < 100; ++i) others += AuthorityForTest("Other " + std::to_string(i)).pem();
  alice.certificate_pem += others;
  ask(clients_of(authority_));
  offer(alice);
  connect();
  EXPECT_FALSE(link_->server);
  EXPECT_EQ(alert(), 42u) << why();
}

TEST_F(ClientCertificateTest, ATicketStandsForNone) {
  SessionCache cache;
  sessions = &cache;
  connect();
  ASSERT_TRUE(is_served());
  ASSERT_TRUE(cache.find("tcp/a.test")) << "a ticket of the time before";
  connect();
  ASSERT_TRUE(link_->server->info().resumed) << "which is good, as far as it goes";
  ask(clients_of(authority_));
  connect();
  EXPECT_FALSE(link_->server);
  EXPECT_EQ(alert(), 116u);
  ask(clients_of(authority_, false));
  connect();
  ASSERT_TRUE(is_served());
  EXPECT_FALSE(link_->server->info().resumed);
}

TEST_F(ClientCertificateTest, ThereIsNoTicketForOne) {
  SessionCache cache;
  sessions = &cache;
  for (const bool required : {true, false}) {
    ask(clients_of(authority_, required));
    offer(authority_.issue("alice"));
    connect();
    ASSERT_TRUE(is_served()) << why();
    EXPECT_FALSE(cache.find("tcp/a.test"));
  }
}

/// GnuTLS alone, which speaks TLS 1.2, as nobody else of ours does.
TEST_F(ClientCertificateTest, WorksWithTls12) {
  const auto meet = [this](const KeyPair* pair) {
    link_ = std::make_unique<Link>();
    link_->server_options.credentials =
        *ServerCredentials::make({*make_self_signed({"a.test"})}, clients_of(authority_));
    link_->accepting = accept(link_->timers, std::move(link_->server_transport), link_->server_options,
                              [this](Result<std::unique_ptr<Stream>> result) {
                                if (result)
                                  link_->server = std::move(*result);
                                else
                                  link_->server_error = result.error();
                              });
    auto peer = std::make_unique<GnutlsPeer>(std::move(link_->client_transport), GNUTLS_CLIENT,
                                             "NORMAL:-VERS-ALL:+VERS-TLS1.2");
    if (pair != nullptr) peer->show(*pair);
    peer->shake_hands();
    link_->run();
    return peer;
  };
  const KeyPair alice = authority_.issue("alice"), eve = AuthorityForTest("Others' CA").issue("eve");
  {
    const auto good = meet(&alice);
    ASSERT_TRUE(good->is_established() && link_->server) << why();
    EXPECT_EQ(link_->server->info().version, "TLS1.2");
    EXPECT_EQ(verified()->subject, "CN=alice");
  }
  const auto none = meet(nullptr);
  EXPECT_FALSE(none->is_established() || link_->server);
  EXPECT_EQ(none->alert(), unsigned{GNUTLS_A_HANDSHAKE_FAILURE});
  EXPECT_EQ(why(), no_client_certificate);
}

/// A server of GnuTLS alone that asks for a certificate, whoever issued it.
TEST_F(ClientCertificateTest, IsOfferedToTls12AndOnlyWhereThereIsOne) {
  const KeyPair alice = authority_.issue("alice"), bob = authority_.issue("bob", {.rsa = true});
  for (const char* priority : {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.3"})
    for (const KeyPair* pair : {&alice, &bob, static_cast<const KeyPair*>(nullptr)}) {
      Link link;
      if (pair != nullptr) link.client_options.certificate = *OfferedCertificate::make(*pair);
      GnutlsPeer server(std::move(link.server_transport), GNUTLS_SERVER, priority);
      server.show(*make_self_signed({"a.test"}));
      gnutls_certificate_server_set_request(server.native(), GNUTLS_CERT_REQUEST);
      link.connecting =
          tls::connect(link.timers, std::move(link.client_transport), link.client_options, [&](auto result) {
            if (result) link.client = std::move(*result);
          });
      link.run();
      ASSERT_TRUE(server.is_established()) << priority;
      unsigned count = 0;
      const gnutls_datum_t* chain = gnutls_certificate_get_peers(server.native(), &count);
      ASSERT_EQ(count, pair != nullptr ? 1u : 0u);
      if (pair == nullptr) continue;
      EXPECT_EQ(fingerprint_of(parse_der({chain[0].data, chain[0].size}).get()),
                fingerprint_of(parse_certificates(pair->certificate_pem)[0].get()));
    }
}

TEST(ClientAuthoritiesTest, AreTakenFromPemAndNameTheirFile) {
  const auto made = [](const std::string& pem) {
    return ServerCredentials::make({*make_self_signed({"a.test"})}, {.authorities = {{"ca.pem", pem}}});
  };
  EXPECT_EQ(made("nothing").error().message, "--client-ca: ca.pem holds no certificate in PEM form");
  const AuthorityForTest one("One"), two("Two");
  const auto credentials = *made(one.pem() + two.pem());
  EXPECT_TRUE(credentials->asks_clients() && credentials->requires_client_certificate());
  EXPECT_THAT(credentials->describe_client_authorities(),
              testing::ElementsAre(AllOf(HasSubstr("CN=One; valid until 2"), HasSubstr("; SHA-256 ")),
                                   HasSubstr("CN=Two; ")));
  const auto without = *ServerCredentials::make({*make_self_signed({"a.test"})});
  EXPECT_FALSE(without->asks_clients() || without->requires_client_certificate());
}

TEST(ClientAuthoritiesTest, HaveNamesThatAHandshakeCanList) {
  std::string pem;
  const std::string name(64, 'x');
  for (int i = 0; i < 500; ++i) pem += AuthorityForTest(name).pem();
  const auto made =
      ServerCredentials::make({*make_self_signed({"a.test"})}, {.authorities = {{"ca.pem", pem}}});
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message,
              AllOf(HasSubstr("--client-ca: the names of all authorities in ca.pem take "),
                    HasSubstr("; leave out")));
}

TEST(ClientAuthoritiesTest, MakeOtherCredentials) {
  const AuthorityForTest one("One"), two("Two");
  const KeyPair pair = *make_self_signed({"a.test"});
  const auto made = [&](const ClientVerification& clients) {
    return *ServerCredentials::make({pair}, clients);
  };
  const auto credentials = made(clients_of(one));
  EXPECT_TRUE(credentials->same_as(*made(clients_of(one))));
  EXPECT_FALSE(credentials->same_as(*made(clients_of(two))));
  EXPECT_FALSE(credentials->same_as(*made(clients_of(one, false))));
  EXPECT_FALSE(credentials->same_as(*made({})));
}

TEST(OfferedCertificateTest, IsTheSameWithTheSameChainAndKey) {
  const AuthorityForTest authority("Clients' CA");
  const KeyPair alice = authority.issue("alice"), bob = authority.issue("bob");
  const auto offered = *OfferedCertificate::make(alice);
  EXPECT_TRUE(offered->same_as(**OfferedCertificate::make(alice)));
  EXPECT_FALSE(offered->same_as(**OfferedCertificate::make(bob)));
  EXPECT_FALSE(
      offered->same_as(**OfferedCertificate::make({alice.certificate_pem + authority.pem(), alice.key_pem})));
  EXPECT_THAT(offered->describe(), HasSubstr("issued by CN=Clients' CA"));
}

}  // namespace
}  // namespace sallyport::tls
