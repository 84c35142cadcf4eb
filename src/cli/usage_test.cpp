#include "cli/usage.h"

#include "cli/run_for_test.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
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
  expect_refused({"elsewhere"},
                 "sallyport has no command 'elsewhere'; it has gateway, get, tun, bench, cert or trace (see "
                 "sallyport --help)");
  expect_refused(
      {"trace", "sumary"},
      "sallyport trace has no command 'sumary'; did you mean summary? (see sallyport trace --help)");
  // Also where help of it is asked for.
  expect_refused({"help", "gatewya"},
                 "sallyport has no command 'gatewya'; did you mean gateway? (see sallyport --help)");
  expect_refused(
      {"help", "trace", "sumary"},
      "sallyport trace has no command 'sumary'; did you mean summary? (see sallyport trace --help)");
  expect_refused({}, "a command is missing: gateway, get, tun, bench, cert or trace (see sallyport --help)");
  expect_refused({"cert"}, "a command is missing: self-signed or spki (see sallyport cert --help)");
}

TEST(Usage, NamesTheCommandThatIsCalledOtherwiseElsewhere) {
  for (const auto& [word, ours] : {std::pair{"serve", "gateway"},
                                   {"server", "gateway"},
                                   {"proxy", "gateway"},
                                   {"curl", "get"},
                                   {"client", "get"},
                                   {"download", "get"}})
    expect_refused(
        {word},
        fmt::format("sallyport has no command '{}'; did you mean {}? (see sallyport --help)", word, ours));
  expect_refused({"trace", "serve"},
                 "sallyport trace has no command 'serve'; it has summary (see sallyport trace --help)");
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

TEST(Usage, NamesTheFlagThatAWordBegins) {
  expect_refused(
      {"gateway", "--fil", "site"},
      "sallyport gateway has no flag '--fil'; did you mean --files? (see sallyport gateway --help)");
  expect_refused({"get", "--max=5", "https://localhost/"},
                 "sallyport get has no flag '--max=5'; did you mean --max-time or --max-udp-payload? (see "
                 "sallyport get --help)");
  expect_refused({"get", "--r", "https://localhost/"},
                 "sallyport get has no flag '--r' (see sallyport get --help)");
}

TEST(Usage, NamesTheFlagThatTellsTheVersion) {
  expect_refused({"-v"}, "sallyport has no flag '-v'; did you mean --version? (see sallyport --help)");
  for (const char* flag : {"-V", "--version"})
    expect_refused({"get", flag},
                   fmt::format("sallyport get has no flag '{}'; sallyport --version tells the version (see "
                               "sallyport get --help)",
                               flag));
}

TEST(Usage, NamesTheFlagThatIsCalledOtherwiseElsewhere) {
  struct Row {
    const char *command, *flag, *ours;
  };
  for (const auto& [command, flag, ours] : {Row{"get", "--cacert", "--ca FILE"},
                                            Row{"get", "-x", "--via PROXY"},
                                            Row{"get", "--proxy", "--via PROXY"},
                                            Row{"get", "-s", "-q"},
                                            Row{"get", "--silent", "-q"},
                                            Row{"gateway", "--port=443", "--listen HOST:PORT"},
                                            Row{"gateway", "-p", "--listen HOST:PORT"},
                                            Row{"gateway", "--root", "--files DIR"},
                                            Row{"get", "--http3", "--http h3"},
                                            Row{"get", "--http3-only", "--http h3"},
                                            Row{"bench", "--http2", "--http h2"},
                                            Row{"get", "--http1.1", "--http h1"},
                                            Row{"get", "--connect-timeout", "--timeout S"},
                                            Row{"get", "--continue", "--resume"},
                                            Row{"get", "--no-check-certificate", "--insecure"},
                                            Row{"bench", "--duration", "--seconds S"},
                                            Row{"get", "-c", "--resume"},
                                            Row{"get", "-u", "-H 'Authorization: Basic ...'"},
                                            Row{"get", "-A", "-H 'User-Agent: ...'"},
                                            Row{"get", "-r", "-H 'Range: bytes=0-99'"},
                                            Row{"bench", "-r", "--rate N"},
                                            Row{"get", "-w", "--json"},
                                            Row{"get", "-b", "-H 'Cookie: NAME=VALUE'"},
                                            Row{"gateway", "-b", "--listen HOST:PORT"},
                                            Row{"get", "--tries=3", "--retry N"},
                                            Row{"get", "--data-raw", "-d DATA"},
                                            Row{"get", "-D", "-i"},
                                            Row{"bench", "-D", "--seconds S"},
                                            Row{"gateway", "-v", "--log-level debug"},
                                            Row{"get", "--continue-at", "--resume"}})
    expect_refused({command, flag}, fmt::format("sallyport {0} has no flag '{1}'; did you mean {2}? (see "
                                                "sallyport {0} --help)",
                                                command, flag, ours));
  expect_refused(
      {"get", "--compressed", "https://localhost/"},
      "sallyport get has no flag '--compressed'; leave it out: bodies are written as they come (see "
      "sallyport get --help)");
  EXPECT_THAT(sallyport({"get", "-sS", "https://localhost/"}).err,
              HasSubstr("no flag '-sS'; leave it out: errors are always said; -q leaves out"));
  EXPECT_THAT(sallyport({"get", "-sSL", "https://localhost/"}).err,
              HasSubstr("no flag '-s', of '-sSL'; did you mean -q?"));
  EXPECT_THAT(sallyport({"get", "-ualice:secret", "https://localhost/"}).err,
              HasSubstr("no flag '-u', of '-u...'; did you mean -H 'Authorization"));
  EXPECT_THAT(sallyport({"get", "--proxy-user=alice:secret", "https://localhost/"}).err,
              HasSubstr("no flag '--proxy-user=...'; did you mean --token-file FILE?"));
  // Only where the command has it.
  expect_refused({"get", "--root", "x", "https://localhost/"},
                 "sallyport get has no flag '--root' (see sallyport get --help)");
}

TEST(Usage, ADigitIsAFlagToo) {
  expect_refused({"get", "-1", "https://localhost/"},
                 "sallyport get has no flag '-1' (see sallyport get --help)");
  expect_refused({"get", "-0", "https://localhost/"},
                 "sallyport get has no flag '-0'; did you mean --http h1? (see sallyport get --help)");
  expect_refused({"bench", "-2"}, "sallyport bench has no flag '-2' (see sallyport bench --help)");
  EXPECT_THAT(sallyport({"get", "--", "-1"}).err,
              StartsWith("sallyport: '-1' is not a URL; where it is the name of a host, write https://-1"));
  EXPECT_THAT(sallyport({"get", "-"}).err, StartsWith("sallyport: '-' is not a URL"));
}

TEST(Usage, TakesCurlsWayToResume) {
  const std::string url = "https://localhost/";
  // As far as where the file goes: the URL is the only one.
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"-C", "-"}, {"-C-"}, {"-LC", "-"}, {"-C"}, {"-C4"}, {"--resume"}}) {
    std::vector<std::string> words = flags;
    words.insert(words.begin(), "get");
    words.push_back(url);
    EXPECT_THAT(sallyport(words).err, StartsWith("sallyport: --resume goes on with a file")) << flags.front();
  }
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"get", "-C", "100", url}, {"get", url, "-LC", "100"}, {"get", "-C100", url}})
    EXPECT_THAT(sallyport(words).err, StartsWith("sallyport: -C 100: get takes no offset"));
  // A value of another flag is none.
  EXPECT_THAT(sallyport({"get", "-o", "-C", "-", url}).err, StartsWith("sallyport: -o needs a value"));
}

