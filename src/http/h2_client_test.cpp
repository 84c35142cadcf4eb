// The client's side of HTTP/2, and what needs both sides of it: limits, GOAWAY, priorities, windows.
#include "http/h2_frames_for_test.h"
#include "http/tcp_for_test.h"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

/// A client whose server is the test.
class H2ClientTest : public testing::Test {
 protected:
  H2ClientTest() {
    auto [near, far] = net::make_memory_streams(clock.timers);
    client = make_h2_client(clock.timers, std::move(near), {"a", "TLS1.3"}, events, {});
    peer.emplace(std::move(far));
    clock.settle();
  }
  std::vector<H2Frame> say(std::string_view bytes) {
    peer->say(bytes);
    clock.settle();
    if (peer->received.starts_with("PRI")) peer->received.erase(0, 24);
    return take_frames(peer->received);
  }
  /// The server's SETTINGS, of these entries.
  std::vector<H2Frame> begin(std::string_view entries = {}) {
    return say(h2_frame(h2_settings, 0, 0, entries) + h2_frame(h2_settings, ack, 0));
  }
  static std::size_t count(const std::vector<H2Frame>& frames, std::uint8_t type) {
    return static_cast<std::size_t>(std::ranges::count(frames, type, &H2Frame::type));
  }

  RecordingExchange first, second, third;
  RecordingConnection events;
  Clock clock;
  std::unique_ptr<Connection> client;
  std::optional<RawEnd> peer;
};

const std::string enable_connect = std::string("\0\x08\0\0\0\1", 6);
const std::string one_stream = std::string("\0\3\0\0\0\1", 6);
const std::string ok_head = hpack({{":status", "200"}});

TEST_F(H2ClientTest, RequestsNeedNotWaitForSettings) {
  client->request(get("/"), first, true);
  EXPECT_EQ(count(say(""), h2_headers), 1u);
  EXPECT_EQ(events.ready, 0);
  begin();
  EXPECT_EQ(events.ready, 1);
}

TEST_F(H2ClientTest, ServersGiveNoPriorities) {
  begin();
  client->request(get("/"), first, true);
  say("");
  const auto frames = say(h2_frame(h2_priority_update, 0, 0, be32(1) + "u=1"));
  const auto goaway = std::ranges::find(frames, h2_goaway, &H2Frame::type);
  ASSERT_NE(goaway, frames.end());
  EXPECT_EQ(goaway->number(4), 1u);  // PROTOCOL_ERROR
  EXPECT_EQ(first.closed, 1);
  EXPECT_TRUE(first.error);
}

