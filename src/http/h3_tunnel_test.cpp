// Tunnels over HTTP/3: CONNECT, extended CONNECT, HTTP datagrams in frames and in capsules (RFC 9297), and
// those that come early.
#include "http/h3_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::code;
using test::connect_udp;
using test::data_frame;
using test::H3Pair;
using test::headers;
using test::Lines;
using test::RawClient;
using test::RawServer;
using test::RecordingExchange;
using test::request_lines;
using test::varint;

/// Accepts tunnels, and sends each datagram back.
void serve_echo(H3Pair& pair) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.use_capsules();
    exchange.respond({.status = 200, .fields = {{"capsule-protocol", "?1"}}});
  };
}

const std::string context_zero(1, '\0');

std::string connect_head() {
  return headers({{":method", "CONNECT"},
                  {":protocol", "connect-udp"},
                  {":scheme", "https"},
                  {":authority", "a"},
                  {":path", "/"}});
}

TEST(H3Tunnel, DatagramsBothWays) {
  H3Pair pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(connect_udp(), handler, false);
  exchange.use_capsules();
  ASSERT_TRUE(pair.run_until([&] { return handler.response.has_value(); }));
  EXPECT_TRUE(exchange.datagrams_unreliable());
  EXPECT_TRUE(exchange.send_datagram(as_bytes(context_zero), as_bytes("up")));
  ASSERT_TRUE(pair.run_until([&] { return !pair.requests.last().handler.datagrams.empty(); }));
  EXPECT_EQ(pair.requests.last().handler.datagrams[0], context_zero + "up");
  Exchange& server = *pair.requests.last().exchange;
  EXPECT_EQ(server.request().protocol, "connect-udp");
  EXPECT_EQ(server.request().path, "/.well-known/masque/udp/192.0.2.9/53/");
  EXPECT_TRUE(server.send_datagram(as_bytes(context_zero), as_bytes("down")));
  ASSERT_TRUE(pair.run_until([&] { return !handler.datagrams.empty(); }));
  EXPECT_EQ(handler.datagrams[0], context_zero + "down");
  EXPECT_EQ(pair.client->counters().datagrams_out, 1u);
  EXPECT_EQ(pair.client->counters().datagrams_in, 1u);
}

/// Sides that agree on another number would understand each other: these see and say what is on the wire (RFC
/// 9297 §2.1).
TEST(H3Tunnel, ServersDatagramsNameAQuarterOfTheStreamId) {
  RawClient pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.meet());
  for (const quic::StreamId id : {0, 4, 8}) {
    ASSERT_EQ(pair.say(connect_head(), false), id);
    pair.run_for(100ms);
    const auto quarter = static_cast<std::uint64_t>(id) / 4;
    pair.connection->send_datagram(as_bytes(varint(quarter)), as_bytes(context_zero + "up"));
    pair.run_for(100ms);
    EXPECT_EQ(pair.requests.last().handler.datagrams, std::vector{context_zero + "up"});
    pair.raw.datagrams.clear();
    pair.requests.last().exchange->send_datagram(as_bytes(context_zero), as_bytes("down"));
    pair.run_for(100ms);
    EXPECT_EQ(pair.raw.datagrams, std::vector{varint(quarter) + context_zero + "down"});
  }
  EXPECT_EQ(pair.requests.requests[0]->handler.datagrams.size(), 1u);
}

TEST(H3Tunnel, ClientsDatagramsNameAQuarterOfTheStreamId) {
  RawServer pair;
  ASSERT_TRUE(pair.meet());
  for (const quic::StreamId id : {0, 4, 8}) {
    RecordingExchange& handler = pair.handler();
    Exchange& exchange = pair.client->request(connect_udp(), handler, false);
    exchange.use_capsules();
    pair.run_for(100ms);
    pair.raw().send(id, headers({{":status", "200"}, {"capsule-protocol", "?1"}}), false);
    pair.run_for(100ms);
    ASSERT_TRUE(handler.response);
    const auto quarter = static_cast<std::uint64_t>(id) / 4;
    pair.raw().datagrams.clear();
    exchange.send_datagram(as_bytes(context_zero), as_bytes("up"));
    pair.run_for(100ms);
    EXPECT_EQ(pair.raw().datagrams, std::vector{varint(quarter) + context_zero + "up"});
    pair.raw().connection->send_datagram(as_bytes(varint(quarter)), as_bytes(context_zero + "down"));
    pair.run_for(100ms);
    EXPECT_EQ(handler.datagrams, std::vector{context_zero + "down"});
  }
  EXPECT_EQ(pair.handlers[0].datagrams.size(), 1u);
}

