// The client's side of HTTP/1.1 against what servers, broken and hostile ones too, answer.
#include "http/h1_websocket.h"
#include "http/tcp_for_test.h"

#include <ostream>
#include <string>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

/// A client whose server is the test.
class H1ClientTest : public testing::Test {
 protected:
  H1ClientTest() {
    auto [near, far] = net::make_memory_streams(clock.timers);
    client = make_h1_client(clock.timers, std::move(near), {"a", "TLS1.3"}, events, {});
    peer.emplace(std::move(far));
  }
  Exchange& ask(const Request& request, bool end = true) {
    peer->received.clear();
    Exchange& exchange = client->request(request, answer, end);
    clock.settle();
    return exchange;
  }
  void say(std::string_view text) {
    peer->say(text);
    clock.settle();
  }
  void end_stream() {
    peer->stream->finish();
    clock.settle();
  }

  RecordingExchange answer, second;
  RecordingConnection events;
  Clock clock;
  std::unique_ptr<Connection> client;
  std::optional<RawEnd> peer;
};

TEST_F(H1ClientTest, HeadsOnTheWire) {
  Request request = get("/a?b");
  request.fields.add("accept", "*/*");
  request.fields.add("connection", "x");
  request.fields.add("transfer-encoding", "gzip");
  ask(request);
  EXPECT_EQ(peer->received, "GET /a?b HTTP/1.1\r\nhost: example.com\r\naccept: */*\r\n\r\n");
}

TEST_F(H1ClientTest, BodyOfUnknownLengthIsChunked) {
  Exchange& exchange = ask(post("/"), false);
  exchange.write(as_bytes("hello"));
  clock.settle();
  exchange.finish({{"sum", "1"}});
  clock.settle();
  EXPECT_EQ(peer->received,
            "POST / HTTP/1.1\r\nhost: example.com\r\ntransfer-encoding: "
            "chunked\r\n\r\n5\r\nhello\r\n0\r\nsum: 1\r\n\r\n");
}

TEST_F(H1ClientTest, PostWithoutBodySaysSo) {
  ask(post("/"));
  EXPECT_EQ(peer->received, "POST / HTTP/1.1\r\nhost: example.com\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(H1ClientTest, ConnectAndUpgradeOnTheWire) {
  Exchange& tunnel = ask(connect("t.example:443"), false);
  tunnel.write(as_bytes("too early"));
  clock.settle();
  EXPECT_EQ(peer->received, "CONNECT t.example:443 HTTP/1.1\r\nhost: t.example:443\r\n\r\n");
  say("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\nraw");
  EXPECT_EQ(answer.body, "raw");
  EXPECT_TRUE(peer->received.ends_with("\r\n\r\ntoo early"));
  EXPECT_FALSE(client->can_request());
}

TEST_F(H1ClientTest, UpgradeOnTheWire) {
  Request request = extended_connect("connect-udp", "/udp/1.2.3.4/5/");
  request.fields.add("capsule-protocol", "?1");
  ask(request, false);
  EXPECT_EQ(peer->received,
            "GET /udp/1.2.3.4/5/ HTTP/1.1\r\nhost: example.com\r\nconnection: upgrade\r\nupgrade: "
            "connect-udp\r\ncapsule-protocol: ?1\r\n\r\n");
  say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: Connect-UDP\r\nCapsule-Protocol: "
      "?1\r\n\r\nraw");
  EXPECT_EQ(answer.response->status, 200u);
  EXPECT_EQ(answer.response->fields.size(), 1u);
  EXPECT_EQ(answer.body, "raw");
}

