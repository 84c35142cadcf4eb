// The gateway as a whole, in this process and on loopback: its start, its pages, its signals and its end.
#include "gateway/gateway.h"

#include "base/file.h"
#include "base/folder_for_test.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAreArray;

/// The whole answer of a plain HTTP/1.1 server.
std::string ask(const net::SocketAddress& server, const std::string& path, const std::string& token = {},
                const std::string& method = "GET", const std::string& host = "localhost") {
  const UniqueFd fd(::socket(server.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), server.data(), server.size()), 0);
  std::string request = method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n";
  if (!token.empty()) request += "Authorization: Bearer " + token + "\r\n";
  request += "\r\n";
  EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(request.size()));
  std::string answer(1 << 20, '\0');
  std::size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < answer.size(); size += static_cast<std::size_t>(got))
    if (got = ::recv(fd.get(), answer.data() + size, answer.size() - size, 0); got < 0) break;
  answer.resize(size);
  return answer;
}

/// Asks again until it holds; guards against hanging only.
void wait_until(const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + 60s;
  while (!holds())
    if (std::chrono::steady_clock::now() > end) return ADD_FAILURE() << "nothing came in time", void();
}

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() {
    std::filesystem::create_directory(folder_ / "site");
    const auto any = net::SocketAddress::parse("127.0.0.1:0").value();
    settings_.listen = {any, any};
    settings_.admin = any;
    settings_.self_signed = {"a.test"};
    settings_.files = folder_ / "site";
    settings_.workers = 2;
    settings_.ready_file = folder_ / "ready";
  }
  std::string write(const std::string& name, std::string_view content) {
    EXPECT_TRUE(write_file(folder_ / name, content, 0600, IfExists::replace));
    return folder_ / name;
  }
  /// Serves until `script` has ended, which sends the signal for it.
  void serve(const std::function<void(const net::SocketAddress& admin)>& script) {
    auto gateway = Gateway::start(settings_);
    ASSERT_TRUE(gateway) << gateway.error().message;
    const net::SocketAddress admin = (*gateway)->admin_address().value();
    std::thread other([&] {
      script(admin);
      ::kill(::getpid(), SIGTERM);
    });
    (*gateway)->run();
    other.join();
  }

  const FolderForTest folder_;
  Settings settings_;
};

TEST_F(GatewayTest, LeasesAreShownAndEndedForThoseWithAToken) {
  const std::string token = "token-of-carol-01";
  settings_.admin_token_file = write("readers", "carol " + token + "\n");
  serve([&](const net::SocketAddress& admin) {
    for (const char* const path : {"/leases", "/leases.json"}) {
      EXPECT_THAT(ask(admin, path), StartsWith("HTTP/1.1 401 ")) << path;
      EXPECT_THAT(ask(admin, path, token, "DELETE"),
                  AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("GET, HEAD")))
          << path;
    }
    EXPECT_THAT(ask(admin, "/leases", token),
                AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\r\n\r\nSTATE\tADDRESSES\t")));
    EXPECT_THAT(ask(admin, "/leases.json", token),
                AllOf(HasSubstr("content-type: application/json\r\n"), HasSubstr("\r\n\r\n[]\n")));
    const std::string one = "/leases/10.89.0.2";
    EXPECT_THAT(ask(admin, one, {}, "DELETE"), StartsWith("HTTP/1.1 401 "));
    for (const char* const method : {"GET", "POST", "HEAD"})
      EXPECT_THAT(ask(admin, one, token, method),
                  AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("allow: DELETE\r\n")))
          << method;
    EXPECT_THAT(ask(admin, one, token, "DELETE"),
                AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("no tunnel has this address")));
    EXPECT_THAT(ask(admin, "/leases/somebody", token, "DELETE"), StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(ask(admin, "/leases/fd89::2", token, "DELETE"), StartsWith("HTTP/1.1 404 "));
  });
}

TEST_F(GatewayTest, WithoutTokensItsPagesAreForThoseWhoAskForNoName) {
  serve([&](const net::SocketAddress& admin) {
    const std::string lease = "/leases/10.89.0.2";
    for (const char* const host : {"page.example", "page.example:80", "localhost.example", "[::1"}) {
      for (const char* const path : {"/metrics", "/leases"})
        EXPECT_THAT(ask(admin, path, {}, "GET", host), StartsWith("HTTP/1.1 4")) << host;
      EXPECT_THAT(ask(admin, lease, {}, "DELETE", host), Not(HasSubstr("no tunnel has this address")))
          << host;
    }
    EXPECT_THAT(ask(admin, "/leases", {}, "GET", "page.example"), StartsWith("HTTP/1.1 421 "));
    EXPECT_THAT(ask(admin, "/healthz", {}, "GET", "page.example"), StartsWith("HTTP/1.1 200 "));
    for (const char* const host :
         {"127.0.0.1", "127.0.0.1:9090", "[::1]:9090", "localhost", "localhost:9090"})
      EXPECT_THAT(ask(admin, lease, {}, "DELETE", host), HasSubstr("no tunnel has this address")) << host;
  });
}

