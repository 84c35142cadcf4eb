#include "tls/quic_session.h"

#include "base/file.h"
#include "tls/served_certificate.h"

#include <filesystem>
#include <utility>

#include <gmock/gmock.h>
#include <gnutls/gnutls.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace sallyport::tls {
namespace {

using testing::HasSubstr;

using Message = std::pair<gnutls_record_encryption_level_t, std::vector<std::uint8_t>>;

/// Takes the place of ngtcp2: keeps what a session wants sent as CRYPTO data, and its alert.
struct Side {
  explicit Side(Result<std::unique_ptr<QuicSession>> made) : session(std::move(*made)) {
    gnutls_session_set_ptr(session->native(), this);
    gnutls_handshake_set_read_function(
        session->native(), [](gnutls_session_t handle, gnutls_record_encryption_level_t level,
                              gnutls_handshake_description_t type, const void* data, std::size_t size) {
          const auto* bytes = static_cast<const std::uint8_t*>(data);
          Side& self = *static_cast<Side*>(gnutls_session_get_ptr(handle));
          if (type != GNUTLS_HANDSHAKE_CHANGE_CIPHER_SPEC)
            self.out.emplace_back(level, std::vector(bytes, bytes + size));
          return 0;
        });
    gnutls_alert_set_read_function(
        session->native(), [](gnutls_session_t handle, gnutls_record_encryption_level_t, gnutls_alert_level_t,
                              gnutls_alert_description_t description) {
          static_cast<Side*>(gnutls_session_get_ptr(handle))->alert = static_cast<std::uint8_t>(description);
          return 0;
        });
    // Which no QUIC endpoint leaves out (RFC 9001 §8.2).
    constexpr int quic_transport_parameters = 57;
    gnutls_session_ext_register(
        session->native(), "quic_transport_parameters", quic_transport_parameters, GNUTLS_EXT_TLS,
        [](gnutls_session_t, const unsigned char*, std::size_t) { return 0; },
        [](gnutls_session_t, gnutls_buffer_t extension) {
          return gnutls_buffer_append_data(extension, "\0\0", 2);
        },
        nullptr, nullptr, nullptr, GNUTLS_EXT_FLAG_TLS | GNUTLS_EXT_FLAG_CLIENT_HELLO | GNUTLS_EXT_FLAG_EE);
  }

  void step() {
    if (done || failed) return;
    const int code = gnutls_handshake(session->native());
    done = code == 0;
    failed = code < 0 && gnutls_error_is_fatal(code) != 0;
    if (failed) gnutls_alert_send_appropriate(session->native(), code);
  }

  void take(const std::vector<Message>& messages) {
    for (const auto& [level, bytes] : messages) {
      if (failed || gnutls_handshake_write(session->native(), level, bytes.data(), bytes.size()) < 0) return;
      step();
    }
  }

  std::unique_ptr<QuicSession> session;
  std::vector<Message> out;
  bool done = false, failed = false;
  std::uint8_t alert = 0;
};

class Quic : public testing::Test {
 protected:
  Quic() {
    std::string path = testing::TempDir() + "quicXXXXXX";
    ::close(::mkstemp(path.data()));
    const KeyPair pair = *make_self_signed({"a.test"});
    EXPECT_TRUE(write_file(path, pair.certificate_pem, 0600, IfExists::replace));
    server_options.credentials = *ServerCredentials::make({pair});
    server_options.alpn = {"h3"};
    server_options.ticket_key.fill(1);
    server_options.early_data = std::make_shared<ReplayGuard>(record);
    client_options.trust = *Trust::make({.ca_files = {path}});
    std::filesystem::remove(path);
    client_options.host = "a.test";
    client_options.alpn = {"h3"};
    client_options.early_data = true;
    client_options.on_ticket = [this](std::vector<std::uint8_t> ticket) {
      tickets.push_back(std::move(ticket));
    };
  }

  void meet(Side& client, Side& server) {
    client.step();
    while (!client.out.empty() || !server.out.empty()) {
      server.take(std::exchange(client.out, {}));
      if (server.done && !std::exchange(ticket_sent_, true)) server.session->send_ticket().value();
      client.take(std::exchange(server.out, {}));
    }
    ticket_sent_ = false;
  }

  std::shared_ptr<ReplayRecord> record = std::make_shared<ReplayRecord>();
  QuicServerOptions server_options;
  QuicClientOptions client_options;
  std::vector<std::vector<std::uint8_t>> tickets;

 private:
  bool ticket_sent_ = false;
};

TEST_F(Quic, ShakesHandsAndThenResumesWithEarlyData) {
  {
    Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options));
    EXPECT_FALSE(client.session->offers_early_data());
    meet(client, server);
    ASSERT_TRUE(client.done && server.done);
    const SessionInfo info = server.session->info();
    EXPECT_EQ(info.alpn, "h3");
    EXPECT_EQ(info.server_name, "a.test");
    EXPECT_FALSE(info.resumed || info.early_data_accepted);
  }
  ASSERT_EQ(tickets.size(), 1u);
  client_options.ticket = tickets[0];
  Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options));
  EXPECT_TRUE(client.session->offers_early_data());
  meet(client, server);
  ASSERT_TRUE(client.done && server.done);
  for (const Side* side : {&client, &server}) {
    EXPECT_TRUE(side->session->info().resumed);
    EXPECT_TRUE(side->session->info().early_data_accepted);
  }
  EXPECT_EQ(tickets.size(), 2u) << "a resumed session brings a new ticket";
}

