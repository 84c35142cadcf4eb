// What an HTTP/3 connection tells of itself: as it is now, whoever moved and whatever was changed since.
#include "http/h3_for_test.h"
#include "tls/authority_for_test.h"
#include "tls/client_certificate.h"
#include "tls/served_certificate.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::get;
using test::H3Pair;

TEST(H3ConnectionInfo, TellsWhatTheHandshakeAgreedOn) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  // The client is ready first: the server's SETTINGS come with its first flight.
  ASSERT_TRUE(pair.run_until([&] { return pair.server().quic()->is_established(); }));
  const ConnectionInfo& info = pair.server().info();
  EXPECT_EQ(info.version, Version::http3);
  EXPECT_TRUE(info.server);
  EXPECT_EQ(info.server_name, "server.test");
  EXPECT_EQ(info.tls, "TLS1.3");
  EXPECT_FALSE(info.cipher.empty());
  EXPECT_TRUE(info.address_validated);
  EXPECT_EQ(info.path, pair.link.server.net_path());
  const ConnectionInfo& client = pair.client->info();
  EXPECT_FALSE(client.server);
  EXPECT_EQ(client.id, info.id);
  EXPECT_EQ(client.cipher, info.cipher);
  EXPECT_FALSE(client.certificate);
}

TEST(H3ConnectionInfo, HasTheNewAddressOfAPeerThatMoved) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  const ConnectionInfo* const before = &pair.server().info();
  const auto elsewhere = *net::SocketAddress::parse("192.0.2.99:2000");
  pair.link.client.rebind(elsewhere);
  pair.client->request(get("/"), pair.handler(), true);
  ASSERT_TRUE(pair.run_until([&] { return pair.server().quic()->stats().path_changes > 0; }));
  EXPECT_EQ(pair.server().info().path.remote, elsewhere);
  EXPECT_EQ(&pair.server().info(), before) << "nothing is copied";
}

TEST(H3ConnectionInfo, HasTheCertificateThatThisConnectionWasGiven) {
  H3Pair pair;
  const auto a = *tls::make_self_signed({"a.test"}), b = *tls::make_self_signed({"server.test"});
  pair.server_options.credentials = *tls::ServerCredentials::make({a, b});
  ASSERT_TRUE(pair.establish());
  const auto certificate = [&pair] { return pair.server().info().certificate; };
  ASSERT_TRUE(certificate());
  EXPECT_TRUE(certificate()->covers("server.test"));
  EXPECT_FALSE(certificate()->covers("a.test"));

  pair.endpoint->set_credentials(*tls::ServerCredentials::make({a}));
  pair.client->request(get("/"), pair.handler(), true);
  ASSERT_TRUE(pair.run_until([&] { return !pair.requests.requests.empty(); }));
  EXPECT_TRUE(certificate()->covers("server.test")) << "open connections keep theirs";

  pair.client.reset();
  pair.server_events = {};
  pair.client_events = {};
  pair.connect();
  ASSERT_TRUE(pair.run_until([&] { return pair.client_events.ready > 0; }));
  EXPECT_FALSE(certificate()->covers("server.test"));
  EXPECT_TRUE(certificate()->covers("a.test"));
}

TEST(H3ConnectionInfo, HasTheClientsCertificateOnceItWasVerified) {
  const tls::AuthorityForTest authority("Clients' CA");
  H3Pair pair;
  pair.server_options.credentials =
      *tls::ServerCredentials::make({*tls::make_self_signed({"server.test"})}, tls::clients_of(authority));
  pair.client_options.certificate = *tls::OfferedCertificate::make(authority.issue("alice"));
  ASSERT_TRUE(pair.establish());
  pair.client->request(get("/"), pair.handler(), true);
  ASSERT_TRUE(pair.run_until([&] { return !pair.requests.requests.empty(); }));
  const auto certificate = pair.server().info().client_certificate;
  ASSERT_TRUE(certificate) << "with the first request";
  EXPECT_EQ(certificate->subject, "CN=alice");
  EXPECT_FALSE(pair.client->info().client_certificate);
}

}  // namespace
}  // namespace sallyport::http
