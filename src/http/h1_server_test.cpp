// The server's side of HTTP/1.1 against what clients, clumsy and hostile ones too, put on the wire.
#include "http/tcp_for_test.h"

#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

using namespace std::string_literals;

/// A server whose client is the test.
class H1ServerTest : public testing::Test {
 protected:
  explicit H1ServerTest(std::size_t piece = 64 * 1024, const Limits& limits = {}) {
    auto [near, far] = net::make_memory_streams(clock.timers, {.piece = piece});
    server = make_h1_server(clock.timers, std::move(far), {}, requests, &events, limits);
    peer.emplace(std::move(near));
  }

  /// Says `text`; returns what came back since.
  std::string say(std::string_view text) {
    peer->received.clear();
    peer->say(text);
    clock.settle();
    return peer->received;
  }
  void answer_all_with_path() {
    requests.then = [](Exchange& exchange, RecordingExchange&) {
      const std::string body = exchange.request().method + " " + exchange.request().path;
      exchange.respond(status(200, {{"content-length", std::to_string(body.size())}}));
      exchange.write(as_bytes(body));
      exchange.finish();
    };
  }

  Clock clock;
  RecordingConnection events;
  RecordingServer requests;
  std::unique_ptr<Connection> server;
  std::optional<RawEnd> peer;
};

std::string ok(std::string_view body, std::string_view more = "") {
  return "HTTP/1.1 200 OK\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" + std::string(more) +
         "\r\n" + std::string(body);
}

