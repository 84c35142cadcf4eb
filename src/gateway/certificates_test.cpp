#include "gateway/certificates.h"

#include "base/file.h"
#include "base/folder_for_test.h"
#include "tls/authority_for_test.h"
#include "tls/pairs_for_test.h"

#include <algorithm>
#include <filesystem>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CertificatesOfFiles : public testing::Test {
 protected:
  std::string write(const std::string& name, std::string_view content) {
    EXPECT_TRUE(write_file(folder_.path() + "/" + name, content, 0600, IfExists::replace));
    return folder_.path() + "/" + name;
  }
  static std::string metrics(const Certificates& certificates) {
    admin::MetricSet figures;
    certificates.collect(figures);
    return figures.to_text();
  }
  static std::string line(const std::string& label, const std::string& value) {
    return "sallyport_certificate_not_after_seconds{certificate=\"" + label + "\"} " + value + "\n";
  }

  const FolderForTest folder_;
  const tls::KeyPair pair_ = *tls::make_self_signed({"a.test"});
};

TEST_F(CertificatesOfFiles, TellTheEarliestEndOfTheChain) {
  config::ServingFlags settings;
  settings.certificates = {
      {.certificate = write("chain.pem", tls::dated(pair_, 1'600'000'000, 1'900'000'000).certificate_pem +
                                             tls::dated(pair_, 1'600'000'000, 1'800'000'000).certificate_pem),
       .key = write("key.pem", pair_.key_pem)}};
  Certificates certificates(settings);
  EXPECT_EQ(metrics(certificates), "");
  ASSERT_TRUE(certificates.load());
  EXPECT_THAT(metrics(certificates), HasSubstr(line(settings.certificates[0].certificate, "1800000000")));
}

TEST_F(CertificatesOfFiles, AskClientsForCertificatesOfTheAuthoritiesThatTheirListenerHas) {
  const tls::AuthorityForTest one("One"), two("Two");
  config::ServingFlags settings;
  settings.certificates = {
      {.certificate = write("chain.pem", pair_.certificate_pem), .key = write("key.pem", pair_.key_pem)}};
  settings.client_ca = {{write("one.pem", one.pem()), "inside"}};
  Certificates inside(settings);
  ASSERT_TRUE(inside.load());
  EXPECT_FALSE(inside.credentials().at("")->asks_clients());
  EXPECT_THAT(inside.credentials().at("inside")->describe_client_authorities(),
              ElementsAre(HasSubstr("CN=One")));
  EXPECT_EQ(inside.credentials().at("inside")->describe(), inside.credentials().at("")->describe());

  settings.client_ca.push_back({write("two.pem", two.pem()), ""});
  settings.client_certificate_required = false;
  Certificates both(settings);
  ASSERT_TRUE(both.load());
  EXPECT_THAT(both.credentials().at("")->describe_client_authorities(), ElementsAre(HasSubstr("CN=Two")));
  EXPECT_THAT(both.credentials().at("inside")->describe_client_authorities(),
              ElementsAre(HasSubstr("CN=One")));
  EXPECT_FALSE(both.credentials().at("")->requires_client_certificate());
}

TEST_F(CertificatesOfFiles, TrustBackendsByTheFilesAsTheyAre) {
  const tls::AuthorityForTest one("One"), two("Two");
  config::ServingFlags settings;
  settings.self_signed = {"a.test"};
  settings.backend_ca = {write("backends.pem", one.pem())};
  Certificates without(settings);
  ASSERT_TRUE(without.load());
  EXPECT_EQ(without.backend_trust(), nullptr) << "no backend is verified";
  config::Route route;
  route.backends = {{.protocol = config::BackendProtocol::https, .host = "b.test"}};
  settings.routes = {route};
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  const auto before = certificates.backend_trust();
  ASSERT_NE(before, nullptr);
  ASSERT_TRUE(certificates.load());
  EXPECT_EQ(certificates.backend_trust(), before) << "nothing changed";
  write("backends.pem", two.pem() + one.pem());
  EXPECT_FALSE(certificates.has_changed()) << "it may still be written to";
  EXPECT_TRUE(certificates.has_changed());
  ASSERT_TRUE(certificates.load());
  EXPECT_NE(certificates.backend_trust(), before);
  EXPECT_THAT(certificates.changed(), ElementsAre(settings.backend_ca[0]));
  write("backends.pem", "no certificate");
  EXPECT_THAT(certificates.load().error().message, testing::StartsWith("--backend-ca: "));
}