TEST(Usage, SaysHowAHopIsNamed) {
  const auto via = [](const std::string& proxy) {
    return sallyport({"get", "--no-cache", "--via", proxy, "https://localhost/"}).err;
  };
  const std::string credentials = via("https://alice:secret@gw.test:8443/");
  EXPECT_THAT(credentials, StartsWith("sallyport: --via https://...@gw.test:8443/: a hop takes no user and"));
  EXPECT_THAT(credentials, HasSubstr("--token-file FILE"));
  EXPECT_THAT(credentials, Not(HasSubstr("secret")));
  for (const char* more : {"https://a:secret@gw.test,https://b:secret@gw.test", "https://a:secret/x@gw.test"})
    EXPECT_THAT(via(more), Not(HasSubstr("secret")));
  EXPECT_THAT(sallyport({"get", "https://alice:secret@localhost:8443/file"}).err,
              AllOf(HasSubstr("user names"), Not(HasSubstr("secret"))));
  for (const char* list : {"https://a.test,https://b.test", "https://a.test/,https://b.test", "a.test,b.test",
                           "https://a.test:443,b.test:443"})
    EXPECT_THAT(via(list), HasSubstr("it takes one hop; repeat it for more, nearest first: --via ")) << list;
  EXPECT_THAT(via("https://a.test:0"),
              StartsWith("sallyport: --via https://a.test:0: the port is not in 1 to 65535"));
  EXPECT_THAT(via("http://a.test:1"), StartsWith("sallyport: --via http://a.test:1: only https:// proxies"));
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
  EXPECT_THAT(sallyport({"gateway", "--cert=--key"}).err, HasSubstr("--cert and --key go together"));
}

