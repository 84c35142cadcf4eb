#include "tls/certificate.h"

#include "base/file.h"
#include "base/folder_for_test.h"
#include "tls/credentials.h"
#include "tls/gnutls_handles.h"
#include "tls/names.h"
#include "tls/pairs_for_test.h"

#include <ctime>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Certificates : public testing::Test {
 protected:
  std::string write(const std::string& name, std::string_view content) {
    EXPECT_TRUE(write_file(folder_ + "/" + name, content, 0600, IfExists::replace));
    return folder_ + "/" + name;
  }
  const FolderForTest temporary_;
  const std::string folder_ = temporary_.path();
};

TEST(SelfSigned, CoversItsNamesAndAddressesForTheTimeAskedFor) {
  const auto pair = make_self_signed({"Gw.Test", "*.apps.test", "192.0.2.7", "2001:db8::1"}, 5);
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_THAT(*certificate_names(pair->certificate_pem),
              ElementsAre("gw.test", "*.apps.test", "192.0.2.7", "2001:db8::1"));

  const auto chain = parse_certificates(pair->certificate_pem);
  ASSERT_EQ(chain.size(), 1u);
  const std::time_t from = gnutls_x509_crt_get_activation_time(chain[0].get());
  const std::time_t until = gnutls_x509_crt_get_expiration_time(chain[0].get());
  EXPECT_EQ(until - from, 5 * 86400);
  EXPECT_NEAR(static_cast<double>(from), static_cast<double>(std::time(nullptr) - 3600), 60);
}

TEST(SelfSigned, IsShortEnoughForChromiumByDefault) {
  const auto chain = parse_certificates(make_self_signed({"a.test"})->certificate_pem);
  EXPECT_LE(gnutls_x509_crt_get_expiration_time(chain[0].get()) -
                gnutls_x509_crt_get_activation_time(chain[0].get()),
            14 * 86400);
}

TEST(SelfSigned, WritesEveryPrivateValueWith32Octets) {
  const std::string_view version_1_and_32_octets("\x02\x01\x01\x04\x20", 5);  // RFC 5915 §3
  for (int i = 0; i < 600; ++i) {
    const std::string text = make_self_signed({"a.test"})->key_pem;
    const gnutls_datum_t pem = datum_of(text);
    Datum der;
    ASSERT_EQ(gnutls_pem_base64_decode2(nullptr, &pem, &der.value), 0);
    ASSERT_NE(der.text().find(version_1_and_32_octets), std::string_view::npos);
  }
}

TEST(SelfSigned, RefusesWhatNoCertificateCanHold) {
  for (const std::string name : {"", "a b", "a..b", "ü.test", "a.*.b", "-.test/x", "fe80::1%eth0"}) {
    const auto pair = make_self_signed({name});
    ASSERT_FALSE(pair) << name;
    EXPECT_EQ(pair.error().kind, ErrorKind::usage);
    EXPECT_THAT(pair.error().message, HasSubstr("'" + name + "'"));
  }
  EXPECT_FALSE(make_self_signed({}));
  EXPECT_FALSE(make_self_signed({"a.test"}, 0));
  EXPECT_FALSE(make_self_signed({"a.test"}, 4000));
}

TEST(SelfSigned, KeepsANameTooLongForTheCommonName) {
  const std::string name = std::string(60, 'a') + "." + std::string(60, 'b') + ".test";
  const auto pair = make_self_signed({name});
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_THAT(*certificate_names(pair->certificate_pem), ElementsAre(name));
}

TEST(Fingerprint, IsTheHashOfThePublicKeyAlone) {
  // Made with `openssl x509 -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary |
  // base64`.
  constexpr std::string_view certificate = R"(-----BEGIN CERTIFICATE-----
MIIBgDCCASWgAwIBAgIUHr5R19MV0DJoND/k80HX2PZebNIwCgYIKoZIzj0EAwIw
FTETMBEGA1UEAwwKZml4ZWQudGVzdDAeFw0yNjExMjIyMTAxMjRaFw0zNjExMTky
MTAxMjRaMBUxEzARBgNVBAMMCmZpeGVkLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQ0r2UDQOB+472fM3+BLFx8C2GdrPoVjZLjpVqYGMiJppyzHvBPnVqW
GtPo2E2aLgh3rf2tWdaWcvVcQ3Vy8m3io1MwUTAdBgNVHQ4EFgQUMfbKh5Akxxqs
/rm1AEu0s/t9G3MwHwYDVR0jBBgwFoAUMfbKh5Akxxqs/rm1AEu0s/t9G3MwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA9yKSdo69hOUWXH3UQcWG
jZ4yvi0WHVsyiiBNOZhwV5ICIQD68IKz3mX0WHw3hutkB5CCooEBrLJI59pDfvdb
aggymw==
-----END CERTIFICATE-----
)";
  const auto fingerprint = spki_fingerprint(certificate);
  ASSERT_TRUE(fingerprint) << fingerprint.error().message;
  EXPECT_EQ(*fingerprint, "a76x0p7c35E4WoEwIAxxbHsfeVE4XccSMiNFCM8qQ8Q=");
  EXPECT_FALSE(spki_fingerprint("nothing"));
}

