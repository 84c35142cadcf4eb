#include "tls/served_certificate.h"

#include "tls/test_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using testing::ElementsAre;

TEST(ServedCertificate, CoversHostsByNameWildcardAndAddress) {
  const auto pair = make_self_signed({"a.test", "*.b.test", "192.0.2.7", "2001:db8::1"});
  const ServedCertificate certificate(*certificate_names(pair->certificate_pem), "");
  for (const std::string_view host :
       {"a.test", "A.TEST", "a.test.", "x.b.test", "192.0.2.7", "[2001:DB8::1]", "2001:db8:0::1"}) {
    EXPECT_TRUE(certificate.covers(host)) << host;
  }
  for (const std::string_view host : {"", ".", "b.test", "x.y.b.test", ".b.test", "xa.test", "test",
                                      "192.0.2.8", "[::1]", "a.test..", "[", "]"}) {
    EXPECT_FALSE(certificate.covers(host)) << host;
  }
  EXPECT_FALSE(certificate.covers(std::string(300, 'a') + ".b.test"));
}

/// A server with a certificate for a.test, which is the first, and one for b.test.
class Served : public testing::Test {
 protected:
  Served() : credentials_(*ServerCredentials::make({a_, b_})) {}

  /// The server's ServedCertificate of a connection whose client sent this host as SNI.
  StreamInfo served_to(const std::string& host) {
    Link link;
    link.server_options.credentials = credentials_;
    link.server_options.ticket_key.fill(7);
    link.client_options.host = host;
    link.client_options.sessions = &sessions_;
    link.shake_hands();
    EXPECT_TRUE(link.client && link.server);
    EXPECT_FALSE(link.client->info().certificate);
    link.start_reading();
    return link.server->info();
  }

  const KeyPair a_ = *make_self_signed({"a.test"}), b_ = *make_self_signed({"b.test", "*.b.test"});
  std::shared_ptr<const ServerCredentials> credentials_;
  SessionCache sessions_;
};

TEST_F(Served, IsTheOneThatSniChose) {
  const auto certificate = served_to("b.test").certificate;
  ASSERT_TRUE(certificate);
  EXPECT_TRUE(certificate->covers("b.test"));
  EXPECT_TRUE(certificate->covers("x.b.test"));
  EXPECT_FALSE(certificate->covers("a.test")) << "the server has one, but did not show it";
  EXPECT_THAT(certificate->names(), ElementsAre("b.test", "*.b.test"));
  EXPECT_EQ(certificate->fingerprint().size(), 64u);
  EXPECT_NE(certificate->fingerprint(), served_to("a.test").certificate->fingerprint());
}

TEST_F(Served, IsTheFirstWithoutSniOrForAnUnknownOne) {
  for (const std::string host : {"192.0.2.1", "unknown.test"}) {
    const auto certificate = served_to(host).certificate;
    ASSERT_TRUE(certificate);
    EXPECT_TRUE(certificate->covers("a.test"));
    EXPECT_FALSE(certificate->covers("b.test"));
    EXPECT_FALSE(certificate->covers(host));
  }
}

TEST_F(Served, IsWhatSniWouldChooseNowWhereTheSessionWasResumed) {
  EXPECT_FALSE(served_to("b.test").resumed);
  const StreamInfo again = served_to("b.test");
  EXPECT_TRUE(again.resumed);
  ASSERT_TRUE(again.certificate);
  EXPECT_TRUE(again.certificate->covers("b.test"));
  EXPECT_FALSE(again.certificate->covers("a.test"));

  credentials_ = *ServerCredentials::make({a_});
  const StreamInfo later = served_to("b.test");
  EXPECT_TRUE(later.resumed);
  ASSERT_TRUE(later.certificate);
  EXPECT_FALSE(later.certificate->covers("b.test")) << "it is not served any more";
}

TEST_F(Served, OutlivesTheCredentials) {
  const auto certificate = served_to("b.test").certificate;
  credentials_ = *ServerCredentials::make({*make_self_signed({"c.test"})});
  EXPECT_TRUE(certificate->covers("b.test"));
  EXPECT_FALSE(certificate->covers("c.test"));
}

}  // namespace
}  // namespace sallyport::tls