TEST_F(H2ClientTest, RequestTooLargeToSendLeavesNothingOnTheWire) {
  begin();
  Request large = get("/");
  large.fields.add("x", std::string(300'000, 'x'));
  client->request(std::move(large), first, false);
  const auto frames = say("");
  EXPECT_EQ(count(frames, h2_headers), 0u);
  EXPECT_EQ(count(frames, h2_rst_stream), 0u);
  ASSERT_EQ(first.closed, 1);
  EXPECT_EQ(first.error->kind, ErrorKind::too_large);
  client->request(get("/"), second, true);
  EXPECT_EQ(count(say(""), h2_headers), 1u);
}

TEST_F(H2ClientTest, ExtendedConnectWaitsForSettings) {
  client->request(extended_connect("connect-udp", "/"), first, false);
  EXPECT_EQ(count(say(""), h2_headers), 0u);
  EXPECT_EQ(count(begin(enable_connect), h2_headers), 1u);
  EXPECT_EQ(first.closed, 0);
}

TEST_F(H2ClientTest, ExtendedConnectFailsWhereTheServerDoesNotDoIt) {
  client->request(extended_connect("connect-udp", "/"), first, false);
  EXPECT_EQ(count(begin(), h2_headers), 0u);
  ASSERT_EQ(first.closed, 1);
  EXPECT_EQ(first.error->kind, ErrorKind::protocol);
  client->request(connect("a.example:1"), second, false);  // a plain one needs no leave
  EXPECT_EQ(count(say(""), h2_headers), 1u);
}

TEST_F(H2ClientTest, HeadersOnAnOpenTunnelEndTheStream) {  // RFC 9113 §8.5
  begin();
  client->request(connect("a.example:1"), first, false);
  say("");
  say(h2_frame(h2_headers, end_headers, 1, ok_head));
  EXPECT_EQ(first.closed, 0);
  const auto frames = say(h2_frame(h2_headers, end_stream | end_headers, 1, hpack({{"x", "1"}})));
  const auto reset = std::ranges::find(frames, h2_rst_stream, &H2Frame::type);
  ASSERT_NE(reset, frames.end());
  EXPECT_EQ(reset->number(), 1u);  // PROTOCOL_ERROR
  EXPECT_EQ(first.closed, 1);
  EXPECT_TRUE(first.error);
}

TEST_F(H2ClientTest, WaitingExtendedConnectCanBeGivenUp) {
  client->request(extended_connect("connect-udp", "/"), first, false).reset(ResetCode::cancelled);
  clock.settle();
  EXPECT_EQ(first.closed, 1);
  EXPECT_EQ(count(begin(enable_connect), h2_headers), 0u);
}

TEST_F(H2ClientTest, RequestsWaitForTheStreamLimit) {
  EXPECT_EQ(client->free_streams(), 0u);
  begin(one_stream);
  EXPECT_EQ(client->free_streams(), 1u);
  client->request(get("/1"), first, true);
  client->request(get("/2"), second, true);
  Exchange& cancelled = client->request(get("/3"), third, true);
  EXPECT_EQ(count(say(""), h2_headers), 1u);
  cancelled.reset(ResetCode::cancelled);
  clock.settle();
  EXPECT_EQ(third.closed, 1);
  EXPECT_EQ(count(say(h2_frame(h2_headers, end_stream | end_headers, 1, ok_head)), h2_headers), 1u);
  EXPECT_TRUE(first.is_well());
  EXPECT_EQ(count(say(h2_frame(h2_headers, end_stream | end_headers, 3, ok_head)), h2_headers), 0u);
  EXPECT_TRUE(second.is_well());
  EXPECT_EQ(client->open_exchanges(), 0u);
}

TEST_F(H2ClientTest, GoawayRefusesWhatWasNotTaken) {
  begin();
  client->request(get("/1"), first, true);
  client->request(get("/2"), second, true);
  say(h2_frame(h2_goaway, 0, 0, be32(1) + be32(0)));
  EXPECT_EQ(events.goaway, 1);
  EXPECT_FALSE(client->can_request());
  EXPECT_EQ(second.closed, 1);
  EXPECT_EQ(second.error->kind, ErrorKind::refused);
  EXPECT_EQ(first.closed, 0);
  client->request(get("/3"), third, true);
  say(h2_frame(h2_headers, end_stream | end_headers, 1, ok_head));
  EXPECT_EQ(third.error->kind, ErrorKind::refused);
  EXPECT_TRUE(first.is_well());
  EXPECT_TRUE(peer->ended);
  clock.pass(3s);
  EXPECT_EQ(events.closed, 1);
  EXPECT_FALSE(events.error);
}

TEST_F(H2ClientTest, GoawayWithAnErrorIsWhyTheConnectionEnds) {
  begin();
  client->request(get("/"), first, true);
  say(h2_frame(h2_goaway, 0, 0, be32(1) + be32(11)));
  peer->stream->finish();
  clock.settle();
  EXPECT_EQ(first.error->code, 11u);
  clock.pass(3s);
  EXPECT_EQ(events.error->code, 11u);
}

TEST_F(H2ClientTest, RefusedStreamMayBeTriedAgain) {
  begin();
  client->request(get("/"), first, true);
  say("");
  const auto frames = say(h2_frame(h2_rst_stream, 0, 1, be32(7)));
  EXPECT_EQ(first.error->kind, ErrorKind::refused);
  EXPECT_EQ(count(frames, h2_rst_stream), 0u) << "a reset is not answered by a reset";
  EXPECT_EQ(client->counters().resets_in, 1u);
}

TEST_F(H2ClientTest, ResponseBeforeTheRequestsEndIsEnough) {
  begin();
  client->request(post("/"), first, false).write(as_bytes("some"));
  say("");
  say(h2_frame(h2_headers, end_stream | end_headers, 1, hpack({{":status", "413"}})) +
      h2_frame(h2_rst_stream, 0, 1, be32(0)));
  EXPECT_EQ(first.response->status, 413u);
  EXPECT_TRUE(first.is_well());
}

TEST_F(H2ClientTest, CutResponsesAreErrors) {
  begin();
  client->request(get("/1"), first, true);
  client->request(get("/2"), second, true);
  say(h2_frame(h2_headers, end_headers, 1, ok_head) + h2_frame(h2_data, 0, 1, "part"));
  peer->stream->finish();
  clock.settle();
  EXPECT_EQ(first.body, "part");
  EXPECT_FALSE(first.ended);
  EXPECT_TRUE(first.error);
  EXPECT_TRUE(second.error);
}

TEST_F(H2ClientTest, PushIsRefused) {
  begin();
  client->request(get("/"), first, true);
  say("");
  const auto frames = say(h2_frame(
      h2_push_promise, end_headers, 1,
      be32(2) + hpack({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}})));
  EXPECT_EQ(count(frames, h2_goaway), 1u);
  EXPECT_TRUE(first.error);
}

TEST_F(H2ClientTest, ServerThatDoesNotBeginTimesOut) {
  client->request(get("/"), first, true);
  clock.pass(14s);
  EXPECT_EQ(first.error->kind, ErrorKind::timeout);
  EXPECT_EQ(events.error->kind, ErrorKind::timeout);
}

TEST_F(H2ClientTest, CreditIsGivenAsTheBodyIsConsumed) {
  begin();
  first.consumes = false;
  Exchange& exchange = client->request(get("/"), first, true);
  say("");
  std::string body = h2_frame(h2_headers, end_headers, 1, ok_head);
  for (int i = 0; i < 32; ++i) body += h2_frame(h2_data, 0, 1, std::string(16384, 'x'));
  EXPECT_EQ(count(say(body), h2_window_update), 0u);
  EXPECT_EQ(first.unconsumed, 512u * 1024);
  exchange.consume(512 * 1024);
  const auto frames = say("");
  std::uint32_t stream = 0, connection = 0;
  for (const H2Frame& frame : frames)
    if (frame.type == h2_window_update) (frame.stream == 1 ? stream : connection) += frame.number();
  EXPECT_GE(stream, 512u * 1024);
  EXPECT_GE(connection, 512u * 1024);
}

TEST_F(H2ClientTest, CreditOfAnUnreadBodyReturnsToTheConnection) {
  begin();
  first.consumes = false;
  Exchange& exchange = client->request(get("/"), first, true);
  say("");
  std::string body = h2_frame(h2_headers, end_headers, 1, ok_head);
  for (int i = 0; i < 32; ++i) body += h2_frame(h2_data, 0, 1, std::string(16384, 'x'));
  say(body);
  exchange.reset(ResetCode::cancelled);
  // What was on its way when the stream was reset counts too.
  auto frames = say(h2_frame(h2_data, 0, 1, std::string(16384, 'x')));
  std::uint32_t connection = 0;
  for (const H2Frame& frame : frames)
    if (frame.type == h2_window_update && frame.stream == 0) connection += frame.number();
  EXPECT_GE(connection, 512u * 1024);
}

TEST_F(H2ClientTest, HeadTooLargeToReadFailsItsExchangeOnly) {
  begin();
  client->request(get("/"), first, true);
  client->request(get("/"), second, true);
  say("");
  const std::string field = std::string("\0\1y", 3) + hpack_string(std::string(90'000, 'v'));
  EXPECT_EQ(
      count(say(h2_section(end_stream, 1, ok_head + field) + h2_section(end_stream, 3, ok_head)), h2_goaway),
      0u);
  ASSERT_TRUE(first.error);
  EXPECT_EQ(first.error->kind, ErrorKind::too_large);
  EXPECT_TRUE(second.is_well());
  EXPECT_TRUE(client->can_request());
}

class H2PairTest : public testing::Test {
 protected:
  RecordingExchange& recorder() { return recorders_.emplace_back(); }

 private:
  std::deque<RecordingExchange> recorders_;

 protected:
  Pair pair{Pair::Speaks::h2};
};

TEST_F(H2PairTest, ThousandRequestsOverAHundredStreams) {
  std::size_t most = 0;
  pair.requests.then = [&](Exchange& exchange, RecordingExchange&) {
    most = std::max(most, pair.server->open_exchanges());
    exchange.respond(status(200));
    exchange.write(as_bytes(exchange.request().path));
    exchange.finish();
  };
  std::vector<RecordingExchange*> all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(&recorder());
    pair.client->request(get("/" + std::to_string(i)), *all.back(), true);
  }
  pair.clock.settle();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)]->body, "/" + std::to_string(i));
  EXPECT_LE(most, 100u);
}