TEST(Usage, SaysHowAListIsWritten) {
  expect_refused({"gateway", "--masque", "udp", "tcp"},
                 "'tcp' is one argument too many; where it is meant for --masque, write one list: --masque "
                 "udp,tcp (see sallyport gateway --help)");
}

TEST(Usage, NamesTheFlagWhoseValueIsWrong) {
  EXPECT_THAT(sallyport({"gateway", "--server-id", "70000"}).err,
              StartsWith("sallyport: --server-id 70000: it takes a whole number from 0 to 65535 (see"));
  EXPECT_THAT(
      sallyport({"bench", "-n", "-5", "https://localhost/"}).err,
      StartsWith("sallyport: --requests -5: it takes a whole number from 1 to 1000000000000000 (see"));
  EXPECT_THAT(sallyport({"bench", "-n", "1.5", "https://localhost/"}).err,
              StartsWith("sallyport: --requests 1.5: it takes a whole number from 1"));
  EXPECT_THAT(
      sallyport({"get", "--stall-timeout", "abc", "https://localhost/"}).err,
      StartsWith("sallyport: --stall-timeout abc: it takes a number of seconds from 0.1 to 86400 (see"));
  EXPECT_THAT(sallyport({"get", "--max-time", "", "https://localhost/"}).err,
              StartsWith("sallyport: --max-time '': it takes a number of seconds from 0.001 to 1000000000"));
  EXPECT_THAT(sallyport({"gateway", "--allow-port", "25", "--allow-port", "x"}).err,
              StartsWith("sallyport: --allow-port x: it takes a port from 1 to 65535"));
  EXPECT_THAT(sallyport({"get", "--http", "h4", "https://localhost/"}).err,
              StartsWith("sallyport: --http h4: it takes auto, h3, h2 or h1 (see"));
  EXPECT_THAT(sallyport({"cert", "self-signed", "x", "--days", "99999999999"}).err,
              StartsWith("sallyport: --days 99999999999: it takes a whole number from 1 to 3650"));
  EXPECT_THAT(sallyport({"get", "--ca", "/nowhere", "https://localhost/"}).err,
              StartsWith("sallyport: --ca: cannot read /nowhere"));
  EXPECT_THAT(sallyport({"get", "-o", "", "https://localhost/"}).err,
              StartsWith("sallyport: -o '' names no file"));
}

TEST(Usage, SaysWhichFlagWasGivenAgain) {
  expect_refused({"get", "--timeout", "1", "--timeout", "2", "https://localhost/"},
                 "--timeout was given twice; it is taken once (see sallyport get --help)");
  expect_refused({"gateway", "--files", "a", "--files", "b", "--files", "c"},
                 "--files was given 3 times; it is taken once (see sallyport gateway --help)");
  expect_refused({"cert", "spki", "a.pem", "--port", "1", "--port", "2"},
                 "--port was given twice; it is taken once (see sallyport cert spki --help)");
  // What has no value says the same again.
  EXPECT_THAT(sallyport({"get", "-k", "-k", "--no-cache", "--ca", "/nowhere", "--ca", "/nowhere/else",
                         "https://localhost/"})
                  .err,
              StartsWith("sallyport: --ca: cannot read /nowhere"));
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

TEST(Usage, IpPacketsCarryHttp3Alone) {
  const std::string url = "https://localhost/";
  const auto get = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"get", "--no-cache", "--via", "https://a", "--via", "https://b"});
    flags.push_back(url);
    const Outcome refused = sallyport(flags);
    EXPECT_EQ(refused.status, 2);
    return refused.err;
  };
  for (const char* http : {"h2", "h1"}) {
    EXPECT_THAT(get({"--mode", "ip", "--http", http}),
                StartsWith("sallyport: --mode ip carries HTTP/3 only; use --mode tcp for --http "));
    EXPECT_THAT(get({"--via-mode", "ip", "--via-http", http}),
                StartsWith("sallyport: --via-mode ip carries HTTP/3 only, and --via-http "));
  }
  EXPECT_THAT(
      get({"--via-mode", "ip", "--via-mode", "udp"}),
      StartsWith("sallyport: 2 --via-mode and 2 --via; give one --via-mode for all hops before the last"));
  EXPECT_THAT(get({"--via-mode", "tcp"}), HasSubstr("--via-mode"));
  // Each hop's template is of what it carries.
  EXPECT_THAT(get({"--mode", "ip", "--via", "https://c/{target_host}/{target_port}/"}),
              HasSubstr("CONNECT-IP"));
}

TEST(Usage, OneUrlIsNotCalledUrls) {
  EXPECT_THAT(sallyport({"get", "-o", "a", "-o", "b", "https://localhost/"}).err,
              StartsWith("sallyport: 1 URL and 2 -o; give one -o for each URL"));
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