TEST_F(CertificatesOfFiles, ReadAuthoritiesAgainAlsoBesideASelfSignedCertificate) {
  const tls::AuthorityForTest one("One"), two("Two");
  config::ServingFlags settings;
  settings.self_signed = {"a.test"};
  settings.client_ca = {{write("ca.pem", one.pem()), ""}};
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  const auto before = certificates.credentials().at("");
  EXPECT_FALSE(certificates.has_changed());
  write("ca.pem", two.pem() + one.pem());
  EXPECT_FALSE(certificates.has_changed()) << "it may still be written to";
  EXPECT_TRUE(certificates.has_changed());
  ASSERT_TRUE(certificates.load());
  EXPECT_THAT(certificates.changed(), ElementsAre(settings.client_ca[0].file));
  const auto after = certificates.credentials().at("");
  EXPECT_EQ(after->describe(), before->describe()) << "the same certificate";
  EXPECT_EQ(after->describe_client_authorities().size(), 2u);
  write("ca.pem", "no certificate");
  EXPECT_EQ(certificates.load().error().message,
            "--client-ca: " + settings.client_ca[0].file + " holds no certificate in PEM form");
  EXPECT_EQ(certificates.credentials().at(""), after);
  std::filesystem::remove(settings.client_ca[0].file);
  EXPECT_THAT(certificates.load().error().message, testing::StartsWith("--client-ca: cannot read "));
}

TEST_F(CertificatesOfFiles, OfferBackendsTheOneThatIsTheirs) {
  const tls::AuthorityForTest authority("Backends' CA");
  const auto gateway = authority.issue("gateway"), renewed = authority.issue("gateway");
  config::ServingFlags settings;
  settings.self_signed = {"a.test"};
  settings.backend_certificate = write("client.pem", gateway.certificate_pem);
  settings.backend_key = write("client.key", gateway.key_pem);
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  const auto before = certificates.for_backends();
  ASSERT_TRUE(before);
  EXPECT_THAT(metrics(certificates), HasSubstr("{certificate=\"" + settings.backend_certificate + "\"}"));
  ASSERT_TRUE(certificates.load());
  EXPECT_EQ(certificates.for_backends(), before) << "nothing changed";
  write("client.pem", renewed.certificate_pem);
  EXPECT_THAT(
      certificates.load().error().message,
      testing::AllOf(testing::StartsWith("--backend-cert and --backend-key: "), HasSubstr("does not match")));
  EXPECT_EQ(certificates.for_backends(), before);
  write("client.key", renewed.key_pem);
  ASSERT_TRUE(certificates.load());
  EXPECT_THAT(certificates.changed(), ElementsAre(settings.backend_certificate));
  EXPECT_NE(certificates.for_backends(), before);
}

TEST_F(CertificatesOfFiles, StayWhenTheNewOnesCannotBeUsed) {
  config::ServingFlags settings;
  settings.certificates = {
      {.certificate = write("chain.pem", tls::dated(pair_, 1'600'000'000, 1'900'000'000).certificate_pem),
       .key = write("key.pem", pair_.key_pem)}};
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  const auto before = certificates.credentials();
  write("chain.pem", "no certificate");
  EXPECT_THAT(certificates.load().error().message, HasSubstr(settings.certificates[0].certificate));
  EXPECT_EQ(certificates.credentials(), before);
  EXPECT_THAT(metrics(certificates), HasSubstr(" 1900000000\n"));
  write("chain.pem", tls::dated(pair_, 1'600'000'000, 2'000'000'000).certificate_pem);
  ASSERT_TRUE(certificates.load());
  EXPECT_NE(certificates.credentials(), before);
  EXPECT_THAT(metrics(certificates), HasSubstr(" 2000000000\n"));
}

