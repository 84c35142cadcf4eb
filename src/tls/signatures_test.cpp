// Which signatures TLS 1.2 is made with: RFC 9155. The other side is GnuTLS by itself, or bytes written here,
// as no peer of ours offers SHA-1.
#include "base/hex.h"
#include "tls/pairs_for_test.h"
#include "tls/priorities.h"
#include "tls/test_link.h"

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

/// GnuTLS with priorities of its own, at one end of a Link's transport.
class Foreigner final : private net::ByteStreamReceiver {
 public:
  Foreigner(std::unique_ptr<net::ByteStream> transport, unsigned role, const char* priority)
      : transport_(std::move(transport)) {
    gnutls_certificate_credentials_t credentials = nullptr;
    gnutls_certificate_allocate_credentials(&credentials);
    credentials_.reset(credentials);
    gnutls_session_t session = nullptr;
    gnutls_init(&session, role | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    session_.reset(session);
    EXPECT_EQ(gnutls_priority_set_direct(session, priority, nullptr), 0) << priority;
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    if (role == GNUTLS_CLIENT) gnutls_server_name_set(session, GNUTLS_NAME_DNS, "a.test", 6);
    gnutls_transport_set_ptr(session, this);
    gnutls_transport_set_push_function(session, push);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_pull_timeout_function(session, [](gnutls_transport_ptr_t, unsigned) { return 1; });
    transport_->set_receiver(this);
    transport_->set_reading(true);
  }

  void show(const KeyPair& pair) {
    const gnutls_datum_t certificate = datum_of(pair.certificate_pem), key = datum_of(pair.key_pem);
    EXPECT_GE(
        gnutls_certificate_set_x509_key_mem(credentials_.get(), &certificate, &key, GNUTLS_X509_FMT_PEM), 0);
  }
  void shake_hands() { code_ = gnutls_handshake(session_.get()); }
  bool is_established() const { return code_ == 0; }
  /// The alert that the peer sent; 0 for none.
  unsigned alert() const {
    if (code_ != GNUTLS_E_FATAL_ALERT_RECEIVED) return 0;
    return static_cast<unsigned>(gnutls_alert_get(session_.get()));
  }
  gnutls_sign_algorithm_t signature_of_peer() const {
    return static_cast<gnutls_sign_algorithm_t>(gnutls_sign_algorithm_get(session_.get()));
  }
  gnutls_pk_algorithm_t key_of_peer() const { return gnutls_sign_get_pk_algorithm(signature_of_peer()); }

  /// A server: says in its ServerKeyExchange that it signed with this hash (RFC 5246 §7.4.1.4.1).
  std::optional<std::uint8_t> claimed_hash;

 private:
  void on_bytes(Bytes bytes) override {
    input_.append(as_text(bytes));
    if (code_ != 0) shake_hands();
  }
  void on_end() override {}
  void on_stream_error(const Error&) override {}

  void falsify(std::span<std::uint8_t> records) const {
    for (std::size_t at = 0; at + 9 < records.size();) {
      const std::size_t length = records[at + 3] * 256u + records[at + 4];
      if (records[at] == handshake_record && records[at + 5] == server_key_exchange) {
        // Header of the record and of the message, curve type, named curve, then the public value.
        const std::size_t value_length = at + 5 + 4 + 3;
        records[value_length + 1 + records[value_length]] = *claimed_hash;
      }
      at += 5 + length;
    }
  }
  static ssize_t push(gnutls_transport_ptr_t self, const void* data, std::size_t size) {
    auto& foreigner = *static_cast<Foreigner*>(self);
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    std::vector<std::uint8_t> records(bytes, bytes + size);
    if (foreigner.claimed_hash) foreigner.falsify(records);
    foreigner.transport_->write(Bytes(records));
    return static_cast<ssize_t>(size);
  }
  static ssize_t pull(gnutls_transport_ptr_t self, void* out, std::size_t size) {
    auto& foreigner = *static_cast<Foreigner*>(self);
    if (foreigner.input_.empty()) {
      gnutls_transport_set_errno(foreigner.session_.get(), EAGAIN);
      return -1;
    }
    const std::size_t taken = std::min(size, foreigner.input_.size());
    std::copy_n(foreigner.input_.begin(), taken, static_cast<char*>(out));
    foreigner.input_.erase(0, taken);
    return static_cast<ssize_t>(taken);
  }

  std::unique_ptr<net::ByteStream> transport_;
  CredentialsHandle credentials_;
  SessionHandle session_;
  std::string input_;
  int code_ = GNUTLS_E_AGAIN;
};

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
  std::unique_ptr<Foreigner> client(const std::vector<KeyPair>& pairs, const std::string& signatures) {
    link.server_options.credentials = *ServerCredentials::make(pairs);
    link.accepting =
        accept(link.timers, std::move(link.server_transport), link.server_options, [this](auto result) {
          if (!result) link.server_error = result.error();
        });
    auto client =
        std::make_unique<Foreigner>(std::move(link.client_transport), GNUTLS_CLIENT,
                                    ("NORMAL:-VERS-ALL:+VERS-TLS1.2:-SIGN-ALL" + signatures).c_str());
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
    EXPECT_EQ(gnutls_sign_get_hash_algorithm(client->signature_of_peer()), GNUTLS_DIG_SHA256);
  }
}

TEST_F(Tls12, ServerShowsTheCertificateWithWhoseKeyItMaySign) {
  Tls12Server server;
  const auto client = server.client({ecdsa(), rsa()}, ":+SIGN-ECDSA-SHA1:+SIGN-RSA-SHA256");
  ASSERT_TRUE(client->is_established()) << client->alert() << ": " << server.link.server_error->message;
  EXPECT_EQ(client->key_of_peer(), GNUTLS_PK_RSA);
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
    server = std::make_unique<Foreigner>(std::move(link.server_transport), GNUTLS_SERVER,
                                         "NORMAL:-VERS-ALL:+VERS-TLS1.2");
    server->show(*make_self_signed({"a.test"}));
    server->claimed_hash = claimed_hash;
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
  std::unique_ptr<Foreigner> server;
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
