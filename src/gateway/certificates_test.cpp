#include "gateway/certificates.h"

#include "base/file.h"
#include "base/folder_for_test.h"
#include "tls/pairs_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using testing::HasSubstr;

class CertificatesOfFiles : public testing::Test {
 protected:
  std::string write(const std::string& name, std::string_view content) {
    EXPECT_TRUE(write_file(folder_.path() + "/" + name, content, 0600, IfExists::replace));
    return folder_.path() + "/" + name;
  }
  static std::string metrics(const Certificates& certificates) {
    MetricSet figures;
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
  Settings settings;
  settings.certificate_file =
      write("chain.pem", tls::dated(pair_, 1'600'000'000, 1'900'000'000).certificate_pem +
                             tls::dated(pair_, 1'600'000'000, 1'800'000'000).certificate_pem);
  settings.key_file = write("key.pem", pair_.key_pem);
  Certificates certificates(settings);
  EXPECT_EQ(metrics(certificates), "");
  ASSERT_TRUE(certificates.load());
  EXPECT_THAT(metrics(certificates), HasSubstr(line(settings.certificate_file, "1800000000")));
}

TEST_F(CertificatesOfFiles, StayWhenTheNewOnesCannotBeUsed) {
  Settings settings;
  settings.certificate_file =
      write("chain.pem", tls::dated(pair_, 1'600'000'000, 1'900'000'000).certificate_pem);
  settings.key_file = write("key.pem", pair_.key_pem);
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  const auto before = certificates.credentials();
  write("chain.pem", "no certificate");
  EXPECT_THAT(certificates.load().error().message, HasSubstr(settings.certificate_file));
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
    Settings settings;
    settings.certificate_file = write(name, tls::dated(pair_, 1'600'000'000, 1'900'000'000).certificate_pem);
    settings.key_file = write("key.pem", pair_.key_pem);
    Certificates certificates(settings);
    ASSERT_TRUE(certificates.load());
    EXPECT_THAT(metrics(certificates), HasSubstr(line(folder_.path() + "/" + shown, "1900000000")));
  }
}

TEST(SelfSignedCertificates, HaveAnEndToo) {
  Settings settings;
  settings.self_signed = {"a.test"};
  Certificates certificates(settings);
  ASSERT_TRUE(certificates.load());
  MetricSet figures;
  certificates.collect(figures);
  EXPECT_THAT(figures.to_text(), HasSubstr("certificate_not_after_seconds{certificate=\"self-signed\"} "));
}

}  // namespace
}  // namespace sallyport::gateway