// What waits behind another response is not what its peer holds back.
TEST(H2Slow, ResponsesThatWaitForEachOtherDoNotTimeOut) {
  std::deque<RecordingExchange> all(3);
  Pair slow(Pair::Speaks::h2, 10'000, 100ms, {.idle_timeout = 5s});
  slow.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(2'000'000));
    exchange.finish();
  };
  for (RecordingExchange& one : all) slow.client->request(get("/"), one, true);
  slow.clock.pass(90s);
  for (const RecordingExchange& one : all) {
    EXPECT_EQ(one.body.size(), 2'000'000u);
    EXPECT_TRUE(one.is_well()) << (one.error ? one.error->message : "not closed");
  }
}

TEST_F(H2PairTest, UrgentResponsesComeFirst) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(as_bytes(std::string(400'000, 'x')));
    exchange.finish();
  };
  std::string order;
  for (const unsigned urgency : {6u, 5u, 0u, 3u}) {
    Request request = get("/");
    request.priority.urgency = static_cast<std::uint8_t>(urgency);
    RecordingExchange& client = recorder();
    client.then_end = [&order, urgency](Exchange&) { order += std::to_string(urgency); };
    pair.client->request(request, client, true);
  }
  pair.clock.settle();
  EXPECT_EQ(order, "0356");
  EXPECT_EQ(pair.requests.requests[0]->request.priority.urgency, 6);
}

TEST_F(H2PairTest, FieldsThatMayNotBeSentAreLeftOut) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"connection", "close"}, {"bad", "a\nb"}, {"x", "1"}}), true);
  };
  RecordingExchange& client = recorder();
  Request request = get("/");
  request.fields.add("x y", "1");
  request.fields.add("smuggled", "a\r\nb: c");
  pair.client->request(request, client, true);
  pair.clock.settle();
  EXPECT_TRUE(client.is_well());
  EXPECT_TRUE(pair.requests.last().request.fields.empty());
  EXPECT_EQ(client.response->fields.size(), 1u);
}