/// What a connection that believes in a black hole sends is the handler's prefix behind the stream's ID.
TEST(H3Tunnel, PaddingDatagramsAreOfAnOpenTunnel) {
  H3Pair pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.establish());
  quic::Application& client = *pair.client;
  EXPECT_TRUE(client.padding_datagram().empty()) << "no tunnel";
  RecordingExchange& other = pair.handler();
  pair.client->request(connect_udp(), other, false).use_capsules();
  RecordingExchange& handler = pair.handler();
  handler.padding = "pad";
  Exchange& exchange = pair.client->request(connect_udp(), handler, false);
  exchange.use_capsules();
  EXPECT_TRUE(client.padding_datagram().empty()) << "the tunnel is not open yet";
  ASSERT_TRUE(pair.run_until([&] { return handler.response.has_value(); }));
  EXPECT_EQ(as_text(client.padding_datagram()), "\1pad");
  exchange.finish();
  EXPECT_TRUE(client.padding_datagram().empty()) << "the tunnel has ended";
}

TEST(H3Tunnel, PaddingThatComesCountsAsNoDatagram) {
  H3Pair pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  handler.peers_padding = "pad";
  Exchange& exchange = pair.client->request(connect_udp(), handler, false);
  exchange.use_capsules();
  ASSERT_TRUE(pair.run_until([&] { return handler.response.has_value(); }));
  for (const std::string_view datagram : {"padded", "one"})
    pair.requests.last().exchange->send_datagram({}, as_bytes(datagram));
  ASSERT_TRUE(pair.run_until([&] { return !handler.datagrams.empty(); }));
  EXPECT_EQ(handler.datagrams, std::vector<std::string>{"one"});
  EXPECT_EQ(pair.client->counters().datagrams_in, 1u);
  EXPECT_EQ(pair.client->quic()->stats().datagrams_received, 1u);
}

TEST(H3Tunnel, LargestDatagramFitsAndOneMoreByteDoesNot) {
  H3Pair pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(connect_udp(), handler, false);
  exchange.use_capsules();
  pair.run_for(3s);  // lets MTU discovery end
  const std::size_t largest = exchange.max_datagram_payload();
  EXPECT_GT(largest, 1300u);
  const std::string whole(largest - 1, 'x');
  EXPECT_TRUE(exchange.send_datagram(as_bytes(context_zero), as_bytes(whole)));
  EXPECT_FALSE(exchange.send_datagram(as_bytes(context_zero), as_bytes(whole + "y")));
  pair.run_for(1s);
  ASSERT_EQ(pair.requests.last().handler.datagrams.size(), 1u);
  EXPECT_EQ(pair.requests.last().handler.datagrams[0].size(), largest);
  EXPECT_EQ(pair.client->counters().datagrams_dropped_size, 1u);
}

TEST(H3Tunnel, DatagramsBeforeTheHandshakeLeaveBehindTheRequest) {
  H3Pair pair;
  serve_echo(pair);
  pair.serve();
  pair.connect();
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(connect_udp(), handler, false);
  exchange.use_capsules();
  EXPECT_TRUE(exchange.send_datagram(as_bytes(context_zero), as_bytes("first")));
  EXPECT_TRUE(exchange.send_datagram(as_bytes(context_zero), as_bytes("second")));
  const Time start = pair.simulation.timers.now();
  ASSERT_TRUE(pair.run_until(
      [&] { return !pair.requests.requests.empty() && pair.requests.last().handler.datagrams.size() == 2; }));
  EXPECT_EQ(pair.simulation.timers.now() - start, 30ms);
  EXPECT_EQ(pair.requests.last().handler.datagrams[0], context_zero + "first");
  EXPECT_EQ(pair.requests.last().handler.datagrams[1], context_zero + "second");
}

