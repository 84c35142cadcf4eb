#include "cli/usage.h"

#include "cli/run_for_test.h"

#include <string>
#include <vector>

#include <fmt/format.h>
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

TEST(Usage, NamesTheFlagThatIsCalledOtherwiseElsewhere) {
  struct Row {
    const char *command, *flag, *ours;
  };
  for (const auto& [command, flag, ours] :
       {Row{"get", "--cacert", "--ca FILE"}, Row{"get", "-x", "--via PROXY"},
        Row{"get", "--proxy", "--via PROXY"}, Row{"get", "-s", "-q"}, Row{"get", "--silent", "-q"},
        Row{"gateway", "--port=443", "--listen HOST:PORT"}, Row{"gateway", "-p", "--listen HOST:PORT"},
        Row{"gateway", "--root", "--files DIR"}, Row{"get", "--http3", "--http h3"},
        Row{"get", "--http3-only", "--http h3"}, Row{"bench", "--http2", "--http h2"},
        Row{"get", "--http1.1", "--http h1"}, Row{"get", "--connect-timeout", "--timeout S"},
        Row{"get", "--continue", "--resume"}, Row{"get", "--no-check-certificate", "--insecure"},
        Row{"bench", "--duration", "--seconds S"}})
    expect_refused({command, flag}, fmt::format("sallyport {0} has no flag '{1}'; did you mean {2}? (see "
                                                "sallyport {0} --help)",
                                                command, flag, ours));
  // Only where the command has it.
  expect_refused({"get", "--root", "x", "https://localhost/"},
                 "sallyport get has no flag '--root' (see sallyport get --help)");
}

TEST(Usage, AFlagIsNotTakenForTheValueOfTheOneBeforeIt) {
  const Outcome refused = sallyport({"gateway", "--self-signed", "--files", "/tmp"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err,
              StartsWith("sallyport: --self-signed needs a value, NAME, and the flag --files follows it"));
  EXPECT_THAT(sallyport({"get", "-o", "-k", "https://localhost/"}).err,
              StartsWith("sallyport: -o needs a value, FILE, and the flag -k follows it"));
  EXPECT_THAT(sallyport({"get", "--stall-timeout", "--json", "https://localhost/"}).err,
              StartsWith("sallyport: --stall-timeout needs a value, S (0.1 to 86400), and the flag --json"));
  // A lone dash is standard output.
  EXPECT_THAT(sallyport({"gateway", "--access-log", "-"}).err, HasSubstr("there is nothing to do"));
  EXPECT_THAT(sallyport({"gateway", "--cert=--key"}).err, HasSubstr("there is nothing to do"));
}

TEST(Usage, SaysHowAListIsWritten) {
  expect_refused({"gateway", "--masque", "udp", "tcp"},
                 "'tcp' is one argument too many; where it is meant for --masque, write one list: --masque "
                 "udp,tcp (see sallyport gateway --help)");
}

TEST(Usage, NamesTheFlagWhoseValueIsWrong) {
  EXPECT_THAT(sallyport({"gateway", "--server-id", "70000"}).err,
              StartsWith("sallyport: --server-id: Value 70000 not in range"));
  EXPECT_THAT(sallyport({"bench", "-n", "-5", "https://localhost/"}).err,
              StartsWith("sallyport: --requests: Value -5 not in range"));
  EXPECT_THAT(sallyport({"cert", "self-signed", "x", "--days", "99999999999"}).err,
              StartsWith("sallyport: a value cannot be used: --days = 99999999999"));
  EXPECT_THAT(sallyport({"get", "--ca", "/nowhere", "https://localhost/"}).err,
              StartsWith("sallyport: --ca: cannot read /nowhere"));
  EXPECT_THAT(sallyport({"get", "-o", "", "https://localhost/"}).err,
              StartsWith("sallyport: -o '' names no file"));
}

TEST(Usage, FlagsThatContradictEachOtherAreRefused) {
  const std::string url = "https://localhost/";
  EXPECT_THAT(sallyport({"get", "--resume", url}).err, StartsWith("sallyport: --resume goes on with a file"));
  EXPECT_THAT(sallyport({"get", "--retry-delay", "1", url}).err, StartsWith("sallyport: --retry-delay"));
  EXPECT_THAT(sallyport({"get", "--no-fail", "--fail-with-body", url}).err,
              StartsWith("sallyport: --fail-with-body and --no-fail contradict each other"));
  EXPECT_THAT(sallyport({"get", "--via", url, "--mode", "udp", "--http", "h2", url}).err,
              StartsWith("sallyport: --mode udp carries HTTP/3 only"));
}

TEST(Usage, TwoDownloadsInOneFileAreRefused) {
  const std::string a = "https://localhost/f", b = "https://localhost/f.part";
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"-O", a, b},
                                                {"-o", "x", "-o", "./x", a, b},
                                                {"-o", "x", a, b},
                                                {"-o", "x.part.json", "-o", "x", a, b}}) {
    std::vector<std::string> words = flags;
    words.insert(words.begin(), "get");
    const Outcome refused = sallyport(words);
    EXPECT_EQ(refused.status, 2) << refused.err;
  }
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