TEST_F(H2PairTest, TunnelsTakeTurnsBothWays) {
  Pair slow(Pair::Speaks::h2, 10'000, 10ms, {});
  RecordingExchange &first = recorder(), &second = recorder();
  std::vector<Exchange*> tunnels;
  slow.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(2'000'000));
  };
  for (RecordingExchange* one : {&first, &second})
    tunnels.push_back(&slow.client->request(connect("target.example:22"), *one, false));
  while (first.body.size() < 1'000'000) slow.clock.pass(100ms);
  EXPECT_GT(second.body.size(), 500'000u);
  for (Exchange* one : tunnels) one->write(Chunk::allocate(2'000'000));
  const std::string& up = slow.requests.requests[0]->handler.body;
  while (up.size() < 1'000'000) slow.clock.pass(100ms);
  EXPECT_GT(slow.requests.requests[1]->handler.body.size(), 500'000u);
}

TEST_F(H2PairTest, FileAndTunnelShare) {
  Pair slow(Pair::Speaks::h2, 10'000, 10ms, {});
  RecordingExchange &file = recorder(), &tunnel = recorder();
  slow.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(2'000'000));
    if (!exchange.request().is_connect()) exchange.finish();
  };
  slow.client->request(connect("target.example:22"), tunnel, false);
  slow.client->request(get("/"), file, true);
  while (tunnel.body.size() < 1'000'000 && file.body.size() < 1'000'000) slow.clock.pass(100ms);
  EXPECT_GT(std::min(tunnel.body.size(), file.body.size()), 200'000u);
}

TEST_F(H2PairTest, HeadTooLargeToSendFailsItsExchangeOnly) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    Response response = status(200);
    if (exchange.request().path == "/large") response.fields.add("x", std::string(300'000, 'x'));
    exchange.respond(response, true);
  };
  RecordingExchange &large = recorder(), &other = recorder();
  pair.client->request(get("/large"), large, true);
  pair.client->request(get("/"), other, true);
  pair.clock.settle();
  EXPECT_TRUE(large.error);
  EXPECT_TRUE(other.is_well());
  EXPECT_EQ(pair.requests.requests[0]->handler.error->kind, ErrorKind::too_large);
}

}  // namespace
}  // namespace sallyport::http::test
