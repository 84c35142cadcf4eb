// Which signatures TLS 1.2 is made with: RFC 9155. The other side is GnuTLS by itself, or bytes written here,
// as no peer of ours offers SHA-1.
#include "base/hex.h"
#include "tls/gnutls_peer_for_test.h"
#include "tls/pairs_for_test.h"
#include "tls/priorities.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

constexpr std::uint8_t alert_record = 21, handshake_record = 22;
constexpr std::uint8_t server_key_exchange = 12;
constexpr unsigned handshake_failure = 40, illegal_parameter = 47;

gnutls_sign_algorithm_t signature_of_peer(const GnutlsPeer& of) {
  return static_cast<gnutls_sign_algorithm_t>(gnutls_sign_algorithm_get(of.native()));
}

gnutls_pk_algorithm_t key_of_peer(const GnutlsPeer& of) {
  return gnutls_sign_get_pk_algorithm(signature_of_peer(of));
}

/// A server's ServerKeyExchange says then that it was signed with this hash (RFC 5246 §7.4.1.4.1).
void claim_hash(std::span<std::uint8_t> records, std::uint8_t hash) {
  for (std::size_t at = 0; at + 9 < records.size();) {
    const std::size_t length = records[at + 3] * 256u + records[at + 4];
    if (records[at] == handshake_record && records[at + 5] == server_key_exchange) {
      // Header of the record and of the message, curve type, named curve, then the public value.
      const std::size_t value_length = at + 5 + 4 + 3;
      records[value_length + 1 + records[value_length]] = hash;
    }
    at += 5 + length;
  }
}

TEST(Signatures, OfferNoWeakHash) {
  for (const auto carrier : {Carrier::tcp, Carrier::quic}) {
    const unsigned* list = nullptr;
    const int count = gnutls_priority_sign_list(priorities(carrier), &list);
    ASSERT_GT(count, 5);
    for (const unsigned each : std::span(list, static_cast<std::size_t>(count))) {
      const auto algorithm = static_cast<gnutls_sign_algorithm_t>(each);
      EXPECT_NE(gnutls_sign_get_hash_algorithm(algorithm), GNUTLS_DIG_SHA1)
          << gnutls_sign_get_name(algorithm);
      EXPECT_NE(gnutls_sign_get_hash_algorithm(algorithm), GNUTLS_DIG_MD5) << gnutls_sign_get_name(algorithm);
      EXPECT_TRUE(is_signature_wanted(algorithm)) << gnutls_sign_get_name(algorithm);
    }
  }
  EXPECT_FALSE(is_signature_wanted(GNUTLS_SIGN_RSA_SHA1));
  EXPECT_FALSE(is_signature_wanted(GNUTLS_SIGN_ECDSA_SHA1));
}

/// A server of ours with certificates for a.test, and a foreign client of TLS 1.2.
struct Tls12Server {
  std::unique_ptr<GnutlsPeer> client(const std::vector<KeyPair>& pairs, const std::string& signatures) {
    link.server_options.credentials = *ServerCredentials::make(pairs);
    link.accepting =
        accept(link.timers, std::move(link.server_transport), link.server_options, [this](auto result) {
          if (!result) link.server_error = result.error();
        });
    auto client =
        std::make_unique<GnutlsPeer>(std::move(link.client_transport), GNUTLS_CLIENT,
                                     ("NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL" + signatures).c_str());
    gnutls_server_name_set(client->native(), GNUTLS_NAME_DNS, "a.test", 6);
    client->shake_hands();
    link.run();
    return client;
  }
  Link link;
};

class Tls12 : public testing::Test {
 protected:
  static const KeyPair& ecdsa() {
    static const KeyPair pair = *make_self_signed({"a.test"});
    return pair;
  }
  static const KeyPair& rsa() {
    static const KeyPair pair = with_rsa_key(ecdsa());
    return pair;
  }
};

TEST_F(Tls12, ServerRefusesAClientThatVerifiesOnlySha1) {
  for (const auto& pairs : {std::vector{ecdsa()}, std::vector{rsa()}, std::vector{ecdsa(), rsa()}}) {
    Tls12Server server;
    const auto client = server.client(pairs, ":+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1");
    EXPECT_EQ(client->alert(), handshake_failure);
    ASSERT_TRUE(server.link.server_error);
    EXPECT_EQ(server.link.server_error->kind, ErrorKind::tls);
  }
}