TEST_F(H1ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  answer_all_with_path();
  EXPECT_EQ(say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: "
                "3\r\n\r\nxyz\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ok("GET /1") + ok("POST /2") + ok("GET /3"));
  EXPECT_EQ(requests.requests[1]->handler.body, "xyz");
}

TEST_F(H1ServerTest, PipelinedRequestWaitsForTheResponseBefore) {
  EXPECT_EQ(say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"), "");
  ASSERT_EQ(requests.requests.size(), 1u);
  requests.last().exchange->respond(status(204), true);
  clock.settle();
  EXPECT_EQ(peer->received, "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(requests.requests.size(), 2u);
}

TEST_F(H1ServerTest, Http10ClosesUnlessAskedNotTo) {
  answer_all_with_path();
  EXPECT_EQ(say("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
            ok("GET /a", "connection: keep-alive\r\n"));
  EXPECT_EQ(requests.last().request.authority, "");
  EXPECT_EQ(say("GET /b HTTP/1.0\r\n\r\n"), ok("GET /b", "connection: close\r\n"));
  EXPECT_TRUE(peer->ended);
  peer->stream->finish();
  clock.settle();
  EXPECT_EQ(events.closed, 1);
  EXPECT_FALSE(events.error);
}

TEST_F(H1ServerTest, BodyOfUnknownLengthIsChunkedOrEndsTheConnection) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.inform(status(103));
    exchange.respond(status(200));
    exchange.write(as_bytes("hello "));
    exchange.write(as_bytes("world"));
    exchange.finish({{"sum", "1"}});
  };
  EXPECT_EQ(say("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HTTP/1.1 103 \r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\nhello "
            "world\r\n0\r\nsum: 1\r\n\r\n");
  EXPECT_EQ(say("GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello world");
  EXPECT_TRUE(peer->ended);
}

TEST_F(H1ServerTest, ConnectionCloseIsHonoured) {
  answer_all_with_path();
  EXPECT_EQ(say("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"),
            ok("GET /a", "connection: close\r\n"));
  EXPECT_TRUE(peer->ended);
  EXPECT_EQ(requests.requests.size(), 1u);
}

TEST_F(H1ServerTest, TargetForms) {
  answer_all_with_path();
  EXPECT_EQ(say("GET http://Example.com:80/x?y HTTP/1.1\r\nHost: example.com:80\r\n\r\n"), ok("GET /x?y"));
  EXPECT_EQ(requests.last().request.authority, "Example.com:80");
  EXPECT_EQ(requests.last().request.scheme, "http");
  EXPECT_EQ(say("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"), ok("GET /"));
  EXPECT_EQ(say("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), ok("OPTIONS *"));
}

TEST_F(H1ServerTest, HostIsIgnoredBesideATargetThatNamesOne) {
  answer_all_with_path();
  EXPECT_EQ(say("GET https://b:1/x HTTP/1.1\r\nHost: a\r\n\r\n"), ok("GET /x"));
  EXPECT_EQ(requests.last().request.authority, "b:1");
  EXPECT_EQ(requests.last().request.scheme, "https");
  EXPECT_EQ(say("GET http://b/ HTTP/1.1\r\nHost:\r\n\r\n"), ok("GET /"));
  EXPECT_EQ(requests.last().request.authority, "b");
}

constexpr std::string_view chunked_head = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST_F(H1ServerTest, AnUnwantedBodyThatIsHereKeepsTheConnection) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(404), true);
    exchange.stop_reading();
  };
  const std::string answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
  const std::string whole = std::string(chunked_head) + "5\r\nhello\r\n6\r\n world\r\n0\r\nsum: 1\r\n\r\n";
  EXPECT_EQ(say(whole), answer);
  EXPECT_EQ(say(whole + whole + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc" + whole),
            answer + answer + answer + answer);
  ASSERT_EQ(requests.requests.size(), 5u);
  for (const auto& taken : requests.requests) {
    EXPECT_TRUE(taken->handler.is_well());
    EXPECT_EQ(taken->handler.body, "");
  }
  EXPECT_FALSE(peer->ended);
}

TEST_F(H1ServerTest, TheEndOfAConnectionWhoseBodyIsNotReadIsAnnounced) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(404), true);
    exchange.stop_reading();
  };
  for (const std::string_view more : {"", "5\r\nhello\r\n", "5\r\nhello\r\nnot chunked\r\n"}) {
    auto [near, far] = net::make_memory_streams(clock.timers);
    const auto other = make_h1_server(clock.timers, std::move(far), {}, requests, nullptr, Limits{});
    RawEnd client(std::move(near));
    client.say(std::string(chunked_head) + std::string(more));
    clock.settle();
    EXPECT_EQ(client.received, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        << more;
    EXPECT_TRUE(client.ended);
    EXPECT_TRUE(requests.last().handler.is_well());
  }
}

TEST_F(H1ServerTest, WhoStopsReadingBeforeItAnswersAnnouncesTheEndToo) {
  requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.stop_reading(); };
  EXPECT_EQ(say(chunked_head), "");
  requests.last().exchange->respond(status(204), true);
  clock.settle();
  EXPECT_EQ(peer->received, "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(peer->ended);
}

TEST_F(H1ServerTest, WhoStopsReadingAfterItAnsweredEndsTheConnection) {
  requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(204), true); };
  EXPECT_EQ(say(chunked_head), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_FALSE(peer->ended);
  requests.last().exchange->stop_reading();
  clock.settle();
  EXPECT_TRUE(peer->ended);
  EXPECT_TRUE(requests.last().handler.is_well());
}

TEST_F(H1ServerTest, AShutdownWhileTheAnswerIsWrittenIsAnnounced) {
  requests.then = [this](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(204), true);
    server->shutdown();
  };
  EXPECT_EQ(say("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(peer->ended);
}

TEST_F(H1ServerTest, FieldsOfTheConnectionStayOnIt) {
  answer_all_with_path();
  say("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nTE: "
      "trailers\r\nUpgrade: h2c\r\nX-End: 2\r\n\r\n");
  const Fields& fields = requests.last().request.fields;
  ASSERT_EQ(fields.size(), 1u);
  EXPECT_EQ(fields[0].name, "x-end");
}

TEST_F(H1ServerTest, ChunkedRequestWithExtensionsAndTrailers) {
  say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n6 ; c\r\n "
      "world\r\n0\r\nX-Sum: 7\r\n\r\n");
  EXPECT_EQ(requests.last().handler.body, "hello world");
  ASSERT_TRUE(requests.last().handler.trailers);
  EXPECT_EQ(requests.last().handler.trailers->find("x-sum"), "7");
  EXPECT_TRUE(requests.last().handler.ended);
}

TEST_F(H1ServerTest, ShortestChunkedBodyInPieces) {
  say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (const std::string_view octet : {"0", "\r", "\n", "\r"}) {
    say(octet);
    EXPECT_FALSE(requests.last().handler.ended);
  }
  say("\n");
  EXPECT_TRUE(requests.last().handler.ended);
}

TEST_F(H1ServerTest, UpgradeIsExtendedConnect) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"capsule-protocol", "?1"}}));
  };
  EXPECT_EQ(say("GET /.well-known/masque/udp/192.0.2.1/443/ HTTP/1.1\r\nHost: proxy\r\nConnection: "
                "Upgrade\r\nUpgrade: connect-udp\r\n"
                "Capsule-Protocol: ?1\r\n\r\nraw"),
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: "
            "connect-udp\r\ncapsule-protocol: ?1\r\n\r\n");
  const Request& request = requests.last().request;
  EXPECT_EQ(request.method, "CONNECT");
  EXPECT_EQ(request.protocol, "connect-udp");
  EXPECT_EQ(request.authority, "proxy");
  EXPECT_EQ(requests.last().handler.body, "raw");
}