TEST_F(CertificatesOfFiles, HaveALabelThatSpoilsNoPage) {
  const std::pair<std::string, std::string> names[] = {{"gr\xc3\xbc\xc3\x9f.pem", "gr\xc3\xbc\xc3\x9f.pem"},
                                                       {"\xff\xc3.pem", R"(\\xff\\xc3.pem)"},
                                                       {"a\nb\x1b[m\x7f.pem", R"(a\\nb\\x1b[m\\x7f.pem)"},
                                                       {R"("\.pem)", R"(\"\\.pem)"}};
  for (const auto& [name, shown] : names) {
    config::ServingFlags settings;
    settings.certificates = {
        {.certificate = write(name, tls::dated(pair_, 1'600'000'000, 1'900'000'000).certificate_pem),
         .key = write("key.pem", pair_.key_pem)}};
    Certificates certificates(settings);
    ASSERT_TRUE(certificates.load());
    EXPECT_THAT(metrics(certificates), HasSubstr(line(folder_.path() + "/" + shown, "1900000000")));
  }
}

TEST_F(CertificatesOfFiles, BelongToAllListenersOrToOne) {
  const tls::KeyPair other = *tls::make_self_signed({"b.test"});
  config::ServingFlags settings;
  settings.certificates = {
      {.certificate = write("a.pem", pair_.certificate_pem), .key = write("a.key", pair_.key_pem)},
      {.certificate = write("b.pem", other.certificate_pem),
       .key = write("b.key", other.key_pem),
       .listener = "127.0.0.1:8443"}};
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  const auto& made = certificates.credentials();
  ASSERT_EQ(made.size(), 2u);
  EXPECT_TRUE(made.at("")->same_as(*tls::ServerCredentials::make({pair_}).value()));
  EXPECT_TRUE(made.at("127.0.0.1:8443")->same_as(*tls::ServerCredentials::make({other, pair_}).value()));
  EXPECT_THAT(metrics(certificates), HasSubstr("b.pem"));
}

TEST_F(CertificatesOfFiles, AreSeenToChange) {
  config::ServingFlags settings;
  settings.certificates = {
      {.certificate = write("a.pem", pair_.certificate_pem), .key = write("a.key", pair_.key_pem)}};
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  EXPECT_FALSE(certificates.has_changed());
  for (const char* name : {"a.pem", "a.key"}) {
    write(std::string("new ") + name, "another length");
    std::filesystem::rename(folder_ / (std::string("new ") + name), folder_ / name);
    EXPECT_FALSE(certificates.has_changed()) << "it may still be written to";
    EXPECT_TRUE(certificates.has_changed()) << name;
    EXPECT_FALSE(certificates.load()) << "that is none";
    EXPECT_FALSE(certificates.has_changed()) << "read, and the same since";
    EXPECT_EQ(certificates.credentials().size(), 1u) << "the old ones stay";
  }
}

TEST_F(CertificatesOfFiles, TellWhichOfThemChanged) {
  const tls::KeyPair other = *tls::make_self_signed({"b.test"});
  config::ServingFlags settings;
  const config::CertificateFiles a{.certificate = write("a.pem", pair_.certificate_pem),
                                   .key = write("a.key", pair_.key_pem)},
      b{.certificate = write("b.pem", other.certificate_pem),
        .key = write("b.key", other.key_pem),
        .listener = "127.0.0.1:8443"};
  settings.certificates = {a, b, b};
  settings.certificates.back().listener = "[::1]:8443";
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  EXPECT_THAT(certificates.changed(), ElementsAre(a.certificate, b.certificate));
  ASSERT_TRUE(certificates.load());
  EXPECT_THAT(certificates.changed(), ElementsAre());
  write("a.pem", tls::dated(pair_, 1'600'000'000, 1'900'000'000).certificate_pem);
  ASSERT_TRUE(certificates.load());
  EXPECT_THAT(certificates.changed(), ElementsAre(a.certificate));
  // Replaced one after the other: what did not fit for a moment counts, too.
  const tls::KeyPair third = *tls::make_self_signed({"b.test"});
  write("b.pem", third.certificate_pem);
  EXPECT_FALSE(certificates.load());
  write("a.pem", pair_.certificate_pem);
  EXPECT_FALSE(certificates.load());
  write("b.key", third.key_pem);
  ASSERT_TRUE(certificates.load());
  EXPECT_THAT(certificates.changed(), ElementsAre(a.certificate, b.certificate));
}