TEST(H3Tunnel, CapsulesPassToo) {
  H3Pair pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(connect_udp(), handler, false);
  exchange.use_capsules();
  exchange.send_capsule(0x1234, as_bytes("value"));
  ASSERT_TRUE(pair.run_until(
      [&] { return !pair.requests.requests.empty() && !pair.requests.last().handler.capsules.empty(); }));
  EXPECT_EQ(pair.requests.last().handler.capsules[0], std::pair(std::uint64_t{0x1234}, std::string("value")));
  EXPECT_EQ(pair.requests.last().handler.body, "");
}

TEST(H3Tunnel, DatagramCapsulesAreTakenOverHttp3) {
  RawClient pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.meet());
  const std::string capsules =
      varint(0) + varint(6) + context_zero + "hello" + varint(0) + varint(4) + context_zero + "you";
  pair.say(headers({{":method", "CONNECT"},
                    {":protocol", "connect-udp"},
                    {":scheme", "https"},
                    {":authority", "server.test"},
                    {":path", "/x"}}) +
               data_frame(capsules.substr(0, 3)) + data_frame(capsules.substr(3)),
           false);
  pair.run_for(200ms);
  ASSERT_EQ(pair.requests.last().handler.datagrams.size(), 2u);
  EXPECT_EQ(pair.requests.last().handler.datagrams[0], context_zero + "hello");
  EXPECT_EQ(pair.requests.last().handler.datagrams[1], context_zero + "you");
}

TEST(H3Tunnel, WithoutDatagramFramesTheyGoAsCapsules) {
  RawServer pair;
  ASSERT_TRUE(pair.meet(test::settings_frame({.extended_connect = true})));
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(connect_udp(), handler, false);
  exchange.use_capsules();
  EXPECT_FALSE(exchange.datagrams_unreliable());
  EXPECT_EQ(exchange.max_datagram_payload(), 65'535u);
  EXPECT_TRUE(exchange.send_datagram(as_bytes(context_zero), as_bytes("hi")));
  pair.run_for(200ms);
  EXPECT_EQ(pair.raw().datagrams.size(), 0u);
  EXPECT_TRUE(
      pair.raw().streams[0].received.ends_with(data_frame(varint(0) + varint(3) + context_zero + "hi")));
}

TEST(H3Tunnel, MalformedCapsulesResetTheStream) {
  RawClient pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.meet());
  const auto id = pair.say(headers({{":method", "CONNECT"},
                                    {":protocol", "connect-udp"},
                                    {":scheme", "https"},
                                    {":authority", "a"},
                                    {":path", "/"}}) +
                               data_frame(varint(0) + varint(100) + "cut"),
                           true);
  EXPECT_EQ(pair.reset_with(id), test::code(H3Code::datagram_error));
  EXPECT_FALSE(pair.raw.closed);
}

// Early datagrams (RFC 9298 §5; docs/threat-model.md, "early datagram")

TEST(H3Tunnel, DatagramsBeforeTheRequestAreHeldInOrder) {
  RawClient pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.meet());
  for (int i = 0; i < 3; ++i)
    pair.connection->send_datagram(as_bytes(varint(0)), as_bytes(std::to_string(i)));
  pair.run_for(100ms);
  pair.say(connect_head(), false);
  pair.run_for(50ms);
  EXPECT_EQ(pair.requests.last().handler.datagrams, (std::vector<std::string>{"0", "1", "2"}));
}