TEST_F(H1ClientTest, WebSocketAnswerIsChecked) {
  const std::string switched =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
  ask(extended_connect("websocket", "/chat"), false);
  const std::string key_name = "sec-websocket-key: ";
  const auto at = peer->received.find(key_name);
  ASSERT_NE(at, std::string::npos);
  EXPECT_NE(peer->received.find("sec-websocket-version: 13\r\n"), std::string::npos);
  const std::string key = peer->received.substr(at + key_name.size(), 24);
  say(switched + "Sec-WebSocket-Accept: " + websocket_accept(key) + "\r\n\r\nframe");
  EXPECT_EQ(answer.response->status, 200u);
  EXPECT_TRUE(answer.response->fields.empty());
  EXPECT_EQ(answer.body, "frame");

  auto [near, far] = net::make_memory_streams(clock.timers);
  const auto other = make_h1_client(clock.timers, std::move(near), {"a", "TLS1.3"}, events, {});
  RawEnd server(std::move(far));
  other->request(extended_connect("websocket", "/chat"), second, false);
  clock.settle();
  server.say(switched + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
  clock.settle();
  EXPECT_FALSE(second.response);
  EXPECT_EQ(second.error->kind, ErrorKind::protocol);
}

TEST_F(H1ClientTest, ConnectionIsUsedAgain) {
  ask(get("/1"));
  EXPECT_FALSE(client->can_request());
  say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_TRUE(answer.is_well());
  ASSERT_TRUE(client->can_request());
  client->request(get("/2"), second, true);
  clock.settle();
  say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: "
      "1\r\n\r\n");
  EXPECT_TRUE(second.is_well());
  EXPECT_EQ(second.interim, std::vector<unsigned>{100});
  EXPECT_EQ(second.body, "ok");
  EXPECT_EQ(second.trailers->find("t"), "1");
}

TEST_F(H1ClientTest, BusyConnectionRefuses) {
  ask(get("/1"));
  client->request(get("/2"), second, true);
  clock.settle();
  EXPECT_EQ(second.error->kind, ErrorKind::refused);
  say("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(answer.is_well());
}

TEST_F(H1ClientTest, ConnectionIsNotUsedAgainWhereTheServerCloses) {
  ask(get("/"));
  say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.is_well());
  EXPECT_FALSE(client->can_request());
  end_stream();
  EXPECT_EQ(events.closed, 1);
  EXPECT_FALSE(events.error);
}

TEST_F(H1ClientTest, BodyUntilClose) {
  ask(get("/"));
  say("HTTP/1.1 200 OK\r\n\r\nall ");
  say("of it");
  EXPECT_FALSE(answer.ended);
  end_stream();
  EXPECT_EQ(answer.body, "all of it");
  EXPECT_TRUE(answer.is_well());
}

TEST_F(H1ClientTest, BodyUntilCloseIsNotCompleteAfterAnError) {
  ask(get("/"));
  say("HTTP/1.1 200 OK\r\n\r\npart");
  peer->stream->close();
  clock.settle();
  EXPECT_FALSE(answer.ended);
  EXPECT_TRUE(answer.error);
}

TEST_F(H1ClientTest, EarlyResponseEndsAnUnfinishedRequest) {
  Exchange& exchange = ask(post("/"), false);
  exchange.write(as_bytes("some"));
  clock.settle();
  say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.ended);
  end_stream();
  EXPECT_TRUE(answer.is_well());
}

TEST_F(H1ClientTest, UploadStopsWhereTheServerHasAnsweredAndCloses) {
  Exchange& exchange = ask(post("/"), false);
  exchange.write(as_bytes("some"));
  clock.settle();
  say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.is_well());
  EXPECT_TRUE(peer->ended);
  // What the server does next is no error of a response that is complete.
  peer->stream->close();
  clock.settle();
  EXPECT_EQ(answer.closed, 1);
}

TEST_F(H1ClientTest, TeStaysOnItsConnection) {
  Request request = get("/");
  request.fields.add("te", "trailers");
  ask(request);
  EXPECT_EQ(peer->received, "GET / HTTP/1.1\r\nhost: example.com\r\n\r\n");
}

TEST_F(H1ClientTest, UnaskedResponseEndsTheConnection) {
  say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(events.closed, 1);
  EXPECT_FALSE(client->can_request());
}

TEST_F(H1ClientTest, BytesBehindAResponseEndTheConnection) {
  for (const std::string_view more : {"HTTP/1.1 2", "x", "HTTP/1.1 200 OK\r\nX: "}) {
    auto [near, far] = net::make_memory_streams(clock.timers);
    const auto other = make_h1_client(clock.timers, std::move(near), {"a", "TLS1.3"}, events, {});
    RawEnd server(std::move(far));
    RecordingExchange handler;
    bool reusable = true;
    handler.then_closed = [&] { reusable = other->can_request(); };
    other->request(get("/"), handler, true);
    clock.settle();
    server.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + std::string(more));
    clock.settle();
    EXPECT_TRUE(handler.is_well());
    EXPECT_EQ(handler.body, "ok");
    EXPECT_FALSE(reusable);
    EXPECT_FALSE(other->can_request());
  }
}