TEST_F(CertificatesOfFiles, WarnOfAKeyThatEverybodyCanRead) {
  config::ServingFlags settings;
  settings.certificates = {
      {.certificate = write("a.pem", pair_.certificate_pem), .key = write("a.key", pair_.key_pem)}};
  settings.certificates.push_back(settings.certificates[0]);
  Certificates certificates(settings);
  const auto said = [&] {
    testing::internal::CaptureStderr();
    EXPECT_TRUE(certificates.load());
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said(), "");
  const std::string key = settings.certificates[0].key;
  ASSERT_EQ(::chmod(key.c_str(), 0644), 0);
  const std::string warning = said();
  EXPECT_THAT(warning, HasSubstr("--key: every user of this machine can read " + key + "; chmod o-r " + key));
  EXPECT_EQ(std::ranges::count(warning, '\n'), 1);
  EXPECT_EQ(said(), "") << "it is the same key still";
}

TEST_F(CertificatesOfFiles, AreReadAgainWhereTheSystemCouldNot) {
  config::ServingFlags settings;
  settings.certificates = {
      {.certificate = write("a.pem", pair_.certificate_pem), .key = write("a.key", pair_.key_pem)}};
  Certificates certificates(settings);
  std::filesystem::rename(folder_ / "a.key", folder_ / "away");
  EXPECT_FALSE(certificates.load());
  EXPECT_TRUE(certificates.has_changed());
  std::filesystem::rename(folder_ / "away", folder_ / "a.key");
  EXPECT_TRUE(certificates.load());
  EXPECT_FALSE(certificates.has_changed());
}

TEST_F(CertificatesOfFiles, OfAPipeAreReadOnce) {
  ASSERT_EQ(::mkfifo((folder_ / "a.key").c_str(), 0600), 0);
  const int both = ::open((folder_ / "a.key").c_str(), O_RDWR | O_CLOEXEC);
  files::WatchedFile pipe(folder_ / "a.key");
  pipe.note();
  ASSERT_EQ(::write(both, "x", 1), 1);
  EXPECT_FALSE(pipe.has_changed());
  EXPECT_FALSE(pipe.has_changed());
  pipe.note_unread();
  EXPECT_FALSE(pipe.has_changed());
  ::close(both);
}

TEST(SelfSignedCertificates, AreMadeOnce) {
  config::ServingFlags settings;
  settings.self_signed = {"a.test"};
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  const auto before = certificates.credentials();
  ASSERT_TRUE(certificates.load());
  EXPECT_EQ(certificates.credentials(), before);
}

TEST(SelfSignedCertificates, AreHandedOutOnceTheyAreServed) {
  const FolderForTest folder;
  config::ServingFlags settings;
  settings.self_signed = {"a.test"};
  settings.write_certificate = folder / "ca.pem";
  const std::string earlier = tls::make_self_signed({"a.test"})->certificate_pem;
  ASSERT_TRUE(write_file(settings.write_certificate, earlier, 0644, IfExists::refuse));
  Certificates certificates(settings);
  testing::internal::CaptureStderr();
  ASSERT_TRUE(certificates.load());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(folder.content("ca.pem"), earlier);
  testing::internal::CaptureStderr();
  ASSERT_TRUE(certificates.hand_out());
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::AllOf(HasSubstr("self-signed certificate for a.test, SPKI fingerprint "),
                             HasSubstr(tls::spki_fingerprint(folder.content("ca.pem")).value())));
  EXPECT_NE(folder.content("ca.pem"), earlier);
}

TEST(SelfSignedCertificates, HaveAnEndToo) {
  config::ServingFlags settings;
  settings.self_signed = {"a.test"};
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  admin::MetricSet figures;
  certificates.collect(figures);
  EXPECT_THAT(figures.to_text(), HasSubstr("certificate_not_after_seconds{certificate=\"self-signed\"} "));
}

}  // namespace
}  // namespace sallyport::gateway