TEST_F(H1ServerTest, RefusedUpgradeIsAPlainResponse) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(502, {{"proxy-status", "p"}, {"content-length", "0"}}), true);
  };
  EXPECT_EQ(say("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET "
                "/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HTTP/1.1 502 Bad Gateway\r\nproxy-status: p\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(requests.requests.size(), 1u);
  EXPECT_TRUE(requests.last().handler.is_well());
}

// The example of RFC 6455 §1.3.
TEST_F(H1ServerTest, WebSocketKeyIsAnswered) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"sec-websocket-protocol", "chat"}}));
  };
  EXPECT_EQ(say("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            "sec-websocket-protocol: chat\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  EXPECT_EQ(requests.last().request.fields.find("sec-websocket-key"), std::nullopt);
  EXPECT_EQ(requests.last().request.fields.find("sec-websocket-version"), "13");
}

TEST_F(H1ServerTest, WebSocketOfAnotherVersionOrWithoutAKeyIsRefused) {
  const std::string head = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n";
  for (const auto& [more, wanted] :
       {std::pair{"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                  "HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"},
        std::pair{"Sec-WebSocket-Version: 13\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        std::pair{"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short==\r\n\r\n",
                  "HTTP/1.1 400 Bad Request\r\n"}}) {
    auto [near, far] = net::make_memory_streams(clock.timers);
    const auto other = make_h1_server(clock.timers, std::move(far), {}, requests, nullptr, Limits{});
    RawEnd client(std::move(near));
    client.say(head + more);
    clock.settle();
    EXPECT_TRUE(client.received.starts_with(wanted)) << client.received;
  }
  EXPECT_TRUE(requests.requests.empty());
}

TEST_F(H1ServerTest, OtherUpgradesAreIgnored) {
  answer_all_with_path();
  EXPECT_EQ(say("GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
                "h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"),
            ok("GET /a"));
}

TEST_F(H1ServerTest, ClientThatHalfClosesGetsItsResponse) {
  peer->say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  peer->stream->finish();
  clock.settle();
  requests.last().exchange->respond(status(200), true);
  clock.settle();
  EXPECT_EQ(peer->received, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(requests.last().handler.is_well());
  clock.pass(3s);
  EXPECT_EQ(events.closed, 1);
}

TEST_F(H1ServerTest, SlowReaderGetsAllOfTheLastResponse) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(400'000));
    exchange.finish();
  };
  for (const bool half_closes : {false, true}) {
    auto [near, far] = net::make_memory_streams(clock.timers, {.piece = 10'000});
    auto other = make_h1_server(clock.timers, std::move(far), {"a", {}}, requests, &events, {});
    RawEnd reader(std::move(near));
    reader.stream->set_reading(false);
    reader.say("GET / HTTP/1.0\r\n\r\n");
    clock.settle();
    if (half_closes) reader.stream->finish();
    for (int second = 0; second < 39; ++second) {
      reader.takes = 1;
      reader.stream->set_reading(true);
      clock.pass(1s);
    }
    EXPECT_LT(reader.received.size(), 400'000u);
    reader.takes.reset();
    reader.stream->set_reading(true);
    clock.pass(1s);
    EXPECT_GT(reader.received.size(), 400'000u);
    EXPECT_TRUE(reader.ended);
    EXPECT_FALSE(reader.error);
    clock.pass(3s);
  }
}

TEST_F(H1ServerTest, LastResponseThatNobodyReadsIsGivenUp) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(100'000));
    exchange.finish();
  };
  peer->stream->set_reading(false);
  say("GET / HTTP/1.0\r\n\r\n");
  clock.pass(50s);
  EXPECT_EQ(events.closed, 0);
  clock.pass(20s);
  EXPECT_EQ(events.closed, 1);
  ASSERT_TRUE(events.error);
  EXPECT_EQ(events.error->kind, ErrorKind::timeout);
}

TEST_F(H1ServerTest, CutRequestIsAnErrorForItsHandler) {
  peer->say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  peer->stream->finish();
  clock.settle();
  EXPECT_FALSE(requests.last().handler.ended);
  EXPECT_TRUE(requests.last().handler.error);
  EXPECT_EQ(events.closed, 1);
}

TEST_F(H1ServerTest, SlowHeadGets408) {
  say("\r\n");
  clock.pass(20s);
  EXPECT_FALSE(peer->ended);  // an empty line begins nothing
  say("GET / HT");
  clock.pass(9s);
  say("TP/1.1\r\n");
  EXPECT_EQ(peer->received, "");
  clock.pass(2s);
  EXPECT_EQ(peer->received, "HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(peer->ended);
  clock.pass(3s);
  EXPECT_EQ(events.error->kind, ErrorKind::timeout);
}

TEST_F(H1ServerTest, ErrorInTheBodyEndsTheRequest) {
  say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  EXPECT_EQ(say("zz\r\n"), "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(requests.last().handler.closed, 1);
  EXPECT_TRUE(requests.last().handler.error);
}

TEST_F(H1ServerTest, InvalidFieldsOfAResponseAreLeftOut) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"good", "1"}, {"bad", "a\r\nset-cookie: x"}, {"worse name", "1"}}), true);
  };
  EXPECT_EQ(say("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HTTP/1.1 200 OK\r\ngood: 1\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(H1ServerTest, PipelinerThatNeverReadsIsHeldBack) {
  answer_all_with_path();
  peer->stream->set_reading(false);
  const std::string request = "GET /" + std::string(500, 'p') + " HTTP/1.1\r\nHost: a\r\n\r\n";
  for (int i = 0; i < 20'000; ++i) peer->say(request);
  clock.settle();
  EXPECT_LT(requests.requests.size(), 2'000u);
  EXPECT_GT(requests.requests.size(), 100u);
  peer->stream->set_reading(true);
  clock.settle();
  EXPECT_EQ(requests.requests.size(), 20'000u);
}

TEST_F(H1ServerTest, ReaderThatDoesNotReadTimesOut) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(2'000'000));
  };
  peer->stream->set_reading(false);
  say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  clock.pass(50s);
  EXPECT_EQ(requests.last().handler.closed, 0);
  clock.pass(75s);
  EXPECT_EQ(requests.last().handler.closed, 1);
  EXPECT_EQ(requests.last().handler.error->kind, ErrorKind::timeout);
}

TEST_F(H1ServerTest, PipelinerThatReadsSlowlyIsNotLate) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(100'000));
    exchange.finish();
  };
  peer->stream->set_reading(false);
  std::string pipeline;
  for (int i = 0; i < 10; ++i) pipeline += "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  say(pipeline);
  EXPECT_LT(requests.requests.size(), 10u);
  clock.pass(30s);
  peer->stream->set_reading(true);
  clock.settle();
  EXPECT_EQ(requests.requests.size(), 10u);
  for (const auto& taken : requests.requests) EXPECT_TRUE(taken->handler.is_well());
}

struct Bad {
  const char* name;
  std::string request;
  unsigned status = 400;
};
void PrintTo(const Bad& one, std::ostream* out) {
  *out << one.name;
}

/// Refused (docs/threat-model.md, "request smuggling" and "field injection"), never seen by a handler, and
/// nothing behind them is taken for a request.
class H1Refuses : public H1ServerTest, public testing::WithParamInterface<Bad> {};

const std::string smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    , H1Refuses,
    testing::Values(
        Bad{"TwoLengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc"},
        Bad{"TwoEqualLengths",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"},
        Bad{"LengthList", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc"},
        Bad{"LengthSigned", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc"},
        Bad{"LengthHex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc"},
        Bad{"LengthEmpty", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabc"},
        Bad{"LengthTooLarge", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"},
        Bad{"LengthThenChunked",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Bad{"ChunkedThenLength",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"},
        Bad{"ChunkedTwice",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
            "chunked\r\n\r\n0\r\n\r\n"},
        Bad{"ChunkedNotLast",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"},
        Bad{"CodingWithoutChunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"},
        Bad{"CodingAndLength",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc"},
        Bad{"UnknownCoding",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        Bad{"ChunkedInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Bad{"SpaceBeforeColon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
        Bad{"FoldedField", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"},
        Bad{"FoldedEmptyField", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n 2\r\n\r\n"},
        Bad{"FoldedFirstField", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
        Bad{"BareLineFeeds", "GET / HTTP/1.1\nHost: a\n\n"},
        Bad{"BareLineFeedInField", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\nY: 2\r\n\r\n"},
        Bad{"BareReturnInField", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n"},
        Bad{"NulInField", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n"s},
        Bad{"NulInName", "GET / HTTP/1.1\r\nHost: a\r\nX\0: 1\r\n\r\n"s},
        Bad{"NoHost", "GET / HTTP/1.1\r\n\r\n"},
        Bad{"TwoHosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        Bad{"HostWithPath", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        Bad{"HostWithUser", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
        Bad{"NoHostBesideTheTargets", "GET http://b/ HTTP/1.1\r\n\r\n"},
        Bad{"TwoHostsBesideTheTargets", "GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
        Bad{"InvalidHostBesideTheTargets", "GET http://b/ HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        Bad{"TargetWithoutSlash", "GET x HTTP/1.1\r\nHost: a\r\n\r\n"},
        Bad{"TargetWithSpace", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
        Bad{"TargetWithFragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
        Bad{"AsteriskWithGet", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
        Bad{"ConnectWithPath", "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n"},
        Bad{"ConnectWithUrl", "CONNECT https://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
        Bad{"MethodIsNoToken", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
        Bad{"UnknownVersion", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"}, Bad{"NoVersion", "GET /\r\n\r\n"},
        Bad{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
        Bad{"Tls", "\x16\x03\x01\x02\x05\x01\x02\x03\r\n\r\n"},
        Bad{"ManyEmptyLines", std::string("\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n") + smuggled},
        Bad{"TooManyFields",
            [] {
              std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
              for (int i = 0; i < 300; ++i) text += "a: b\r\n";
              return text + "\r\n";
            }(),
            431},
        Bad{"TooLargeFields", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n",
            431},
        Bad{"EndlessField", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(200'000, 'x'), 431},
        Bad{"TooLongTarget", "GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414}),
    [](const auto& one) { return one.param.name; });

TEST_P(H1Refuses, WithStatusAndClose) {
  answer_all_with_path();
  const std::string answer = say(GetParam().request + smuggled);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + std::to_string(GetParam().status) + " ")) << answer;
  EXPECT_NE(answer.find("connection: close\r\n"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << answer;
  EXPECT_TRUE(requests.requests.empty());
  EXPECT_TRUE(peer->ended);
  clock.pass(3s);
  EXPECT_EQ(events.closed, 1);
}

/// Inside a body (docs/threat-model.md, "request smuggling"): the handler sees an error, not an end, and
/// nothing behind it is taken for a request.
class H1RefusesBody : public H1ServerTest, public testing::WithParamInterface<Bad> {};

INSTANTIATE_TEST_SUITE_P(, H1RefusesBody,
                         testing::Values(Bad{"NoSize", "\r\nabc\r\n0\r\n\r\n"}, Bad{"SizeNotHex", "xyz\r\n"},
                                         Bad{"SizeSigned", "-1\r\n"},
                                         Bad{"SizeWith0x", "0x3\r\nabc\r\n0\r\n\r\n"},
                                         Bad{"SizeTooLarge", "fffffffffffffffff\r\n"},
                                         Bad{"SpaceBeforeSize", " 3\r\nabc\r\n0\r\n\r\n"},
                                         Bad{"ChunkLongerThanItsSize", "3\r\nabcd\r\n0\r\n\r\n"},
                                         Bad{"LineFeedAfterSize", "3\nabc\r\n0\r\n\r\n"},
                                         Bad{"ReturnInSize", "3\rx\nabc\r\n0\r\n\r\n"},
                                         Bad{"BadExtension", "3;=\r\nabc\r\n0\r\n\r\n"},
                                         Bad{"ExtensionsWithoutEnd", "3;a=" + std::string(100'000, 'x')},
                                         Bad{"FloodOfExtensions",
                                             [] {
                                               std::string text;
                                               for (int i = 0; i < 30; ++i)
                                                 text += "1;" + std::string(1000, 'e') + "\r\nx\r\n";
                                               return text + "0\r\n\r\n";
                                             }()},
                                         Bad{"LengthInTrailers", "0\r\nContent-Length: 3\r\n\r\n"},
                                         Bad{"HostInTrailers", "0\r\nHost: b\r\n\r\n"},
                                         Bad{"FoldedTrailer", "0\r\nA: 1\r\n 2\r\n\r\n"}),
                         [](const auto& one) { return one.param.name; });

TEST_P(H1RefusesBody, AsAnError) {
  const std::string answer =
      say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + GetParam().request + smuggled);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 431 ")) << answer;
  ASSERT_EQ(requests.requests.size(), 1u);
  EXPECT_FALSE(requests.last().handler.ended);
  EXPECT_EQ(requests.last().handler.closed, 1);
  EXPECT_TRUE(requests.last().handler.error);
  EXPECT_TRUE(peer->ended);
}

}  // namespace
}  // namespace sallyport::http::test
