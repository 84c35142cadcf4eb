#include "ingress/forwarded_message.h"

#include "masque/doubles_for_test.h"
#include "tls/client_certificate.h"

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

class ForwardedMessageTest : public testing::Test {
 protected:
  http::Request forwarded(const http::Request& request) {
    return request_for_backend(connection.receive(request), "http", "backend.test:8080", by);
  }
  net::Timers timers{Time(100s)};
  masque::ConnectionForTest connection{timers};
  SeededRandom random{1};
  ForwardedBy by{.pseudonym = "gateway", .request_id = "an-id"};
};

// RFC 8470 §5.1.
TEST_F(ForwardedMessageTest, EarlyDataIsSaidToBeSo) {
  EXPECT_EQ(forwarded({.early_data = true}).fields.find("early-data"), "1");
  EXPECT_FALSE(forwarded({}).fields.contains("early-data"));
  http::Request before;
  before.fields = {{"early-data", "1"}};
  EXPECT_EQ(forwarded(before).fields.joined("early-data"), "1") << "no intermediary may remove it";
  before.early_data = true;
  EXPECT_EQ(forwarded(before).fields.joined("early-data"), "1");
}

// RFC 9440 §2.
TEST_F(ForwardedMessageTest, TheClientsCertificateIsSaidAsItWasVerified) {
  EXPECT_FALSE(forwarded({}).fields.contains("client-cert"));
  tls::ClientCertificate alice{.subject = "CN=alice", .fingerprint = "00", .chain = {"QQ==", "Qg==", "Qw=="}};
  connection.set_client_certificate(std::make_shared<tls::ClientCertificate>(alice));
  EXPECT_EQ(forwarded({}).fields.find("client-cert"), ":QQ==:");
  EXPECT_FALSE(forwarded({}).fields.contains("client-cert-chain"));
  by.client_certificate_chain = true;
  EXPECT_EQ(forwarded({}).fields.find("client-cert"), ":QQ==:");
  EXPECT_EQ(forwarded({}).fields.find("client-cert-chain"), ":Qg==:, :Qw==:");
  alice.chain.resize(1);
  connection.set_client_certificate(std::make_shared<tls::ClientCertificate>(alice));
  EXPECT_FALSE(forwarded({}).fields.contains("client-cert-chain"));
}

TEST_F(ForwardedMessageTest, NoClientSaysItselfWhatItsCertificateIs) {
  http::Request pretended;
  pretended.fields = {{"client-cert", ":QQ==:"},        {"client-cert-chain", ":Qg==:"},
                      {"client_cert", ":QQ==:"},        {"x-client-cert", "Q"},
                      {"x-forwarded-client-cert", "Q"}, {"ssl-client-verify", "SUCCESS"},
                      {"ssl_client_s_dn", "CN=root"},   {"x-ssl-client-cert", "Q"},
                      {"x-amzn-mtls-clientcert", "Q"},  {"kept", "yes"}};
  for (const bool is_verified : {false, true}) {
    if (is_verified)
      connection.set_client_certificate(std::make_shared<tls::ClientCertificate>(
          tls::ClientCertificate{.subject = {}, .fingerprint = {}, .chain = {"Qw=="}}));
    const http::Request made = forwarded(pretended);
    for (const http::Fields::Field field : pretended.fields) {
      if (field.name == "kept" || (is_verified && field.name == "client-cert")) continue;
      EXPECT_FALSE(made.fields.contains(field.name)) << field.name;
    }
    EXPECT_EQ(made.fields.find("kept"), "yes");
    EXPECT_EQ(made.fields.find("client-cert").value_or("none"), is_verified ? ":Qw==:" : "none");
  }
  const http::Fields trailers = trailers_to_forward(pretended.fields);
  EXPECT_FALSE(trailers.contains("client-cert"));
  EXPECT_TRUE(trailers.contains("kept"));
}

