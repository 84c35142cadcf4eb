#include "base/file.h"
#include "base/folder_for_test.h"
#include "cli/run_for_test.h"
#include "tls/certificate.h"

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

using test::Outcome;
using test::sallyport;

class CertCommand : public testing::Test {
 protected:
  const FolderForTest temporary_;
  const std::string folder_ = temporary_.path(), certificate_ = temporary_ / "c.pem",
                    key_ = temporary_ / "k.pem";
};

TEST_F(CertCommand, RefusesOneFileForBoth) {
  for (const char* force : {"--force", "--days=3"}) {
    const Outcome made = sallyport(
        {"cert", "self-signed", "a.test", "--cert", certificate_, "--key", folder_ + "/./c.pem", force});
    EXPECT_EQ(made.status, 2);
    EXPECT_THAT(made.err, HasSubstr("same file"));
    EXPECT_FALSE(std::filesystem::exists(certificate_));
  }
}

TEST_F(CertCommand, MakesAPairThatBelongsTogetherAndTellsItsFingerprint) {
  const Outcome made = sallyport(
      {"cert", "self-signed", "gw.test", "::1", "--cert", certificate_, "--key", key_, "--days", "3"});
  EXPECT_EQ(made.status, 0) << made.err;
  const auto pair = tls::load_key_pair(certificate_, key_);
  ASSERT_TRUE(pair) << pair.error().message;
  const std::string fingerprint = *tls::spki_fingerprint(pair->certificate_pem);
  EXPECT_THAT(made.out, HasSubstr(fingerprint));

  const Outcome shown = sallyport({"cert", "spki", certificate_, "--port", "4433"});
  EXPECT_EQ(shown.status, 0);
  EXPECT_THAT(shown.out, StartsWith(fingerprint + "\n"));
  EXPECT_THAT(shown.out, HasSubstr("--ignore-certificate-errors-spki-list=" + fingerprint));
  EXPECT_THAT(shown.out, HasSubstr("--origin-to-force-quic-on=gw.test:4433"));
}

TEST_F(CertCommand, TouchesNothingThatIsThereUnlessForced) {
  ASSERT_TRUE(write_file(key_, "mine", 0600, IfExists::refuse));
  const std::vector<std::string> command{"cert",       "self-signed", "a.test", "--cert",
                                         certificate_, "--key",       key_};
  const Outcome refused = sallyport(command);
  EXPECT_EQ(refused.status, 1);
  EXPECT_EQ(refused.err, "sallyport: " + key_ + " exists; --force replaces it\n");
  EXPECT_EQ(*read_file(key_, 100), "mine");
  EXPECT_FALSE(file_exists(certificate_));
  auto forced = command;
  forced.push_back("--force");
  EXPECT_EQ(sallyport(forced).status, 0);
  EXPECT_TRUE(tls::load_key_pair(certificate_, key_));
}

TEST_F(CertCommand, SaysInOneSentenceWhatIsWrong) {
  const auto expect = [this](std::vector<std::string> arguments, int status, const std::string& sentence) {
    const Outcome outcome = sallyport(std::move(arguments));
    EXPECT_EQ(outcome.status, status);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, "sallyport: " + sentence + "\n");
  };
  expect({"cert", "spki", certificate_}, 1, "cannot read " + certificate_ + ": No such file or directory");
  ASSERT_TRUE(write_file(certificate_, "text", 0600, IfExists::refuse));
  expect({"cert", "spki", certificate_}, 1, certificate_ + " holds no certificate in PEM form");
  expect({"cert", "self-signed"}, 2, "NAME is required (see sallyport cert self-signed --help)");
  expect({"cert", "self-signed", "a b"}, 2,
         "'a b' is neither an address nor a host name (international ones in their xn-- form)");
}

TEST_F(CertCommand, TheProgramTellsItsVersionAndWantsASubcommand) {
  EXPECT_THAT(sallyport({"--version"}).out, StartsWith("sallyport "));
  EXPECT_EQ(sallyport({"--version"}).status, 0);
  const Outcome help = sallyport({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("cert"));
  const Outcome nothing = sallyport({});
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.err, EndsWith("(see sallyport --help)\n"));
}

}  // namespace
}  // namespace sallyport::cli