TEST_F(H1ClientTest, RequestThatCannotBeSaidIsRefused) {
  for (const std::string_view path : {"/a b", "/a\r\nx: y", ""}) {
    RecordingExchange handler;
    client->request(get(std::string(path)), handler, true);
    clock.settle();
    EXPECT_EQ(handler.error->kind, ErrorKind::usage);
  }
  EXPECT_EQ(peer->received, "");
}

TEST_F(H1ClientTest, IgnoredUpgradeIsNoTunnel) {
  ask(extended_connect("connect-udp", "/"), false);
  say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml");
  EXPECT_FALSE(answer.response);
  EXPECT_EQ(answer.error->kind, ErrorKind::protocol);
}

TEST_F(H1ClientTest, RefusedUpgradeIsAResponseWhoseContentIsNoCapsules) {
  ask(extended_connect("connect-udp", "/"), false).use_capsules();
  say("HTTP/1.1 403 Forbidden\r\nProxy-Status: p\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_EQ(answer.response->status, 403u);
  EXPECT_EQ(answer.body, "no");
  EXPECT_TRUE(answer.is_well());
}

struct Bad {
  const char* name;
  std::string response;
};
void PrintTo(const Bad& one, std::ostream* out) {
  *out << one.name;
}

class H1ClientRefuses : public H1ClientTest, public testing::WithParamInterface<Bad> {};

INSTANTIATE_TEST_SUITE_P(
    , H1ClientRefuses,
    testing::Values(
        Bad{"TwoLengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"},
        Bad{"LengthAndChunked",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        Bad{"UnknownCoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx"},
        Bad{"LengthsThatDiffer", "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nxx"},
        Bad{"LengthThatIsNoNumber", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1x\r\n\r\nxx"},
        Bad{"FoldedFirstField", "HTTP/1.1 200 OK\r\n A: 1\r\n\r\n"},
        Bad{"FoldedTooLong", "HTTP/1.1 200 OK\r\nA: 1\r\n " + std::string(5000, 'a') + "\r\n\r\n"},
        Bad{"StatusOfFourDigits", "HTTP/1.1 2000\r\n\r\n"}, Bad{"StatusOfTwoDigits", "HTTP/1.1 20\r\n\r\n"},
        Bad{"BareReturnAfterTheStatus", "HTTP/1.1 200\rX\r\n\r\n"}, Bad{"NoVersion", "HTTP/x.1 200\r\n\r\n"},
        Bad{"BadChunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n"},
        Bad{"NoStatus", "HTTP/1.1 OK\r\n\r\n"},
        // As long as a status line without a reason; more of it is not waited for.
        Bad{"NoStatusBeforeItsLineEnds", "HTTP/1.1 hello"}, Bad{"StatusTooSmall", "HTTP/1.1 099 No\r\n\r\n"},
        Bad{"Http2", std::string("\0\0\0\4\0\0\0\0\0", 9)}, Bad{"NotHttp", "SSH-2.0-OpenSSH_9.2\r\n"},
        Bad{"SwitchedUnasked",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
        Bad{"EndlessInterim",
            [] {
              std::string text;
              for (int i = 0; i < 200; ++i) text += "HTTP/1.1 103 \r\n\r\n";
              return text + "HTTP/1.1 204 \r\n\r\n";
            }()},
        Bad{"TooLargeHead", "HTTP/1.1 200 OK\r\nA: " + std::string(100'000, 'a') + "\r\n\r\n"}),
    [](const auto& one) { return one.param.name; });

TEST_P(H1ClientRefuses, AsAnError) {
  ask(get("/"));
  say(GetParam().response);
  EXPECT_FALSE(answer.ended);
  EXPECT_EQ(answer.closed, 1);
  ASSERT_TRUE(answer.error);
  EXPECT_FALSE(client->can_request());
  clock.pass(3s);
  EXPECT_EQ(events.closed, 1);
}

TEST_F(H1ClientTest, AHeadWithoutEndIsAnErrorOfItsSize) {
  ask(get("/"));
  say("HTTP/1.1 200 OK\r\nA: " + std::string(200'000, 'a'));
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->kind, ErrorKind::too_large);
}

/// What servers send and clients are to take (RFC 9112 §4, §5.2; RFC 9110 §8.6).
class H1ClientTakes : public H1ClientTest, public testing::WithParamInterface<Bad> {};

INSTANTIATE_TEST_SUITE_P(
    , H1ClientTakes,
    testing::Values(
        Bad{"NoReasonAndNoSpace", "HTTP/1.1 200\r\nContent-Length: 2\r\nA: 1 2\r\n\r\nok"},
        Bad{"NoReasonAndNoSpaceBeforeChunks",
            "HTTP/1.1 200\r\nA: 1 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
        Bad{"NoReason", "HTTP/1.1 200 \r\nContent-Length: 2\r\nA: 1 2\r\n\r\nok"},
        Bad{"InterimWithoutSpace",
            "HTTP/1.1 103\r\nLink: x\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\nA: 1 2\r\n\r\nok"},
        Bad{"Folded", "HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok"},
        Bad{"FoldedByATab", "HTTP/1.1 200 OK\r\nA: 1 \r\n\t 2\r\nContent-Length: 2\r\n\r\nok"},
        Bad{"FoldedAfterNothing", "HTTP/1.1 200\r\nA:\r\n 1\r\n \r\n 2\r\nContent-Length: 2\r\n\r\nok"},
        Bad{"LengthTwice", "HTTP/1.1 200 OK\r\nA: 1 2\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"},
        Bad{"LengthList", "HTTP/1.1 200 OK\r\nA: 1 2\r\nContent-Length: 2, 2\r\n\r\nok"},
        Bad{"LengthFolded", "HTTP/1.1 200 OK\r\nA: 1 2\r\nContent-Length:\r\n 2\r\n\r\nok"}),
    [](const auto& one) { return one.param.name; });

TEST_P(H1ClientTakes, AsIfItWereWellPut) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{100'000}}) {
    auto [near, far] = net::make_memory_streams(clock.timers, {.piece = piece});
    const auto other = make_h1_client(clock.timers, std::move(near), {}, events, {});
    RawEnd server(std::move(far));
    RecordingExchange handler;
    other->request(get("/"), handler, true);
    clock.settle();
    server.say(GetParam().response);
    clock.settle();
    ASSERT_TRUE(handler.is_well()) << (handler.error ? handler.error->message : "");
    EXPECT_EQ(handler.response->status, 200u);
    EXPECT_EQ(handler.response->fields.joined("a"), "1 2");
    EXPECT_EQ(handler.response->fields.joined("content-length").value_or("2"), "2");
    EXPECT_EQ(handler.body, "ok");
    EXPECT_TRUE(other->can_request());
  }
}

TEST_F(H1ClientTest, FoldedTrailerIsTaken) {
  ask(get("/"));
  say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nSum: 1\r\n 2\r\n\r\n");
  EXPECT_TRUE(answer.is_well());
  EXPECT_EQ(answer.trailers->find("sum"), "1 2");
}

TEST_F(H1ClientTest, TunnelWithoutReasonAndSpace) {
  ask(connect("t.example:443"), false);
  say("HTTP/1.1 200\r\n\r\nraw");
  EXPECT_EQ(answer.response->status, 200u);
  EXPECT_EQ(answer.body, "raw");
}

TEST_F(H1ClientTest, TunnelBy204) {  // any 2xx (RFC 9110 §9.3.6); what it says of content means nothing
  ask(connect("t.example:443"), false);
  say("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\nraw");
  EXPECT_EQ(answer.response->status, 204u);
  EXPECT_EQ(answer.body, "raw");
}

class H1CutResponse : public H1ClientTest, public testing::WithParamInterface<std::string_view> {};

INSTANTIATE_TEST_SUITE_P(
    , H1CutResponse,
    testing::Values("", "HTTP/1.1 20", "HTTP/1.1 200", "HTTP/1.1 200\r", "HTTP/1.1 200\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HTTP/1.1 103 \r\n\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"));

TEST_P(H1CutResponse, NeverLooksComplete) {
  ask(get("/"));
  say(GetParam());
  end_stream();
  EXPECT_FALSE(answer.ended);
  EXPECT_EQ(answer.closed, 1);
  EXPECT_TRUE(answer.error);
  EXPECT_EQ(events.closed, 1);
}

}  // namespace
}  // namespace sallyport::http::test