TEST(H3Tunnel, DatagramsBeforeTheAnswerAreHeldForAMomentOnly) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  pair.say(connect_head(), false);
  pair.run_for(50ms);
  Exchange& exchange = *pair.requests.last().exchange;
  pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("too early"));
  pair.run_for(400ms);
  pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("early"));
  pair.run_for(100ms);
  exchange.use_capsules();
  exchange.respond({.status = 200});
  EXPECT_TRUE(pair.requests.last().handler.datagrams.empty());  // not inside respond()
  pair.run_for(10ms);
  EXPECT_EQ(pair.requests.last().handler.datagrams, (std::vector<std::string>{"early"}));
  EXPECT_EQ(pair.server().counters().datagrams_dropped_unknown_stream, 1u);
}

TEST(H3Tunnel, AHandlerThatAskedForCapsulesGetsDatagramsBeforeItAnswers) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.use_capsules(); };
  ASSERT_TRUE(pair.meet());
  pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("before the request"));
  pair.run_for(100ms);
  pair.say(connect_head(), false);
  pair.run_for(100ms);
  for (int i = 0; i < 50; ++i) pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("after it"));
  pair.run_for(1s);
  ASSERT_EQ(pair.requests.last().handler.datagrams.size(), 51u);
  EXPECT_EQ(pair.requests.last().handler.datagrams[0], "before the request");
  pair.requests.last().exchange->respond({.status = 403}, true);
  pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("after the refusal"));
  pair.run_for(1s);
  EXPECT_EQ(pair.requests.last().handler.datagrams.size(), 51u);
  EXPECT_EQ(pair.server().counters().datagrams_dropped_unknown_stream, 1u);
}

TEST(H3Tunnel, HeldDatagramsAreBounded) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  for (int i = 0; i < 50; ++i) pair.connection->send_datagram(as_bytes(varint(7)), as_bytes("x"));
  pair.run_for(100ms);
  EXPECT_EQ(pair.server().counters().datagrams_dropped_unknown_stream,
            50 - pair.server_limits.early_datagrams);
  pair.run_for(1s);
  EXPECT_EQ(pair.server().counters().datagrams_dropped_unknown_stream, 50u);
}

TEST(H3Tunnel, DatagramsForWhatIsNoTunnelOrIsOverAreDropped) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 403}, true);
  };
  ASSERT_TRUE(pair.meet());
  pair.say(connect_head(), false);
  pair.run_for(100ms);
  pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("x"));
  pair.run_for(100ms);
  pair.raw.send(0, "", true);
  pair.run_for(100ms);
  pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("x"));
  pair.run_for(1s);
  EXPECT_EQ(pair.server().counters().datagrams_dropped_unknown_stream, 2u);
  EXPECT_TRUE(pair.requests.last().handler.datagrams.empty());
  EXPECT_FALSE(pair.raw.closed);
}

/// A request that knows no datagrams, with its answer still to come or under way (RFC 9297 §2).
class H3NoTunnel : public testing::TestWithParam<Lines> {};

INSTANTIATE_TEST_SUITE_P(Requests, H3NoTunnel,
                         testing::Values(request_lines(),
                                         Lines{{":method", "CONNECT"}, {":authority", "a:1"}}));

TEST_P(H3NoTunnel, DatagramsAbortIt) {
  for (const bool answers : {false, true}) {
    RawClient pair;
    if (answers)
      pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond({.status = 200}); };
    ASSERT_TRUE(pair.meet());
    const auto id = pair.say(headers(GetParam()), false);
    pair.run_for(100ms);
    pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("x"));
    EXPECT_EQ(pair.reset_with(id), code(H3Code::datagram_error)) << answers;
    EXPECT_EQ(pair.raw.streams[id].stop_code, code(H3Code::datagram_error)) << answers;
    EXPECT_EQ(pair.requests.last().handler.closed, 1);
    EXPECT_TRUE(pair.requests.last().handler.error);
    EXPECT_TRUE(pair.requests.last().handler.datagrams.empty());
    EXPECT_FALSE(pair.raw.closed);
  }
}

