#include "client/get.h"

#include "base/folder_for_test.h"
#include "base/unique_fd.h"
#include "client/terminal_for_test.h"
#include "client/world_for_test.h"

#include <algorithm>
#include <memory>
#include <optional>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::client {
namespace {

using http::Exchange;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class GetTest : public testing::Test {
 protected:
  GetTest() {
    world.answer = [this](Exchange& exchange, http::test::RecordingExchange&) {
      asked.push_back(exchange.request().path);
      answer(exchange);
    };
  }

  static void say(Exchange& exchange, std::string_view body, http::Fields more = {}) {
    more.add("content-length", std::to_string(body.size()));
    exchange.respond({.status = 200, .fields = std::move(more)});
    exchange.write(as_bytes(body));
    exchange.finish();
  }

  static GetOptions options(const std::string& http = "h2") {
    GetOptions made;
    made.jobs = {{*dial::parse_url("https://example.com/start"), "/dev/null"}};
    made.chain.http = http == "h1" ? dial::HttpChoice::h1 : dial::HttpChoice::h2;
    made.progress = false;
    return made;
  }

  static GetOptions through_a_hop(dial::HttpChoice origin) {
    GetOptions made = options();
    made.chain.hops = {*masque::ProxyTemplate::parse("https://hop.test")};
    made.chain.hop_http = dial::HttpChoice::h2;
    made.chain.http = origin;
    return made;
  }

  void run(GetOptions given, Duration time = 60s) {
    get.emplace(context, std::move(given), [this](GetFigures figures) {
      result = std::move(figures);
      ended = world.clock.timers.now();
    });
    get->start();
    world.clock.pass(time);
  }

  /// The one sentence of the one transfer.
  std::string error() const {
    EXPECT_TRUE(result && result->transfers.size() == 1);
    return result ? result->transfers.at(0).error : "";
  }

  test::World world;
  dial::Context context = world.context();
  std::function<void(Exchange&)> answer = [](Exchange& exchange) { say(exchange, "hello"); };
  std::vector<std::string> asked;
  std::optional<Get> get;
  std::optional<GetFigures> result;
  std::unique_ptr<net::Timer> later;
  Time ended{};
};

TEST_F(GetTest, FollowsTenRedirectsAndNoMore) {
  unsigned left = 10;
  answer = [&](Exchange& exchange) {
    if (left-- == 0) return say(exchange, "here");
    exchange.respond({.status = 302, .fields = {{"location", "/" + std::to_string(left)}}}, true);
  };
  GetOptions given = options();
  given.follow_redirects = true;
  run(given);
  EXPECT_EQ(error(), "");
  EXPECT_EQ(asked.size(), 11u);

  asked.clear();
  answer = [](Exchange& exchange) {
    exchange.respond({.status = 302, .fields = {{"location", "/again"}}}, true);
  };
  run(given);
  EXPECT_THAT(error(), AllOf(HasSubstr("more than 10 redirects"), HasSubstr("/again")));
  EXPECT_EQ(asked.size(), 11u);
}

TEST_F(GetTest, WritesAFileOnceAtATime) {
  const FolderForTest folder;
  std::vector<Exchange*> waiting;
  answer = [&](Exchange& exchange) { waiting.push_back(&exchange); };
  GetOptions given = options();
  given.jobs = {{*dial::parse_url("https://example.com/a"), folder / "a"},
                {*dial::parse_url("https://example.com/b"), folder / "b"}};
  given.streams = 4;
  given.repeat = 2;
  run(given, 1s);
  EXPECT_THAT(asked, testing::ElementsAre("/a", "/b"));
  for (int round = 0; round < 2; ++round) {
    for (Exchange* exchange : std::exchange(waiting, {})) say(*exchange, "hello");
    world.clock.pass(1s);
  }
  ASSERT_TRUE(result);
  EXPECT_THAT(asked, testing::ElementsAre("/a", "/b", "/a", "/b"));
  for (const TransferFigures& transfer : result->transfers) EXPECT_EQ(transfer.error, "");
  EXPECT_EQ(folder.content("a"), "hello");
}

TEST_F(GetTest, TheProgressBarsRateIsOfAllDownloads) {
  constexpr std::size_t mib = 1024 * 1024;
  test::Terminal terminal;
  answer = [](Exchange& exchange) {
    if (exchange.request().path == "/first") return say(exchange, std::string(4 * mib, 'x'));
    exchange.respond({.status = 200, .fields = {{"content-length", "1000"}}});
  };
  GetOptions given = options();
  given.jobs = {{*dial::parse_url("https://example.com/first"), "/dev/null"},
                {*dial::parse_url("https://example.com/second"), "/dev/null"}};
  given.progress = true;
  run(std::move(given), 900ms);
  EXPECT_THAT(asked, testing::ElementsAre("/first", "/second"));
  terminal.shown();
  world.clock.pass(100ms);
  EXPECT_THAT(terminal.shown(), AllOf(HasSubstr("second "), HasSubstr(" 0.0 MiB  4.0 MiB/s")));
}

TEST_F(GetTest, GoesOnOverAnotherConnectionWhereHttp1Closes) {
  const std::string content(1'000'000, 'x');
  answer = [&](Exchange& exchange) {
    std::size_t first = 0, last = 0;
    const std::string range(exchange.request().fields.find("range").value_or(""));
    ASSERT_EQ(std::sscanf(range.c_str(), "bytes=%zu-%zu", &first, &last), 2) << range;
    last = std::min(last, content.size() - 1);
    exchange.connection().shutdown();
    exchange.respond({.status = 206,
                      .fields = {{"etag", "\"1\""},
                                 {"content-length", std::to_string(last - first + 1)},
                                 {"content-range", "bytes " + std::to_string(first) + "-" +
                                                       std::to_string(last) + "/1000000"}}});
    exchange.write(as_bytes(content).subspan(first, last - first + 1));
    exchange.finish();
  };
  GetOptions given = options("h1");
  given.streams = 4;
  run(given);
  EXPECT_EQ(error(), "");
  EXPECT_EQ(result->transfers[0].fetch.bytes, content.size());
  EXPECT_EQ(world.connects, asked.size());
}

// --http auto: HTTP/3 first, TCP 300 ms later, and what was learned

TEST_F(GetTest, RacesTcpAfter300MsAndRemembersWhoAnswered) {
  dial::OriginMemory memory;
  context.memory = &memory;
  context.unix_time = 1'000'000;
  GetOptions given = options();
  given.chain.http = dial::HttpChoice::automatic;
  const auto wait_for_tcp = [&] {
    const Time began = world.clock.timers.now();
    run(given);
    EXPECT_EQ(error(), "");
    EXPECT_EQ(result->links.at(0).version, "HTTP/2");
    return world.connected_at - began;
  };
  EXPECT_EQ(wait_for_tcp(), dial::Link::race_delay);
  EXPECT_EQ(world.udp_sockets, 1u);
  EXPECT_EQ(memory.http3("example.com:443", context.unix_time), false);

  EXPECT_EQ(wait_for_tcp(), Duration::zero()) << "HTTP/3 did not answer the last time";
  EXPECT_EQ(world.udp_sockets, 1u) << "TCP was established before its turn came";

  context.unix_time += dial::OriginMemory::broken_for;
  EXPECT_EQ(wait_for_tcp(), dial::Link::race_delay) << "after five minutes it may have changed";
}

TEST_F(GetTest, AnIcmpErrorBeforeAnyAnswerLeadsToTheNextAddressAtOnce) {
  for (const auto icmp : {net::Unreachable::hint, net::Unreachable::definite}) {
    world.icmp = icmp;
    world.addresses = {"2001:db8::1", "192.0.2.1", "192.0.2.3"};
    world.udp_targets.clear();
    GetOptions given = options();
    given.chain.http = dial::HttpChoice::h3;
    const Time began = world.clock.timers.now();
    run(given);
    EXPECT_EQ(world.udp_targets,
              (std::vector<std::string>{"[2001:db8::1]:443", "192.0.2.1:443", "192.0.2.3:443"}));
    EXPECT_EQ(ended, began) << "no clock was waited for";
    EXPECT_THAT(error(), HasSubstr("[2001:db8::1]:443 leads nowhere"));
  }
}

TEST_F(GetTest, AnIcmpErrorStartsTheNextAddressThoughAnotherIsStillTried) {
  world.addresses = {"2001:db8::1", "2001:db8::2", "192.0.2.1"};
  GetOptions given = options();
  given.chain.http = dial::HttpChoice::h3;
  world.icmp_for = "192.0.2.1:443";
  world.icmp = net::Unreachable::definite;
  run(given, 251ms);
  EXPECT_EQ(world.udp_targets.size(), 3u)
      << "the second, of the other family, 250 ms later, and at once the third";
  get.reset();
}

TEST_F(GetTest, TcpIsTriedAtOnceWhereIcmpSaysThatUdpLeadsNowhere) {
  world.icmp = net::Unreachable::hint;
  GetOptions given = options();
  given.chain.http = dial::HttpChoice::automatic;
  const Time began = world.clock.timers.now();
  run(given);
  EXPECT_EQ(error(), "");
  EXPECT_EQ(world.connected_at, began);
}

TEST_F(GetTest, TriesHttp3FirstWhereAServerOfferedIt) {
  dial::OriginMemory memory;
  context.memory = &memory;
  context.unix_time = 1'000'000;
  answer = [](Exchange& exchange) { say(exchange, "hello", {{"alt-svc", "h3=\":443\"; ma=86400"}}); };
  run(options());  // over TCP alone
  EXPECT_EQ(error(), "");
  EXPECT_EQ(world.udp_sockets, 0u);
  EXPECT_EQ(memory.http3("example.com:443", context.unix_time), true);
  EXPECT_EQ(memory.http3("example.com:443", context.unix_time + 86400), std::nullopt);
}

// A hop that lies (docs/threat-model.md, "lying hop"). Each ends with one sentence that names it.

TEST_F(GetTest, NamesAHopThatAnswersWithABody) {
  answer = [](Exchange& exchange) { say(exchange, "I am a web server", {{"content-type", "text/plain"}}); };
  run(through_a_hop(dial::HttpChoice::h3));
  EXPECT_THAT(error(), AllOf(StartsWith("hop 1 (hop.test:443): "), HasSubstr("does not speak CONNECT-UDP"),
                             Not(HasSubstr("\n"))));
}

TEST_F(GetTest, NamesAHopThatCutsItsCapsules) {
  answer = [](Exchange& exchange) {
    exchange.respond({.status = 200, .fields = {{"capsule-protocol", "?1"}}});
    const std::uint8_t cut[] = {0x00, 0x40, 0x64, 0x00};  // a DATAGRAM of 100 bytes
    exchange.write(Bytes(cut));
    exchange.finish();
  };
  run(through_a_hop(dial::HttpChoice::h3));
  EXPECT_THAT(error(), AllOf(StartsWith("hop 1 (hop.test:443): "), HasSubstr("inside a capsule"),
                             Not(HasSubstr("\n"))));
}

TEST_F(GetTest, NamesAHopThatIsNoTunnel) {
  answer = [](Exchange& exchange) {
    exchange.respond({.status = 200});
    exchange.write(as_bytes("HTTP/1.1 200 OK\r\n\r\nno TLS here"));
  };
  GetOptions given = through_a_hop(dial::HttpChoice::h2);
  given.chain.mode = dial::TunnelMode::tcp;
  run(given);
  EXPECT_THAT(error(), AllOf(HasSubstr("origin example.com:443"), HasSubstr("TLS"), Not(HasSubstr("\n"))));
}

TEST_F(GetTest, DoesNotWaitForAHopThatKeepsItsSideOpen) {
  std::vector<Exchange*> tunnels;
  answer = [&](Exchange& exchange) {
    tunnels.push_back(&exchange);
    exchange.respond({.status = 200, .fields = {{"capsule-protocol", "?1"}}});
  };
  context.connect_timeout = 3s;
  run(through_a_hop(dial::HttpChoice::h3), 3100ms);
  EXPECT_EQ(tunnels.size(), 1u);
  EXPECT_TRUE(result) << "it waits for the other end of a stream that nobody needs";
}

// What of several attempts is told: the one that got furthest

TEST_F(GetTest, NamesWhatWasTriedAndFailed) {
  world.refuses = true;
  context.connect_timeout = 3s;
  struct Row {
    std::optional<net::Unreachable> icmp;
    bool drops_tcp;
    const char* error;
    std::vector<std::string> lines;
  };
  for (const auto& [icmp, drops_tcp, told, lines] :
       {Row{net::Unreachable::definite,
            false,
            "QUIC: 192.0.2.1:443 leads nowhere; TCP: nobody listens there",
            {"192.0.2.1:443 leads nowhere", "nobody listens there"}},
        Row{std::nullopt,
            false,
            "TCP: nobody listens there; QUIC: no answer within 3 s",
            {"nobody listens there", "QUIC to 192.0.2.1:443: no answer within 3 s"}},
        Row{std::nullopt,
            true,
            "no answer within 3 s",
            {"QUIC to 192.0.2.1:443: no answer within 3 s", "TCP to 192.0.2.1:443: no answer within 3 s"}}}) {
    world.icmp = icmp;
    world.drops_tcp = drops_tcp;
    std::vector<std::string> said;
    GetOptions given = options();
    given.chain.http = dial::HttpChoice::automatic;
    given.verbose = [&](std::string_view text) { said.emplace_back(text); };
    run(given);
    EXPECT_EQ(error(), std::string("origin example.com:443: ") + told);
    std::vector<std::string> expected;
    for (const std::string& line : lines) expected.push_back("* origin example.com:443: " + line + "\n");
    EXPECT_EQ(said, expected);
  }
}

// Errors have text of peers in them, as reason phrases; it must not read as lines of ours.
TEST_F(GetTest, WhatItSaysOfAFailedTryIsOneLine) {
  world.refuses = true;
  world.refusal = "x\n* origin bank:443: HTTP/2";
  std::string said;
  GetOptions given = options();
  given.chain.http = dial::HttpChoice::h2;
  given.verbose = [&](std::string_view text) { said += text; };
  run(given);
  EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
  EXPECT_THAT(said, HasSubstr("x\\n* origin bank"));
}

TEST_F(GetTest, NamesFirstWhatGotFurthest) {
  world.alpn = {"none of ours"};
  context.connect_timeout = 3s;
  GetOptions given = options();
  given.chain.http = dial::HttpChoice::automatic;
  run(given);
  EXPECT_THAT(error(), AllOf(StartsWith("origin example.com:443: "), HasSubstr("no ALPN protocol"),
                             Not(HasSubstr("QUIC"))))
      << "the origin answered, and so said what is wrong";
}

TEST_F(GetTest, SaysHowAHopIsReachedOverTcp) {
  world.icmp = net::Unreachable::definite;
  GetOptions given = through_a_hop(dial::HttpChoice::h3);
  given.chain.hop_http = dial::HttpChoice::h3;
  run(given);
  EXPECT_EQ(error(), "hop 1 (hop.test:443): 192.0.2.1:443 leads nowhere (--via-http auto tries TCP, too)");
}

TEST_F(GetTest, ExplainsAMisdirectedRequest) {
  answer = [](Exchange& exchange) { exchange.respond({.status = 421}, true); };
  run(options());
  EXPECT_THAT(error(), AllOf(HasSubstr("421"), HasSubstr("does not answer for example.com"),
                             HasSubstr("--resolve NAME:443:ADDRESS"), Not(HasSubstr("\n"))));
  GetOptions given = options();
  given.request.authority = "elsewhere.test";
  run(given);
  EXPECT_THAT(error(), AllOf(HasSubstr("does not answer for elsewhere.test"), HasSubstr("-H")));
}

TEST_F(GetTest, ASilentOriginIsNotTheFaultOfAHopWithoutConnect) {
  answer = [](Exchange& exchange) {
    if (exchange.request().protocol.empty()) return exchange.respond({.status = 405}, true);
    exchange.respond({.status = 200, .fields = {{"capsule-protocol", "?1"}}});
  };
  context.connect_timeout = 3s;
  run(through_a_hop(dial::HttpChoice::automatic));
  EXPECT_EQ(asked.size(), 2u);
  EXPECT_THAT(error(), AllOf(StartsWith("origin example.com:443: "), HasSubstr("no answer within 3 s")));
}

TEST_F(GetTest, ASilentHopIsNotTheFaultOfTheOrigin) {
  answer = [](Exchange&) {};
  context.connect_timeout = 3s;
  GetOptions given = through_a_hop(dial::HttpChoice::automatic);
  for (const dial::TunnelMode mode :
       {dial::TunnelMode::udp, dial::TunnelMode::tcp, dial::TunnelMode::automatic}) {
    given.chain.mode = mode;
    run(given);
    EXPECT_THAT(error(),
                AllOf(StartsWith("hop 1 (hop.test:443): "),
                      HasSubstr("no answer within 3 s to the request for a tunnel to example.com:443")));
  }
}

TEST_F(GetTest, ARefusedTemplateIsToldWhereConnectIsRefusedToo) {
  answer = [](Exchange& exchange) {
    exchange.respond({.status = exchange.request().protocol.empty() ? 405u : 404u}, true);
  };
  run(through_a_hop(dial::HttpChoice::automatic));
  EXPECT_EQ(asked.size(), 2u);
  EXPECT_THAT(error(), AllOf(StartsWith("hop 1 (hop.test:443): "), HasSubstr("404")));

  asked.clear();
  GetOptions given = through_a_hop(dial::HttpChoice::automatic);
  given.chain.mode = dial::TunnelMode::udp;
  run(given);
  EXPECT_EQ(asked.size(), 1u) << "CONNECT-UDP was insisted on";
  EXPECT_THAT(error(), HasSubstr("404"));
}

TEST_F(GetTest, DoesNotAskTwiceForWhatIsRefusedForTheSameReason) {
  struct Row {
    unsigned status;
    const char* proxy_status;
    std::size_t asked;
  };
  for (const auto& [status, proxy_status, times] :
       {Row{401, "", 1}, Row{407, "", 1}, Row{429, "", 1}, Row{508, "hop; error=proxy_loop_detected", 1},
        Row{502, "hop; error=dns_error", 1}, Row{403, "hop; error=destination_ip_prohibited", 1},
        Row{403, "", 2}, Row{403, "hop; error=http_request_denied", 2},
        Row{502, "hop; error=connection_refused", 2}}) {
    SCOPED_TRACE(std::to_string(status) + " " + proxy_status);
    asked.clear();
    answer = [status, proxy_status](Exchange& exchange) {
      http::Response head{.status = status};
      if (*proxy_status != 0) head.fields.add("proxy-status", proxy_status);
      exchange.respond(head, true);
    };
    run(through_a_hop(dial::HttpChoice::automatic));
    EXPECT_EQ(asked.size(), times);
    EXPECT_THAT(error(), AllOf(StartsWith("hop 1 (hop.test:443): "), HasSubstr(std::to_string(status))));
  }
}

// The hop of an open UDP tunnel has no way to say why it ends: its refusal of CONNECT tells more, where it is
// of the target.
TEST_F(GetTest, TellsTheReasonOfARefusalRatherThanTheEndOfAnOpenTunnel) {
  struct Row {
    unsigned status;
    const char* proxy_status;
    http::ResetCode end;
    const char* told;
  };
  constexpr auto lost = http::ResetCode::connect_error;
  const char* const tunnel_end = "the tunnel to example.com:443 ended: ";
  for (const bool refusal_first : {false, true})
    for (const auto& [status, proxy_status, end, told] :
         {Row{502, "hop; error=connection_refused", lost, "502, connection_refused"},
          Row{504, "hop; error=connection_timeout", lost, "504, connection_timeout"},
          Row{501, "hop; error=proxy_configuration_error", lost, tunnel_end}, Row{405, "", lost, tunnel_end},
          Row{502, "hop; error=connection_refused", http::ResetCode::internal_error, tunnel_end}}) {
      SCOPED_TRACE(std::to_string(status) + (refusal_first ? " first" : " last"));
      Exchange* udp = nullptr;
      answer = [&, status, proxy_status, end](Exchange& exchange) {
        if (!exchange.request().protocol.empty()) {
          udp = &exchange;
          return exchange.respond({.status = 200});
        }
        http::Response refusal{.status = status};
        if (*proxy_status != 0) refusal.fields.add("proxy-status", proxy_status);
        if (refusal_first) exchange.respond(refusal, true);
        udp->reset(end);
        if (!refusal_first) exchange.respond(refusal, true);
      };
      run(through_a_hop(dial::HttpChoice::automatic));
      EXPECT_THAT(error(), AllOf(StartsWith("hop 1 (hop.test:443): "), HasSubstr(told)));
    }
}

// A firewall may forbid UDP alone.
TEST_F(GetTest, AsksForConnectWhereConnectUdpIsForbidden) {
  answer = [](Exchange& exchange) {
    if (!exchange.request().protocol.empty()) return exchange.respond({.status = 403}, true);
    exchange.respond({.status = 200});
    exchange.write(as_bytes("HTTP/1.1 200 OK\r\n\r\nno TLS here"));
  };
  run(through_a_hop(dial::HttpChoice::automatic));
  EXPECT_EQ(asked.size(), 2u);
  EXPECT_THAT(error(), AllOf(StartsWith("origin example.com:443"), HasSubstr("TLS")));
}

TEST_F(GetTest, ARefusalLeavesTheOtherTunnelToItsAnswer) {
  for (const unsigned status : {401u, 403u, 429u}) {
    SCOPED_TRACE(status);
    asked.clear();
    result.reset();
    Exchange* connect_udp = nullptr;
    answer = [&](Exchange& exchange) {
      if (!exchange.request().protocol.empty()) {
        connect_udp = &exchange;
        return;
      }
      // Refused while CONNECT waits for its answer.
      connect_udp->respond({.status = status}, true);
      later = std::make_unique<net::Timer>(world.clock.timers, [this, &exchange](Time) {
        if (result) return;  // it did not wait
        exchange.respond({.status = 200});
        exchange.write(as_bytes("HTTP/1.1 200 OK\r\n\r\nno TLS here"));
      });
      later->arm(world.clock.timers.now() + 100ms);
    };
    run(through_a_hop(dial::HttpChoice::automatic));
    EXPECT_EQ(asked.size(), 2u);
    EXPECT_THAT(error(), AllOf(StartsWith("origin example.com:443"), HasSubstr("TLS")));
  }
}

// A FIFO that nobody reads yet

TEST_F(GetTest, WaitsForAFifosReaderAndHoldsUpNobody) {
  const FolderForTest folder;
  const std::string fifo = folder / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  GetOptions given = options();
  given.jobs = {{*dial::parse_url("https://example.com/waits"), fifo},
                {*dial::parse_url("https://example.com/goes"), folder / "file"}};
  given.streams = 2;
  const Time began = world.clock.timers.now();
  run(given, 9s);
  EXPECT_THAT(asked, testing::ElementsAre("/goes"));
  EXPECT_EQ(folder.content("file"), "hello");
  EXPECT_FALSE(result.has_value());
  world.clock.pass(2s);
  ASSERT_TRUE(result.has_value());
  EXPECT_THAT(result->transfers.at(0).error,
              AllOf(HasSubstr(fifo), HasSubstr("nobody opened it for reading")));
  EXPECT_EQ(result->transfers.at(1).error, "");
  EXPECT_GE(ended - began, 10s);

  asked.clear();
  result.reset();
  given.max_time = 3s;  // which is of the download, not of the reader
  run(given, 5s);
  const UniqueFd reader(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);
  world.clock.pass(1s);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->transfers.at(0).error, "");
  std::string read(100, '\0');
  EXPECT_EQ(::read(reader.get(), read.data(), read.size()), 5);
}

TEST_F(GetTest, AnInterruptEndsTheWaitForAReader) {
  const FolderForTest folder;
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  GetOptions given = options();
  given.jobs.at(0).output = folder / "fifo";
  run(given, 1s);
  EXPECT_FALSE(result.has_value());
  get->interrupt();
  world.clock.pass(3s);
  EXPECT_EQ(error(), "interrupted");
  EXPECT_TRUE(asked.empty());
}

}  // namespace
}  // namespace sallyport::client
