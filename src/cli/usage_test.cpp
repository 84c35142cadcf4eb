#include "cli/usage.h"

#include "cli/run_for_test.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using test::Outcome;
using test::sallyport;

void expect_refused(const std::vector<std::string>& arguments, const std::string& sentence) {
  const Outcome refused = sallyport(arguments);
  EXPECT_EQ(refused.status, 2);
  EXPECT_EQ(refused.err, "sallyport: " + sentence + "\n");
}

TEST(NearestWord, IsWhatWasMeant) {
  const std::vector<std::string> known{"get", "gateway", "bench", "trace", "cert"};
  EXPECT_EQ(nearest_word("gett", known), "get");
  EXPECT_EQ(nearest_word("gte", known), "get");
  EXPECT_EQ(nearest_word("gatway", known), "gateway");
  EXPECT_EQ(nearest_word("tarce", known), "trace");
  EXPECT_EQ(nearest_word("download", known), std::nullopt);
  EXPECT_EQ(nearest_word("xyz", known), std::nullopt);
  EXPECT_EQ(nearest_word("-o", {"-k", "-q"}), std::nullopt);
  EXPECT_EQ(nearest_word("", known), std::nullopt);
}

TEST(Usage, NamesTheUnknownCommandAndTheOneThatWasMeant) {
  expect_refused({"gett", "https://localhost/"},
                 "sallyport has no command 'gett'; did you mean get? (see sallyport --help)");
  expect_refused({"download"},
                 "sallyport has no command 'download'; it has gateway, get, bench, cert or trace (see "
                 "sallyport --help)");
  expect_refused(
      {"trace", "sumary"},
      "sallyport trace has no command 'sumary'; did you mean summary? (see sallyport trace --help)");
  expect_refused({}, "a command is missing: gateway, get, bench, cert or trace (see sallyport --help)");
  expect_refused({"cert"}, "a command is missing: self-signed or spki (see sallyport cert --help)");
}

TEST(Usage, NamesTheUnknownFlagAndTheOneThatWasMeant) {
  expect_refused({"get", "--tabel", "https://localhost/"},
                 "sallyport get has no flag '--tabel'; did you mean --table? (see sallyport get --help)");
  // Also where something else is missing.
  expect_refused({"get", "--frobnicate"},
                 "sallyport get has no flag '--frobnicate' (see sallyport get --help)");
  expect_refused({"gateway", "--self-singed=localhost"},
                 "sallyport gateway has no flag '--self-singed=localhost'; did you mean --self-signed? (see "
                 "sallyport gateway --help)");
}

TEST(Usage, AFlagIsNotTakenForTheValueOfTheOneBeforeIt) {
  const Outcome refused = sallyport({"gateway", "--self-signed", "--files", "/tmp"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err,
              StartsWith("sallyport: --self-signed needs a value (NAME), and the flag --files follows it"));
  EXPECT_THAT(sallyport({"get", "-o", "-k", "https://localhost/"}).err,
              StartsWith("sallyport: -o needs a value (FILE), and the flag -k follows it"));
  // A lone dash is standard output.
  EXPECT_THAT(sallyport({"gateway", "--access-log", "-"}).err, HasSubstr("there is nothing to do"));
  EXPECT_THAT(sallyport({"gateway", "--cert=--key"}).err, HasSubstr("there is nothing to do"));
}

TEST(Usage, HelpAndVersionAreAlsoCommands) {
  const Outcome version = sallyport({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.out, StartsWith("sallyport "));
  for (const char* library : {"ngtcp2/1.", "nghttp3/1.", "nghttp2/1.", "GnuTLS/3."})
    EXPECT_THAT(version.out, HasSubstr(library));
  EXPECT_EQ(sallyport({"version"}).out, version.out);
  EXPECT_EQ(sallyport({"-V"}).out, version.out);

  const Outcome help = sallyport({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("gateway"));
  EXPECT_EQ(sallyport({"-h"}).out, help.out);
  EXPECT_EQ(sallyport({"help"}).out, help.out);
  EXPECT_EQ(sallyport({"help", "trace", "summary"}).out, sallyport({"trace", "summary", "--help"}).out);
}

}  // namespace
}  // namespace sallyport::cli