TEST_F(Quic, TellsWhichCertificateWasShownAndWouldHaveBeen) {
  const KeyPair a = *make_self_signed({"a.test"}), b = *make_self_signed({"b.test"});
  client_options.trust = *Trust::make({.insecure = true});
  client_options.host = "b.test";
  server_options.credentials = *ServerCredentials::make({a, b});
  for (const bool resumed : {false, true}) {
    Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options));
    meet(client, server);
    ASSERT_TRUE(client.done && server.done);
    const SessionInfo info = server.session->info();
    EXPECT_EQ(info.resumed, resumed);
    ASSERT_TRUE(info.certificate);
    EXPECT_TRUE(info.certificate->covers("b.test"));
    EXPECT_FALSE(info.certificate->covers("a.test"));
    EXPECT_FALSE(client.session->info().certificate);
    client_options.ticket = tickets.back();
  }
}

TEST_F(Quic, RefusesReplayedEarlyDataAlsoAtAnotherWorker) {
  auto other_worker = server_options;
  other_worker.early_data = std::make_shared<ReplayGuard>(record);
  {
    Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options));
    meet(client, server);
  }
  client_options.ticket = tickets.at(0);
  Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options)),
      replayed(QuicSession::server(other_worker));
  client.step();
  const std::vector<Message> hello = client.out;
  server.take(hello);
  replayed.take(hello);
  EXPECT_TRUE(server.session->info().early_data_accepted);
  EXPECT_FALSE(replayed.session->info().early_data_accepted);
  EXPECT_TRUE(replayed.session->info().resumed) << "the handshake itself goes on";
}

TEST_F(Quic, AServerWithoutAGuardTakesNoEarlyData) {
  server_options.early_data = nullptr;
  {
    Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options));
    meet(client, server);
  }
  client_options.ticket = tickets.at(0);
  Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options));
  EXPECT_FALSE(client.session->offers_early_data());
  meet(client, server);
  ASSERT_TRUE(client.done);
  EXPECT_TRUE(client.session->info().resumed);
  EXPECT_FALSE(client.session->info().early_data_accepted);
}

TEST_F(Quic, SaysWhyTheCertificateWasNotAccepted) {
  client_options.host = "b.test";
  Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options));
  meet(client, server);
  ASSERT_TRUE(client.failed);
  EXPECT_EQ(client.session->failure(client.alert).message,
            "the certificate of b.test is for 'a.test', not for 'b.test'");
  EXPECT_EQ(client.session->failure(client.alert).code, unsigned{GNUTLS_A_CERTIFICATE_UNKNOWN});
  EXPECT_NE(client.alert, 0);
}

TEST_F(Quic, SaysThatThereIsNoProtocolInCommon) {
  client_options.alpn = {"hq"};
  Side client(QuicSession::client(client_options)), server(QuicSession::server(server_options));
  meet(client, server);
  ASSERT_TRUE(server.failed);
  EXPECT_EQ(server.alert, GNUTLS_A_NO_APPLICATION_PROTOCOL);
  EXPECT_THAT(client.session->failure(server.alert).message, HasSubstr("no ALPN protocol in common"));
}

TEST_F(Quic, SpeaksTls13Alone) {
  Side server(QuicSession::server(server_options));
  gnutls_session_t old = nullptr;
  gnutls_init(&old, GNUTLS_CLIENT);
  gnutls_priority_set_direct(old, "NORMAL:-VERS-ALL:+VERS-TLS1.2", nullptr);
  gnutls_certificate_credentials_t anything = nullptr;
  gnutls_certificate_allocate_credentials(&anything);
  gnutls_credentials_set(old, GNUTLS_CRD_CERTIFICATE, anything);
  std::vector<std::uint8_t> hello;
  gnutls_session_set_ptr(old, &hello);
  gnutls_transport_set_ptr(old, &hello);
  gnutls_transport_set_push_function(old, [](gnutls_transport_ptr_t to, const void* data, std::size_t size) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    static_cast<std::vector<std::uint8_t>*>(to)->assign(bytes, bytes + size);
    return static_cast<ssize_t>(size);
  });
  gnutls_transport_set_pull_function(old, [](gnutls_transport_ptr_t, void*, std::size_t) {
    errno = EAGAIN;
    return ssize_t{-1};
  });
  gnutls_handshake(old);
  constexpr std::size_t record_header = 5;
  ASSERT_GT(hello.size(), record_header);
  server.take({{GNUTLS_ENCRYPTION_LEVEL_INITIAL, {hello.begin() + record_header, hello.end()}}});
  EXPECT_TRUE(server.failed);
  gnutls_deinit(old);
  gnutls_certificate_free_credentials(anything);
}

}  // namespace
}  // namespace sallyport::tls