TEST_F(ForwardedMessageTest, KeepsWhatTheRequestIs) {
  const http::Request made = forwarded({.method = "PUT",
                                        .scheme = "https",
                                        .authority = "a.test:8443",
                                        .path = "/x?y",
                                        .fields = {{"te", "trailers"}, {"expect", "100-continue"}},
                                        .priority = {.urgency = 1, .incremental = true}});
  EXPECT_EQ(made.method, "PUT");
  EXPECT_EQ(made.scheme, "http");
  EXPECT_EQ(made.authority, "a.test:8443");
  EXPECT_EQ(made.path, "/x?y");
  EXPECT_EQ(made.fields.find("te"), "trailers");
  EXPECT_EQ(made.fields.find("expect"), "100-continue");
  EXPECT_EQ(made.fields.find("x-forwarded-host"), "a.test:8443");
  EXPECT_EQ(made.priority, (http::Priority{.urgency = 1, .incremental = true}));
}

// HTTP/1.0 without Host.
TEST_F(ForwardedMessageTest, ARequestForNobodyIsForTheBackend) {
  const http::Request made = forwarded({.authority = "", .path = "/"});
  EXPECT_EQ(made.authority, "backend.test:8080");
  EXPECT_FALSE(made.fields.contains("x-forwarded-host"));
}

TEST_F(ForwardedMessageTest, EachRequestHasAnIdOfItsOwn) {
  http::Request request;
  const std::string one = request_id(request, true, random);
  EXPECT_EQ(one.size(), 32u);
  EXPECT_NE(request_id(request, true, random), one);
  request.fields = {{"x-request-id", "theirs"}};
  EXPECT_NE(request_id(request, false, random), "theirs");
  EXPECT_EQ(request_id(request, true, random), "theirs");
  request.fields = {{"x-request-id", std::string(129, 'x')}};
  EXPECT_EQ(request_id(request, true, random).size(), 32u);
  EXPECT_EQ(forwarded(request).fields.joined("x-request-id"), "an-id");
}

TEST_F(ForwardedMessageTest, AClientIsNotBelievedWhoItIs) {
  http::Request request{.authority = "a.test"};
  request.fields = {{"x-forwarded-for", "203.0.113.7"},
                    {"x-forwarded-proto", "gopher"},
                    {"x-forwarded-host", "b.test"},
                    {"x-forwarded-port", "1"},
                    {"forwarded", "for=203.0.113.7"}};
  const http::Request made = forwarded(request);
  EXPECT_EQ(made.fields.joined("x-forwarded-for"), "9.9.9.9");
  EXPECT_EQ(made.fields.joined("x-forwarded-proto"), "http");
  EXPECT_EQ(made.fields.joined("x-forwarded-host"), "a.test");
  EXPECT_FALSE(made.fields.contains("x-forwarded-port"));
  EXPECT_FALSE(made.fields.contains("forwarded"));
}

TEST_F(ForwardedMessageTest, ATrustedProxyIs) {
  by.trusts_client = true;
  http::Request request{.authority = "a.test"};
  request.fields = {{"x-forwarded-for", "203.0.113.7"}, {"x-forwarded-for", "198.51.100.2"},
                    {"x-forwarded-proto", "gopher"},    {"x-forwarded-host", "b.test"},
                    {"x-forwarded-port", "1"},          {"forwarded", "for=203.0.113.7"},
                    {"x-real-ip", "203.0.113.7"}};
  const http::Request made = forwarded(request);
  EXPECT_EQ(made.fields.joined("x-forwarded-for"), "203.0.113.7, 198.51.100.2, 9.9.9.9");
  EXPECT_EQ(made.fields.joined("x-forwarded-proto"), "gopher");
  EXPECT_EQ(made.fields.joined("x-forwarded-host"), "b.test");
  EXPECT_EQ(made.fields.joined("x-forwarded-port"), "1");
  EXPECT_EQ(made.fields.joined("forwarded"), "for=203.0.113.7, for=9.9.9.9;host=\"a.test\";proto=http");
  EXPECT_FALSE(made.fields.contains("x-real-ip")) << "which proxy said it is not known";
  const http::Request plain = forwarded({.authority = "a.test"});
  EXPECT_EQ(plain.fields.joined("x-forwarded-for"), "9.9.9.9");
  EXPECT_EQ(plain.fields.joined("x-forwarded-proto"), "http");
  EXPECT_EQ(plain.fields.joined("x-forwarded-host"), "a.test");
  EXPECT_FALSE(plain.fields.contains("forwarded"));
}

}  // namespace
}  // namespace sallyport::ingress
