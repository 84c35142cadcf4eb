// When a server's stream takes the records over from GnuTLS, and that GnuTLS as a client notices nothing.
#include "tls/aes_records.h"
#include "tls/test_link.h"

#include <string>

#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

/// A client by GnuTLS alone, with priorities of its own.
class GnutlsClient final : private net::ByteStreamReceiver {
 public:
  GnutlsClient(std::unique_ptr<net::ByteStream> transport, const char* priority)
      : transport_(std::move(transport)) {
    gnutls_certificate_credentials_t credentials = nullptr;
    gnutls_certificate_allocate_credentials(&credentials);
    credentials_.reset(credentials);
    gnutls_session_t session = nullptr;
    gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    session_.reset(session);
    EXPECT_EQ(gnutls_priority_set_direct(session, priority, nullptr), 0) << priority;
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_ptr(session, this);
    gnutls_transport_set_push_function(session, push);
    gnutls_transport_set_pull_function(session, pull);
    gnutls_transport_set_pull_timeout_function(session, [](gnutls_transport_ptr_t, unsigned) { return 1; });
    transport_->set_receiver(this);
    transport_->set_reading(true);
  }
  gnutls_session_t native() const { return session_.get(); }
  void shake_hands() { code_ = gnutls_handshake(native()); }
  bool is_established() const { return code_ == 0; }
  void send(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t sent = gnutls_record_send(native(), text.data() + at, text.size() - at);
      ASSERT_GT(sent, 0);
      at += static_cast<std::size_t>(sent);
    }
  }
  std::string received;
  std::size_t largest_record = 0;
  bool ended = false;

 private:
  void on_bytes(Bytes bytes) override {
    input_.append(as_text(bytes));
    if (code_ != 0) shake_hands();
    if (code_ != 0) return;
    std::array<char, 20'000> out;
    ssize_t count = 0;
    while ((count = gnutls_record_recv(native(), out.data(), out.size())) > 0) {
      received.append(out.data(), static_cast<std::size_t>(count));
      largest_record = std::max(largest_record, static_cast<std::size_t>(count));
    }
    ended = ended || count == 0;
    EXPECT_TRUE(count == 0 || count == GNUTLS_E_AGAIN) << gnutls_strerror(static_cast<int>(count));
  }
  void on_end() override {}
  void on_stream_error(const Error&) override {}
  static ssize_t push(gnutls_transport_ptr_t self, const void* data, std::size_t size) {
    static_cast<GnutlsClient*>(self)->transport_->write(Bytes(static_cast<const std::uint8_t*>(data), size));
    return static_cast<ssize_t>(size);
  }
  static ssize_t pull(gnutls_transport_ptr_t self, void* out, std::size_t size) {
    auto& client = *static_cast<GnutlsClient*>(self);
    if (client.input_.empty()) {
      gnutls_transport_set_errno(client.native(), EAGAIN);
      return -1;
    }
    const std::size_t taken = std::min(size, client.input_.size());
    std::copy_n(client.input_.begin(), taken, static_cast<char*>(out));
    client.input_.erase(0, taken);
    return static_cast<ssize_t>(taken);
  }

  std::unique_ptr<net::ByteStream> transport_;
  CredentialsHandle credentials_;
  SessionHandle session_;
  std::string input_;
  int code_ = GNUTLS_E_AGAIN;
};

struct Meeting {
  Link link;
  std::unique_ptr<GnutlsClient> client;

  explicit Meeting(const char* priority, const std::function<void(gnutls_session_t)>& prepare = nullptr) {
    link.accepting =
        accept(link.timers, std::move(link.server_transport), link.server_options, [this](auto result) {
          if (!result) return;
          link.server = std::move(*result);
          link.server->set_receiver(&link.server_inbox);
          link.server->set_reading(true);
        });
    client = std::make_unique<GnutlsClient>(std::move(link.client_transport), priority);
    if (prepare) prepare(client->native());
    client->shake_hands();
    link.run();
  }
  /// Both say something, and hear it.
  void talk() {
    ASSERT_TRUE(client->is_established());
    ASSERT_TRUE(link.server);
    const std::string question(50'000, 'q'), answer(200'000, 'a');
    client->send(question);
    link.server->write(as_bytes(answer));
    link.run();
    EXPECT_EQ(link.server_inbox.received, question);
    EXPECT_EQ(client->received, answer);
    EXPECT_FALSE(link.server_inbox.error);
  }
};

constexpr const char* aes_128 = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM";

TEST(AesTakeover, EveryCipherAndVersionCarriesTheSame) {
  for (const char* priority : {aes_128, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM",
                               "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305",
                               "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM"}) {
    SCOPED_TRACE(priority);
    Meeting meeting(priority);
    meeting.talk();
    gnutls_bye(meeting.client->native(), GNUTLS_SHUT_WR);
    meeting.link.server->finish();
    meeting.link.run();
    EXPECT_EQ(meeting.link.server_inbox.ends, 1);
    EXPECT_TRUE(meeting.client->ended);
  }
}

TEST(AesTakeover, KeyUpdatesOfTheClientAreFollowedAndAnswered) {
  Meeting meeting(aes_128);
  meeting.talk();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(gnutls_session_key_update(meeting.client->native(), i == 1 ? 0u : GNUTLS_KU_PEER), 0);
    meeting.client->received.clear();
    meeting.link.server_inbox.received.clear();
    meeting.talk();
  }
}

TEST(AesTakeover, ARecordSizeLimitIsKept) {
  Meeting meeting(
      aes_128, [](gnutls_session_t session) { ASSERT_EQ(gnutls_record_set_max_recv_size(session, 700), 0); });
  meeting.talk();
  EXPECT_LE(meeting.client->largest_record, 700u);
}

}  // namespace
}  // namespace sallyport::tls