TEST_F(GatewayTest, ServesItsPagesTakesItsSignalsAndEnds) {
  settings_.masque = {masque::Protocol::udp, masque::Protocol::tcp};
  settings_.token_file = write("tokens", "alice token-of-alice-01\n");
  settings_.admin_token_file = write("readers", "carol token-of-carol-01\n");
  settings_.secret_file = write("secret", "this is a secret of at least 32 bytes");
  settings_.qlog = folder_ / "qlog";
  std::filesystem::create_directory(settings_.qlog);
  settings_.key_log = folder_ / "keys";
  settings_.access_log = folder_ / "access";
  serve([&](const net::SocketAddress& admin) {
    EXPECT_THAT(ask(admin, "/healthz"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("alive")));
    EXPECT_THAT(ask(admin, "/readyz"), AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("ready")));
    EXPECT_THAT(ask(admin, "/elsewhere"), StartsWith("HTTP/1.1 404 "));
    EXPECT_THAT(ask(admin, "/metrics"), StartsWith("HTTP/1.1 401 "));
    EXPECT_THAT(ask(admin, "/metrics", "token-of-carol-01"),
                AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("\nsallyport_workers 2\n"),
                      HasSubstr("sallyport_draining 0"), HasSubstr("sallyport_admin_refused_total"),
                      HasSubstr("sallyport_quic_strays_total{result=\"handed_over\"} 0")));
    write("readers", "dora token-of-dora-0001\n");
    ::kill(::getpid(), SIGHUP);
    ::kill(::getpid(), SIGUSR1);
    ::kill(::getpid(), SIGUSR2);
    // Signals are taken one after the other, and before what comes over the network later.
    wait_until([&] { return ask(admin, "/metrics", "token-of-dora-0001").starts_with("HTTP/1.1 200 "); });
  });
  EXPECT_TRUE(std::filesystem::exists(settings_.access_log));
}

TEST_F(GatewayTest, SaysWhereItListensWhileItDoes) {
  write("ready", "127.0.0.1:1\n");
  settings_.secret_file = folder_ / "nowhere";
  EXPECT_FALSE(Gateway::start(settings_));
  EXPECT_FALSE(file_exists(settings_.ready_file)) << "it is not this gateway's";
  settings_.secret_file.clear();
  std::string lines;
  serve(
      [&](const net::SocketAddress&) { lines = read_file(settings_.ready_file, 4096).value_or("nothing"); });
  EXPECT_THAT(lines, AllOf(StartsWith("127.0.0.1:"), HasSubstr("\n127.0.0.1:"), Not(HasSubstr(":1\n"))));
  EXPECT_FALSE(file_exists(settings_.ready_file));
  // A gateway that is replaced by another while it ends leaves the other's.
  serve([&](const net::SocketAddress&) { write("ready", "another's"); });
  EXPECT_EQ(read_file(settings_.ready_file, 4096).value(), "another's");
  // Refused flags are no start.
  settings_.masque = {masque::Protocol::udp};
  settings_.listen = {net::SocketAddress::parse(":0").value()};
  EXPECT_THAT(Gateway::start(settings_).error().message, HasSubstr("open proxy"));
  EXPECT_TRUE(file_exists(settings_.ready_file));
}

TEST_F(GatewayTest, TakesUpChangedTokensInAllWorkers) {
  settings_.masque = {masque::Protocol::udp};
  settings_.token_file = write("tokens", "alice token-of-alice-01\n");
  serve([&](const net::SocketAddress& admin) {
    write("tokens", "bob token-of-bob-0001\nalice token-of-alice-01\n");
    const std::string read = "sallyport_token_file_reads_total{file=\"token-file\",result=\"used\"} 1";
    wait_until([&] { return ask(admin, "/metrics").contains(read); });
  });
}

TEST_F(GatewayTest, SaysWhyItCannotStart) {
  const auto error = [&] {
    const auto started = Gateway::start(settings_);
    return started ? std::string() : started.error().message;
  };
  settings_.open_proxy = true;
  EXPECT_THAT(error(), StartsWith("--open-proxy is for --masque"));
  settings_.open_proxy = false;
  settings_.secret_file = folder_ / "nowhere";
  EXPECT_THAT(error(), StartsWith("--secret-file: "));
  settings_.secret_file.clear();
  settings_.qlog = write("file", "no folder");
  EXPECT_THAT(error(), StartsWith("--qlog: "));
  settings_.qlog.clear();
  settings_.key_log = folder_ / "site";
  EXPECT_THAT(error(), StartsWith("--keylog: "));
  settings_.key_log.clear();
  settings_.access_log = folder_ / "site";
  EXPECT_THAT(error(), HasSubstr("--access-log"));
  settings_.access_log.clear();
  settings_.admin_token_file = folder_ / "nowhere";
  EXPECT_THAT(error(), StartsWith("--admin-token-file: "));
  settings_.admin_token_file.clear();
  settings_.ready_file = folder_ / "site";
  EXPECT_THAT(error(), StartsWith("--ready-file: "));
  settings_.ready_file.clear();
  settings_.admin.reset();
  settings_.admin_socket = folder_ / "nowhere/admin";
  EXPECT_THAT(error(), StartsWith("--admin unix: "));
}

