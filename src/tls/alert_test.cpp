#include "tls/alert.h"

#include "tls/test_link.h"

#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using namespace std::string_view_literals;

TEST(AlertText, NamesTheAlertAndWhoRefusedWhat) {
  using enum AlertTime;
  using enum AlertSender;
  EXPECT_EQ(peer_alert_text(48, in_handshake, client),
            "the client refused the certificate: unknown CA (alert 48)");
  EXPECT_EQ(peer_alert_text(42, later, client),
            "the client refused the certificate: bad certificate (alert 42)");
  EXPECT_EQ(peer_alert_text(120, in_handshake, client),
            "the peer refused the TLS handshake: no ALPN protocol in common (alert 120)");
  EXPECT_EQ(peer_alert_text(80, later, server),
            "the peer closed the connection with a TLS alert: internal error (alert 80)");
  EXPECT_EQ(peer_alert_text(116, later, server),
            "the server requires a client certificate: certificate required (alert 116)");
  EXPECT_EQ(peer_alert_text(200, in_handshake, server), "the peer refused the TLS handshake: alert 200");
  EXPECT_EQ(peer_alert_text(42, in_handshake, server),
            "the server refused the client certificate: bad certificate (alert 42)");
  EXPECT_EQ(peer_alert_text(116, later, client),
            "the peer closed the connection with a TLS alert: certificate required (alert 116)");
  EXPECT_EQ(alert_text(45), "certificate expired");
}

TEST(AlertWatch, FindsAnAlertInClearInAnyPieces) {
  constexpr std::string_view records =
      "\x16\x03\x01\x00\x04\x15\x03\x03\x00"  // a handshake message that looks like an alert's header
      "\x15\x03\x03\x00\x14 encrypted, TLS 1.2 "
      "\x14\x03\x03\x00\x00"
      "\x15\x03\x03\x00\x02\x02\x30"
      "\x17\x03\x03\x00\x02\x02\x31"sv;
  for (std::size_t piece = 1; piece <= records.size(); ++piece) {
    AlertWatch watch;
    for (std::size_t at = 0; at < records.size(); at += piece) {
      watch.feed(as_bytes(records.substr(at, piece)));
      EXPECT_EQ(watch.alert().has_value(), at + piece >= records.size() - 7) << piece;
    }
    EXPECT_EQ(watch.alert(), 48u) << piece;
  }
}

TEST(AlertWatch, TakesNoWarningForTheCause) {
  for (const std::string_view alert : {"\1\x70"sv, "\1\0"sv, "\2\0"sv, "\2\x5a"sv}) {
    AlertWatch watch;
    watch.feed(as_bytes("\x15\x03\x03\x00\x02"sv));
    watch.feed(as_bytes(alert));
    EXPECT_FALSE(watch.alert()) << int{alert[0]} << ' ' << int{alert[1]};
    watch.feed(as_bytes("\x15\x03\x03\x00\x02\x02\x30"sv));
    EXPECT_EQ(watch.alert(), 48u);
  }
}

/// OpenSSL's clients, curl's among them, refuse a certificate by an alert in clear where the handshake's keys
/// are in use already.
TEST(Handshake, NamesTheAlertOfAClientThatSendsItInClear) {
  Link hello;
  Inbox first_flight;
  hello.server_transport->set_receiver(&first_flight);
  hello.server_transport->set_reading(true);
  hello.connecting =
      connect(hello.timers, std::move(hello.client_transport), hello.client_options, [](auto) {});
  hello.run();
  ASSERT_FALSE(first_flight.received.empty());

  Link link;
  Inbox client;
  link.client_transport->set_receiver(&client);
  link.client_transport->set_reading(true);
  link.client_transport->write(as_bytes(first_flight.received));
  link.accepting = accept(link.timers, std::move(link.server_transport), link.server_options,
                          [&](auto result) { link.server_error = result.error(); });
  link.run();
  ASSERT_FALSE(client.received.empty()) << "the server's flight";
  ASSERT_FALSE(link.server_error);
  link.client_transport->write(as_bytes("\x15\x03\x03\x00\x02\x02\x30"sv));
  link.run();
  ASSERT_TRUE(link.server_error);
  EXPECT_EQ(link.server_error->message, "the client refused the certificate: unknown CA (alert 48)");
  EXPECT_EQ(link.server_error->code, 48u);
}

}  // namespace
}  // namespace sallyport::tls