TEST_P(H3NoTunnel, DatagramsThatCameBeforeItAbortIt) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("x"));
  pair.run_for(100ms);
  const auto id = pair.say(headers(GetParam()), false);
  EXPECT_EQ(pair.reset_with(id), code(H3Code::datagram_error));
  EXPECT_FALSE(pair.raw.closed);
}

TEST(H3Tunnel, DatagramsForARequestThatIsOverDoNotUndoIt) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200}, true);
  };
  ASSERT_TRUE(pair.meet());
  const auto id = pair.say(headers(request_lines()), true);
  pair.run_for(2ms);
  for (int i = 0; i < 20; ++i) {
    pair.connection->send_datagram(as_bytes(varint(0)), as_bytes("x"));
    pair.run_for(5ms);
  }
  EXPECT_EQ(pair.reset_with(id), 0u);
  EXPECT_TRUE(pair.raw.streams[id].received_fin);
}

TEST(H3Tunnel, ServersDatagramsForARequestThatIsNoTunnelAbortIt) {
  RawServer pair;
  ASSERT_TRUE(pair.meet());
  RecordingExchange& handler = pair.handler();
  Request request;
  request.authority = "server.test";
  pair.client->request(std::move(request), handler, true);
  pair.run_for(100ms);
  pair.raw().connection->send_datagram(as_bytes(varint(0)), as_bytes("x"));
  pair.run_for(100ms);
  EXPECT_TRUE(handler.error);
  EXPECT_EQ(pair.raw().streams[0].stop_code, code(H3Code::datagram_error));
  EXPECT_EQ(pair.closed_with(), 0u);
}

TEST(H3Tunnel, ServersDatagramsBeyondTheStreamLimitCloseTheConnection) {
  for (const std::uint64_t quarter : {99u, 100u}) {
    RawServer pair;
    ASSERT_TRUE(pair.meet());
    pair.raw().connection->send_datagram(as_bytes(varint(quarter)), as_bytes("x"));
    EXPECT_EQ(pair.closed_with(), quarter == 100 ? code(H3Code::id_error) : 0) << quarter;
  }
}

TEST(H3Tunnel, DatagramsThatOvertakeTheAnswer) {
  RawServer pair;
  ASSERT_TRUE(pair.meet());
  RecordingExchange& handler = pair.handler();
  pair.client->request(connect_udp(), handler, false).use_capsules();
  pair.run_for(100ms);
  pair.raw().connection->send_datagram(as_bytes(varint(0)), as_bytes("first"));
  pair.run_for(100ms);
  EXPECT_TRUE(handler.datagrams.empty());
  pair.raw().send(0, headers({{":status", "200"}}), false);
  pair.run_for(100ms);
  EXPECT_EQ(handler.datagrams, (std::vector<std::string>{"first"}));
}

TEST(H3Tunnel, DatagramsBeforeTheSettingsLeaveWithThem) {
  RawClient pair;
  serve_echo(pair);
  ASSERT_TRUE(pair.meet(false));
  pair.say(connect_head(), false);
  pair.run_for(100ms);
  Exchange& exchange = *pair.requests.last().exchange;
  RecordingExchange& handler = pair.requests.last().handler;
  int sent = 0;
  for (int i = 0; i < 20; ++i) sent += exchange.send_datagram({}, as_bytes(std::to_string(i))) ? 1 : 0;
  EXPECT_EQ(sent, 16);
  pair.run_for(100ms);
  EXPECT_TRUE(pair.raw.datagrams.empty());
  EXPECT_EQ(handler.datagrams_writable, 0);
  pair.say_control(test::settings_frame());
  pair.run_for(100ms);
  EXPECT_EQ(pair.raw.datagrams.size(), 16u);
  EXPECT_EQ(handler.datagrams_writable, 1);
  EXPECT_TRUE(exchange.send_datagram({}, as_bytes("x")));
  pair.run_for(100ms);
  EXPECT_EQ(pair.raw.datagrams.size(), 17u);
}

// Plain CONNECT