TEST_F(Tls12, ServerSignsWithTheBetterHashThatTheClientVerifies) {
  for (const auto& pair : {ecdsa(), rsa()}) {
    Tls12Server server;
    const auto client =
        server.client({pair}, ":+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1:+SIGN-RSA-SHA256:+SIGN-ECDSA-SHA256");
    ASSERT_TRUE(client->is_established()) << client->alert();
    EXPECT_EQ(gnutls_sign_get_hash_algorithm(signature_of_peer(*client)), GNUTLS_DIG_SHA256);
  }
}

TEST_F(Tls12, ServerShowsTheCertificateWithWhoseKeyItMaySign) {
  Tls12Server server;
  const auto client = server.client({ecdsa(), rsa()}, ":+SIGN-ECDSA-SHA1:+SIGN-RSA-SHA256");
  ASSERT_TRUE(client->is_established()) << client->alert() << ": " << server.link.server_error->message;
  EXPECT_EQ(key_of_peer(*client), GNUTLS_PK_RSA);
}

TEST_F(Tls12, ServerRefusesAClientThatDoesNotSayWhatItVerifies) {
  // Before RFC 9155 that meant SHA-1. ECDHE-ECDSA and -RSA, X25519 and P-256, and nothing more.
  const std::string extensions =
      "000a00060004001d0017"
      "000b00020100"
      "00170000"
      "ff01000100";
  const std::string hello = "0303" + std::string(64, '7') +
                            "00"
                            "0004c02bc02f"
                            "0100"
                            "0019" +
                            extensions;
  Link link;
  Inbox inbox;
  link.client_transport->set_receiver(&inbox);
  link.client_transport->set_reading(true);
  link.client_transport->write(
      *from_hex("160301004a"
                "01000046" +
                hello));
  link.accepting = accept(link.timers, std::move(link.server_transport), link.server_options,
                          [&link](auto result) { link.server_error = result.error(); });
  link.run();
  EXPECT_TRUE(link.server_error);
  ASSERT_EQ(inbox.received.size(), 7u) << "an alert, and nothing before it";
  EXPECT_EQ(static_cast<std::uint8_t>(inbox.received[0]), alert_record);
  EXPECT_EQ(static_cast<std::uint8_t>(inbox.received[6]), handshake_failure);
}

/// A client of ours, and a foreign server of TLS 1.2 that may say to have signed with another hash.
struct Tls12Client {
  void meet(std::optional<std::uint8_t> claimed_hash) {
    server = std::make_unique<GnutlsPeer>(std::move(link.server_transport), GNUTLS_SERVER,
                                          "NORMAL:-VERS-ALL:+VERS-TLS1.2");
    server->show(*make_self_signed({"a.test"}));
    if (claimed_hash)
      server->falsify = [hash = *claimed_hash](std::span<std::uint8_t> records) {
        claim_hash(records, hash);
      };
    link.connecting =
        connect(link.timers, std::move(link.client_transport), link.client_options, [this](auto result) {
          if (result)
            link.client = std::move(*result);
          else
            link.client_error = result.error();
        });
    link.run();
  }
  Link link;
  std::unique_ptr<GnutlsPeer> server;
};

TEST_F(Tls12, ClientTakesSha256) {
  Tls12Client client;
  client.meet(std::nullopt);
  EXPECT_TRUE(client.link.client) << client.link.client_error->message;
  EXPECT_TRUE(client.server->is_established());
}

TEST_F(Tls12, ClientRefusesSha1) {
  Tls12Client client;
  client.meet(2);
  ASSERT_TRUE(client.link.client_error);
  EXPECT_EQ(client.link.client_error->kind, ErrorKind::tls);
  EXPECT_THAT(client.link.client_error->message, testing::HasSubstr("signature"));
  EXPECT_EQ(client.server->alert(), illegal_parameter) << "RFC 9155 §4";
}

}  // namespace
}  // namespace sallyport::tls