TEST_F(GatewayTest, TheCheckFailsWhereTheStartDoes) {
  const std::string nowhere = folder_ / "nowhere/x", file = write("file", "short"), site = folder_ / "site";
  struct Row {
    std::string Settings::* flag;
    std::vector<std::string> values;
  };
  const Row rows[] = {{&Settings::secret_file, {nowhere, file}},
                      {&Settings::access_log, {nowhere, site}},
                      {&Settings::qlog, {file, "/proc/x", file + "/x"}},
                      {&Settings::key_log, {nowhere, site}},
                      {&Settings::admin_token_file, {nowhere, file}},
                      {&Settings::ready_file, {nowhere, site}},
                      {&Settings::write_certificate, {nowhere, site, file}},
                      {&Settings::admin_socket, {nowhere, file, std::string(200, 'x')}}};
  for (const auto& [flag, values] : rows) {
    for (const std::string& value : values) {
      Settings settings = settings_;
      settings.*flag = value;
      if (flag == &Settings::admin_socket) settings.admin.reset();
      const auto checked = Gateway::check(settings);
      const auto started = Gateway::start(settings);
      ASSERT_FALSE(started) << value;
      ASSERT_FALSE(checked) << value << ": " << started.error().message;
      EXPECT_EQ(checked.error().message, started.error().message);
      EXPECT_EQ(checked.error().kind, started.error().kind);
    }
  }
}

TEST_F(GatewayTest, TheCheckTellsAllAndChangesNothing) {
  settings_.admin_token_file = write("readers", "carol token-of-carol-01\n");
  settings_.secret_file = write("secret", "this is a secret of at least 32 bytes");
  settings_.qlog = folder_ / "qlog/new";
  settings_.key_log = folder_ / "site/keys";
  settings_.access_log = folder_ / "access";
  settings_.write_certificate = write("ca", "");
  settings_.grace = 7s;
  write("ready", "127.0.0.1:1\n");
  const auto before = folder_.files();
  testing::internal::CaptureStderr();
  const auto text = Gateway::check(settings_);
  const std::string said = testing::internal::GetCapturedStderr();
  ASSERT_TRUE(text) << text.error().message;
  for (const std::string& line :
       {std::string(
            "admin pages on 127.0.0.1:0\n  /metrics and leases for those with a bearer token; tokens: 1\n"),
        "secret from " + settings_.secret_file + "\n", "qlog folder " + settings_.qlog + "\n",
        "TLS key log " + settings_.key_log + "\n", "access log " + settings_.access_log + " (JSON lines)\n",
        "another one at each start, written to " + settings_.write_certificate + "\n",
        std::string("grace period 7 s\n")})
    EXPECT_THAT(*text, HasSubstr(line));
  EXPECT_THAT(said, HasSubstr("--keylog " + settings_.key_log + " lies in the folder of --files"));
  EXPECT_THAT(said, Not(HasSubstr("clients trust it with")));
  EXPECT_THAT(*text, Not(HasSubstr("token-of-carol")));
  EXPECT_THAT(folder_.files(), UnorderedElementsAreArray(before));
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "site"));
  EXPECT_EQ(folder_.content("ready") + folder_.content("ca"), "127.0.0.1:1\n");
  settings_.secret_file.clear();
  settings_.admin_token_file.clear();
  EXPECT_THAT(Gateway::check(settings_).value(),
              AllOf(HasSubstr("secret random"), HasSubstr("/metrics and leases for everybody")));
}

TEST_F(GatewayTest, ChecksWithoutListening) {
  const auto text = Gateway::check(settings_);
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_THAT(*text, AllOf(HasSubstr("listener 127.0.0.1:0#1"), HasSubstr("a.test")));
  settings_.certificates = {{.certificate = "c", .key = "k"}};
  settings_.self_signed.clear();
  settings_.write_certificate = "w";
  EXPECT_THAT(Gateway::check(settings_).error().message, StartsWith("--write-cert is for"));
  settings_.files.clear();
  EXPECT_THAT(Gateway::check(settings_).error().message, HasSubstr("nothing to do"));
}

}  // namespace
}  // namespace sallyport::gateway