TEST(H3Tunnel, ConnectCarriesBytesBothWays) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange& handler) {
    handler.then_body = [](Exchange& e) { e.write(as_bytes("pong")); };
    handler.then_end = [](Exchange& e) { e.finish(); };
    exchange.respond({.status = 200});
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Request request;
  request.method = "CONNECT";
  request.authority = "target.test:22";
  request.path.clear();
  Exchange& exchange = pair.client->request(request, handler, false);
  exchange.write(as_bytes("ping"));
  ASSERT_TRUE(pair.run_until([&] { return handler.body == "pong"; }));
  EXPECT_EQ(pair.requests.last().request.authority, "target.test:22");
  EXPECT_EQ(pair.requests.last().request.path, "");
  exchange.finish();
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
}

TEST(H3Tunnel, AnySuccessOpensIt) {  // RFC 9110 §9.3.6
  for (const unsigned success : {201u, 204u, 205u, 299u}) {
    H3Pair pair;
    pair.requests.then = [&](Exchange& exchange, RecordingExchange& handler) {
      handler.then_body = [](Exchange& e) { e.write(as_bytes("pong")); };
      exchange.respond({.status = success});
    };
    ASSERT_TRUE(pair.establish());
    RecordingExchange& handler = pair.handler();
    Request request;
    request.method = "CONNECT";
    request.authority = "target.test:22";
    request.path.clear();
    pair.client->request(request, handler, false).write(as_bytes("ping"));
    EXPECT_TRUE(pair.run_until([&] { return handler.body == "pong"; }, 5s))
        << success << (handler.error ? handler.error->message : "");
  }
}

TEST(H3Tunnel, HeadersInATunnelCloseTheConnection) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond({.status = 200}); };
  ASSERT_TRUE(pair.meet());
  pair.say(headers({{":method", "CONNECT"}, {":authority", "target.test:22"}}) + data_frame("x"), false);
  pair.run_for(100ms);
  pair.raw.send(0, headers({{"a", "b"}}), false);
  EXPECT_EQ(pair.closed_with(), test::code(H3Code::frame_unexpected));
}

TEST(H3Tunnel, ConnectErrorHasItsCode) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond({.status = 200}); };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Request request;
  request.method = "CONNECT";
  request.authority = "target.test:22";
  pair.client->request(request, handler, false);
  ASSERT_TRUE(pair.run_until([&] { return handler.response.has_value(); }));
  pair.requests.last().exchange->reset(ResetCode::connect_error);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_EQ(handler.error->code, test::code(H3Code::connect_error));
}

TEST(H3Tunnel, IdleTunnelsOutliveTheIdleTimeout) {
  H3Pair pair;
  serve_echo(pair);
  pair.server_limits.idle_timeout = pair.client_limits.idle_timeout = 2s;
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  pair.client->request(connect_udp(), handler, false).use_capsules();
  pair.run_for(15s);
  EXPECT_EQ(handler.closed, 0);
}

TEST(H3Tunnel, TunnelsTakeTurns) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(400'000));
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& first = pair.handler();
  RecordingExchange& second = pair.handler();
  Request request;
  request.method = "CONNECT";
  request.authority = "target.test:22";
  pair.client->request(request, first, false);
  pair.client->request(request, second, false);
  ASSERT_TRUE(pair.run_until([&] { return first.body.size() > 200'000; }));
  EXPECT_GT(second.body.size(), 150'000u);
}

TEST(H3Tunnel, FileAndTunnelShare) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(400'000));
    if (!exchange.request().is_connect()) exchange.finish();
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& file = pair.handler();
  RecordingExchange& tunnel = pair.handler();
  Request request;
  request.authority = "server.test";
  pair.client->request(request, file, true);
  request = {};
  request.method = "CONNECT";
  request.authority = "target.test:22";
  pair.client->request(request, tunnel, false);
  ASSERT_TRUE(pair.run_until([&] { return file.body.size() > 200'000; }));
  EXPECT_GT(tunnel.body.size(), 100'000u);
}

}  // namespace
}  // namespace sallyport::http