TEST_F(Certificates, LoadsAPairAndSaysWhatIsWrongWithOthers) {
  const auto a = make_self_signed({"a.test"});
  const auto b = make_self_signed({"b.test"});
  const std::string certificate = write("a.pem", a->certificate_pem), key = write("a.key", a->key_pem);
  const auto loaded = load_key_pair(certificate, key);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->key_pem, a->key_pem);

  const auto error = [](const std::string& c, const std::string& k) {
    return load_key_pair(c, k).error().message;
  };
  const std::string missing = folder_ + "/none.pem", text = write("text", "hello"),
                    other = write("b.key", b->key_pem);
  EXPECT_EQ(error(missing, key), "cannot read " + missing + ": No such file or directory");
  EXPECT_EQ(error(certificate, missing), "cannot read " + missing + ": No such file or directory");
  EXPECT_EQ(error(folder_, key), "cannot read " + folder_ + ": Is a directory");
  EXPECT_EQ(error(text, key), text + " holds no certificate in PEM form");
  EXPECT_EQ(error(key, key), key + " holds no certificate in PEM form");
  EXPECT_EQ(error(certificate, text), text + " holds no private key in PEM form");
  EXPECT_EQ(error(certificate, other),
            "the key in " + other + " does not match the first certificate in " + certificate);
}

TEST(Credentials, AreTheSameWithTheSamePairsInTheSameOrder) {
  const KeyPair a = *make_self_signed({"a.test"}), b = *make_self_signed({"b.test"});
  const auto made = *ServerCredentials::make({a, b});
  const auto same_as = [&made](const std::vector<KeyPair>& pairs) {
    return made->same_as(**ServerCredentials::make(pairs));
  };
  EXPECT_TRUE(same_as({a, b}));
  EXPECT_FALSE(same_as({b, a})) << "another one answers without SNI";
  EXPECT_FALSE(same_as({a}));
  EXPECT_FALSE(same_as({a, *make_self_signed({"b.test"})}));
  EXPECT_FALSE(same_as({{a.certificate_pem + b.certificate_pem, a.key_pem}, b})) << "a longer chain";
  EXPECT_FALSE(same_as({{a.certificate_pem, b.key_pem}, b}));
}

TEST(Credentials, AreDescribedWithoutTheirKeys) {
  constexpr std::time_t until = 1893456000;
  const KeyPair pair = dated(*make_self_signed({"a.test", "*.b.test", "192.0.2.7"}), 1600000000, until);
  const auto credentials = *ServerCredentials::make({pair, signed_by_another({"c.test"}, "ca.test")});
  const auto lines = credentials->describe();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], testing::MatchesRegex("a\\.test, \\*\\.b\\.test, 192\\.0\\.2\\.7; self-signed; "
                                              "valid until 2030-01-01 00:00 UTC; SHA-256 [0-9a-f]{64}"));
  EXPECT_THAT(lines[1], testing::StartsWith("c.test; issued by CN=ca.test; valid until "));
}

TEST_F(Certificates, ServersRefuseToStartWithoutOne) {
  EXPECT_EQ(ServerCredentials::make({}).error().kind, ErrorKind::usage);
  auto pair = *make_self_signed({"a.test"});
  pair.key_pem = "no key";
  EXPECT_THAT(ServerCredentials::make({pair}).error().message, HasSubstr("'a.test'"));
}

TEST(Names, AreQuotedUpToThree) {
  const std::vector<std::string> names{"a", "b", "c", "d", "e"};
  EXPECT_EQ(quote_names({}), "no name");
  EXPECT_EQ(quote_names(std::span(names).first(1)), "'a'");
  EXPECT_EQ(quote_names(std::span(names).first(2)), "'a' and 'b'");
  EXPECT_EQ(quote_names(std::span(names).first(3)), "'a', 'b' and 'c'");
  EXPECT_EQ(quote_names(names), "'a', 'b', 'c' and 2 more");
}

}  // namespace
}  // namespace sallyport::tls
