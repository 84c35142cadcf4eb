// When a server's stream takes the records over from GnuTLS, and that GnuTLS as a client notices nothing.
#include "tls/aes_records.h"
#include "tls/gnutls_peer_for_test.h"

#include <string>

#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

struct Meeting {
  Link link;
  std::unique_ptr<GnutlsPeer> client;

  explicit Meeting(const char* priority, const std::function<void(gnutls_session_t)>& prepare = nullptr) {
    link.accepting =
        accept(link.timers, std::move(link.server_transport), link.server_options, [this](auto result) {
          if (!result) return;
          link.server = std::move(*result);
          link.server->set_receiver(&link.server_inbox);
          link.server->set_reading(true);
        });
    client = std::make_unique<GnutlsPeer>(std::move(link.client_transport), GNUTLS_CLIENT, priority);
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
