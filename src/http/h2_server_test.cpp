// The server's side of HTTP/2 against what hostile and broken clients put on the wire.
#include "http/h2_server_for_test.h"

#include <algorithm>
#include <deque>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

TEST_F(H2ServerTest, SettingsSayWhatWeDo) {
  const auto frames = say(h2_preface);
  ASSERT_FALSE(frames.empty());
  ASSERT_EQ(frames[0].type, h2_settings);
  std::vector<std::pair<int, std::uint32_t>> settings;
  for (std::size_t i = 0; i + 6 <= frames[0].payload.size(); i += 6)
    settings.emplace_back(frames[0].payload[i + 1], frames[0].number(i + 2));
  const auto has = [&](int id, std::uint32_t value) {
    return std::ranges::count(settings, std::pair(id, value)) == 1;
  };
  EXPECT_TRUE(has(8, 1));    // ENABLE_CONNECT_PROTOCOL
  EXPECT_TRUE(has(9, 1));    // NO_RFC7540_PRIORITIES
  EXPECT_TRUE(has(3, 100));  // MAX_CONCURRENT_STREAMS
  EXPECT_TRUE(has(6, 65536));
}

TEST_F(H2ServerTest, ResponsesOfATurnLeaveInOneWrite) {
  struct Counting final : net::ByteStreamReceiver {
    void on_bytes(Bytes bytes) override { sizes.push_back(bytes.size()); }
    void on_end() override {}
    void on_stream_error(const Error&) override {}
    std::vector<std::size_t> sizes;
  } counting;
  begin();
  peer->stream->set_receiver(&counting);
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"content-length", "1024"}}));
    exchange.write(as_bytes(std::string(1024, 'x')));
    exchange.finish();
  };
  std::string sixteen;
  for (std::uint32_t stream = 1; stream < 33; stream += 2) sixteen += h2_get(stream);
  say(sixteen);
  ASSERT_EQ(counting.sizes.size(), 1u);
  EXPECT_GT(counting.sizes[0], 16u * 1024);
}

TEST_F(H2ServerTest, NothingInTimeIsTheEnd) {
  clock.pass(11s);
  EXPECT_TRUE(peer->ended);
  clock.pass(3s);
  EXPECT_EQ(events.error->kind, ErrorKind::timeout);
}

TEST_F(H2ServerTest, WrongPrefaceIsTheEnd) {
  EXPECT_EQ(goaway_code(say("GET / HTTP/1.1\r\nHost: a\r\n\r\n")), protocol_error);
  EXPECT_TRUE(peer->ended);
  EXPECT_TRUE(requests.requests.empty());
}

TEST_F(H2ServerTest, NothingIsTakenAfterClose) {
  begin();
  requests.then = [&](Exchange&, RecordingExchange&) {
    server->close({ErrorKind::protocol, "the test has seen enough"});
  };
  const auto frames = say(h2_get(1) + h2_get(3) + h2_get(5));
  EXPECT_EQ(requests.requests.size(), 1u);
  EXPECT_EQ(requests.last().handler.closed, 1);
  EXPECT_EQ(goaway_code(frames), 1u);
  clock.pass(3s);
  EXPECT_EQ(events.closed, 1);
}

TEST_F(H2ServerTest, ReadersWithoutWindowsHoldLittle) {
  constexpr std::size_t size = 400'000;
  const auto fill = [](Exchange& exchange, std::size_t& left) {
    for (std::size_t room; left > 0 && (room = exchange.room()) > 0;) {
      const std::size_t piece = std::min(room, left);
      exchange.write(Chunk::allocate(piece));
      left -= piece;
      if (left == 0) exchange.finish();
    }
  };
  std::deque<std::size_t> left;
  requests.then = [&](Exchange& exchange, RecordingExchange& handler) {
    std::size_t& mine = left.emplace_back(size);
    handler.then_writable = [&](Exchange& e) { fill(e, mine); };
    exchange.respond(status(200));
    fill(exchange, mine);
  };
  // No stream has a window.
  say(h2_preface + h2_frame(h2_settings, 0, 0, std::string("\0\4\0\0\0\0", 6)));
  std::size_t queued = 0;
  for (std::uint32_t i = 0; i < 100; ++i) say(h2_get(1 + 2 * i));
  for (const auto& taken : requests.requests) queued += taken->exchange->queued_bytes();
  EXPECT_LT(queued, 3u * 1024 * 1024);
  // All of it comes once there is.
  std::string windows = h2_frame(h2_window_update, 0, 0, be32(0x7fff0000));
  for (std::uint32_t i = 0; i < 100; ++i) windows += h2_frame(h2_window_update, 0, 1 + 2 * i, be32(1 << 20));
  say(windows);
  for (const auto& taken : requests.requests) EXPECT_TRUE(taken->handler.is_well());
}

TEST_F(H2ServerTest, ClientThatIsCutOffInTheMiddleOfAResponse) {
  begin();
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(as_bytes("part"));
  };
  say(h2_get(1) + h2_get(3));
  say(h2_frame(h2_rst_stream, 0, 1, be32(8)));
  EXPECT_EQ(requests.requests[0]->handler.closed, 1);
  EXPECT_EQ(requests.requests[1]->handler.closed, 0);
  requests.requests[1]->exchange->write(as_bytes("more"));
  peer->stream->close();
  clock.settle();
  EXPECT_EQ(requests.requests[1]->handler.closed, 1);
  EXPECT_EQ(events.closed, 1);
  EXPECT_EQ(server->open_exchanges(), 0u);
}

TEST_F(H2ServerTest, SectionThatDoesNotEndTimesOut) {
  begin();
  say(h2_frame(h2_headers, end_stream, 1, hpack({{":method", "GET"}})));
  clock.pass(12s);
  EXPECT_EQ(server->open_exchanges(), 0u);
  EXPECT_TRUE(requests.requests.empty());
}

TEST_F(H2ServerTest, HpackBombGets431) {
  begin();
  // One large entry put into the table, then thousands of references to it
  // (docs/threat-model.md, "header bomb").
  std::string block = "\x40\x01x\x7f\xa1\x1e" + std::string(4000, 'v');
  block += std::string(12'000, '\xbe');
  const std::string pseudo =
      hpack({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}});
  say(h2_frame(h2_headers, end_stream | end_headers, 1, pseudo + block));
  EXPECT_TRUE(requests.requests.empty());
  EXPECT_EQ(server->open_exchanges(), 0u);
  const auto again = say(h2_get(3));
  EXPECT_TRUE(find(again, h2_headers, 3));
}

TEST_F(H2ServerTest, BombInTrailersEndsTheStream) {
  begin();
  requests.then = [](Exchange&, RecordingExchange&) {};
  say(h2_frame(h2_headers, end_headers, 1,
               hpack({{":method", "POST"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}})));
  const std::string block = "\x40\x01x\x7f\xa1\x1e" + std::string(4000, 'v') + std::string(12'000, '\xbe');
  EXPECT_TRUE(find(say(h2_frame(h2_headers, end_stream | end_headers, 1, block)), h2_rst_stream, 1));
  EXPECT_EQ(requests.last().handler.closed, 1);
  EXPECT_TRUE(requests.last().handler.error);
}

TEST_F(H2ServerTest, HeadersOnAnOpenTunnelEndTheStream) {  // RFC 9113 §8.5
  begin();
  requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(200), false); };
  say(h2_frame(h2_headers, end_headers, 1, hpack({{":method", "CONNECT"}, {":authority", "a.example:1"}})));
  const auto frames = say(h2_frame(h2_headers, end_stream | end_headers, 1, hpack({{"x", "1"}})));
  ASSERT_TRUE(find(frames, h2_rst_stream, 1));
  EXPECT_EQ(find(frames, h2_rst_stream, 1)->number(), protocol_error);
  EXPECT_TRUE(requests.last().handler.error);
  EXPECT_TRUE(find(say(h2_get(3)), h2_headers, 3)) << "the connection goes on";
}

// Bodies that nobody reads, and those of streams that are gone, hold up no other stream.
TEST_F(H2ServerTest, CreditOfAnUnwantedBodyReturnsToTheConnection) {
  for (const bool resets : {false, true}) {
    auto [near, far] = net::make_memory_streams(clock.timers);
    const auto other = make_h2_server(clock.timers, std::move(far), {"a", "TLS1.3"}, requests, &events, {});
    RawEnd client(std::move(near));
    requests.then = [resets](Exchange& exchange, RecordingExchange&) {
      resets ? exchange.reset(ResetCode::cancelled) : exchange.stop_reading();
    };
    const auto hear = [&](std::string_view bytes) {
      client.say(bytes);
      clock.settle();
      return take_frames(client.received);
    };
    hear(h2_preface + h2_frame(h2_settings, ack, 0));
    std::size_t sent = 0, returned = 0;
    for (std::uint32_t stream = 1; stream < 7; stream += 2) {
      hear(h2_frame(h2_headers, end_headers, stream,
                    hpack({{":method", "POST"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}})));
      for (int i = 0; i < 32; ++i) {
        const std::string body(16'000, 'x');
        sent += body.size();
        for (const H2Frame& frame : hear(h2_frame(h2_data, 0, stream, body))) {
          EXPECT_NE(frame.type, h2_goaway);
          if (frame.type != h2_window_update) continue;
          EXPECT_EQ(frame.stream, 0u) << "the stream itself gets no more";
          returned += frame.number();
        }
      }
    }
    // All but what is not worth a frame yet.
    EXPECT_GE(returned + 512 * 1024, sent) << resets;
  }
}

TEST_F(H2ServerTest, ReaderWithoutAWindowTimesOut) {
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(100'000));
  };
  say(h2_preface + h2_frame(h2_settings, 0, 0, std::string("\0\4\0\0\0\0", 6)) + h2_get(1));
  clock.pass(50s);
  EXPECT_EQ(requests.last().handler.closed, 0);
  clock.pass(75s);
  EXPECT_EQ(requests.last().handler.closed, 1);
  EXPECT_EQ(requests.last().handler.error->kind, ErrorKind::timeout);
}

TEST_F(H2ServerTest, GracefulShutdownTakesTwoSteps) {
  begin();
  requests.then = nullptr;
  say(h2_get(1));
  server->shutdown();
  auto frames = say("");
  ASSERT_TRUE(find(frames, h2_goaway));
  EXPECT_EQ(find(frames, h2_goaway)->number(), 0x7fffffffu);
  ASSERT_TRUE(find(frames, h2_ping));
  say(h2_get(3));  // was on its way
  EXPECT_EQ(requests.requests.size(), 2u);
  frames = say(h2_frame(h2_ping, ack, 0, find(frames, h2_ping)->payload));
  EXPECT_EQ(find(frames, h2_goaway)->number(), 3u);
  EXPECT_EQ(goaway_code(frames), 0u);
  say(h2_get(5));
  EXPECT_EQ(requests.requests.size(), 2u);
  EXPECT_FALSE(peer->ended);
  for (const auto& taken : requests.requests) taken->exchange->respond(status(204), true);
  say("");
  EXPECT_TRUE(peer->ended);
}

TEST_F(H2ServerTest, GracefulShutdownDoesNotWaitForAPingForever) {
  begin();
  requests.then = nullptr;
  say(h2_get(1));
  server->shutdown();
  say("");
  clock.pass(2s);
  EXPECT_EQ(find(say(""), h2_goaway)->number(), 1u);
}

// Floods (docs/threat-model.md, "Rapid Reset" and "frame flood")

struct Flood {
  const char* name;
  std::string once;  ///< costs one event of the budget
};
void PrintTo(const Flood& one, std::ostream* out) {
  *out << one.name;
}

// Stands for a stream ID that was not used before.
constexpr std::uint32_t fresh = 0x7fabcdef;

std::string with_fresh_stream(std::string frames, std::uint32_t stream) {
  const std::string marker = be32(fresh);
  for (std::size_t at; (at = frames.find(marker)) != std::string::npos;) frames.replace(at, 4, be32(stream));
  return frames;
}

class H2Flood : public H2ServerTest, public testing::WithParamInterface<Flood> {};

INSTANTIATE_TEST_SUITE_P(
    , H2Flood,
    testing::Values(
        Flood{"RapidReset", h2_get(fresh) + h2_frame(h2_rst_stream, 0, fresh, be32(8))},
        Flood{"MadeToReset", h2_get(fresh) + h2_frame(h2_window_update, 0, fresh, be32(0x7fffffff))},
        Flood{"Malformed", h2_frame(h2_headers, end_stream | end_headers, fresh, hpack({{"X", "y"}}))},
        Flood{"Ping", h2_frame(h2_ping, 0, 0, "12345678")}, Flood{"Settings", h2_frame(h2_settings, 0, 0)},
        Flood{"EmptyData", h2_frame(h2_data, 0, 1)},
        Flood{"PaddingOnly", h2_frame(h2_data, padded, 1, std::string("\3\0\0\0", 4))},
        Flood{"UnknownType", h2_frame(0x77, 0, 0, "what")},
        Flood{"Priority", h2_frame(h2_priority, 0, 1, std::string(5, '\0'))},
        Flood{"PriorityUpdate", h2_frame(h2_priority_update, 0, 0, be32(1) + "u=1")}),
    [](const auto& one) { return one.param.name; });

TEST_P(H2Flood, EndsWithEnhanceYourCalm) {
  begin();
  requests.then = nullptr;
  say(h2_frame(h2_headers, end_headers, 1,
               hpack({{":method", "POST"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}})));
  requests.then = [](Exchange&, RecordingExchange&) {};
  std::uint32_t stream = 3;
  const auto flood = [&](int count) {
    std::vector<H2Frame> all;
    for (int i = 0; i < count && !peer->ended; ++i, stream += 2)
      for (auto& frame : say(with_fresh_stream(GetParam().once, stream))) all.push_back(std::move(frame));
    return all;
  };
  EXPECT_FALSE(find(flood(390), h2_goaway)) << "within the budget";
  clock.pass(1s);
  EXPECT_FALSE(find(flood(90), h2_goaway)) << "the budget grows with time";
  EXPECT_EQ(goaway_code(flood(200)), enhance_your_calm);
  EXPECT_TRUE(peer->ended);
  EXPECT_EQ(server->counters().budget_exceeded, 1u);
  EXPECT_EQ(requests.requests[0]->handler.closed, 1);
  clock.pass(3s);
  EXPECT_EQ(events.error->code, enhance_your_calm);
}

TEST_F(H2ServerTest, PingsThatMeasureWhileDataMovesAreNoFlood) {
  begin();
  requests.then = [](Exchange&, RecordingExchange&) {};
  say(h2_frame(h2_headers, end_headers, 1,
               hpack({{":method", "POST"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}})));
  for (int i = 0; i < 10'000; ++i)
    say(h2_frame(h2_data, 0, 1, "message") + h2_frame(h2_ping, 0, 0, "12345678"));
  EXPECT_EQ(server->counters().budget_exceeded, 0u);
  EXPECT_EQ(requests.last().handler.body.size(), 70'000u);
  std::string more;
  for (int i = 0; i < 500; ++i) more += h2_frame(h2_ping, 0, 0, "12345678");
  EXPECT_EQ(goaway_code(say(more)), enhance_your_calm);
}

TEST_F(H2ServerTest, BusyPeersMayCancelMore) {
  begin();
  const std::string cancelled = h2_get(fresh) + h2_frame(h2_rst_stream, 0, fresh, be32(8));
  std::uint32_t stream = 1;
  for (int i = 0; i < 2000; ++i, stream += 4) {
    requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(204), true); };
    say(h2_get(stream));
    requests.then = [](Exchange&, RecordingExchange&) {};
    say(with_fresh_stream(cancelled, stream + 2));
  }
  EXPECT_EQ(server->counters().budget_exceeded, 0u);
}

TEST_F(H2ServerTest, FloodOfContinuation) {
  begin();
  std::string bytes = h2_frame(h2_headers, end_stream, 1, hpack({{":method", "GET"}}));
  for (int i = 0; i < 401; ++i) bytes += h2_frame(h2_continuation, 0, 1, hpack({{"a", "b"}}));
  EXPECT_EQ(goaway_code(say(bytes)), enhance_your_calm);
  EXPECT_TRUE(peer->ended);
}

TEST_F(H2ServerTest, SectionInManySmallPieces) {
  begin();
  const std::string section =
      hpack({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}, {"a", "b"}});
  std::string bytes = h2_frame(h2_headers, end_stream, 1);
  for (std::size_t i = 0; i < section.size(); ++i)
    bytes += h2_frame(h2_continuation, i + 1 == section.size() ? end_headers : 0, 1, section.substr(i, 1));
  std::vector<H2Frame> frames;
  for (const char octet : bytes)
    for (auto& frame : say({&octet, 1})) frames.push_back(std::move(frame));
  EXPECT_TRUE(find(frames, h2_headers, 1));
  EXPECT_FALSE(find(frames, h2_goaway));
}

TEST_F(H2ServerTest, FloodOfSettingsEntries) {
  begin();
  std::string entries;
  for (int i = 0; i < 100; ++i) entries += std::string("\0\3\0\0\0\1", 6);
  EXPECT_EQ(goaway_code(say(h2_frame(h2_settings, 0, 0, entries))), enhance_your_calm);
}

// Malformed requests (docs/threat-model.md, "content-length", "field injection",
// "connection-specific field" and "pseudo-header"): the stream is reset, the connection goes on.

struct BadRequest {
  const char* name;
  H2Fields fields;
  std::string after = {};  ///< what follows on stream 1; the head ends the stream when there is nothing
};
void PrintTo(const BadRequest& one, std::ostream* out) {
  *out << one.name;
}

class H2Malformed : public H2ServerTest, public testing::WithParamInterface<BadRequest> {};

#define SALLYPORT_TEST_PSEUDO {":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}

INSTANTIATE_TEST_SUITE_P(
    , H2Malformed,
    testing::Values(
        BadRequest{"UpperCase", {SALLYPORT_TEST_PSEUDO, {"X-Y", "1"}}},
        BadRequest{"NameWithSpace", {SALLYPORT_TEST_PSEUDO, {"x y", "1"}}},
        BadRequest{"EmptyName", {SALLYPORT_TEST_PSEUDO, {"", "1"}}},
        BadRequest{"ReturnInValue", {SALLYPORT_TEST_PSEUDO, {"x", "a\rb"}}},
        BadRequest{"LineFeedInValue", {SALLYPORT_TEST_PSEUDO, {"x", "a\nb"}}},
        BadRequest{"NulInValue", {SALLYPORT_TEST_PSEUDO, {"x", std::string_view("a\0b", 3)}}},
        BadRequest{"SpaceBeforeValue", {SALLYPORT_TEST_PSEUDO, {"x", " a"}}},
        BadRequest{"Connection", {SALLYPORT_TEST_PSEUDO, {"connection", "close"}}},
        BadRequest{"TransferEncoding", {SALLYPORT_TEST_PSEUDO, {"transfer-encoding", "chunked"}}},
        BadRequest{"Upgrade", {SALLYPORT_TEST_PSEUDO, {"upgrade", "websocket"}}},
        BadRequest{"KeepAlive", {SALLYPORT_TEST_PSEUDO, {"keep-alive", "5"}}},
        BadRequest{"ProxyConnection", {SALLYPORT_TEST_PSEUDO, {"proxy-connection", "close"}}},
        BadRequest{"Te", {SALLYPORT_TEST_PSEUDO, {"te", "gzip"}}},
        BadRequest{"NoMethod", {{":scheme", "https"}, {":authority", "a"}, {":path", "/"}}},
        BadRequest{"NoScheme", {{":method", "GET"}, {":authority", "a"}, {":path", "/"}}},
        BadRequest{"NoPath", {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}}},
        BadRequest{"NoAuthority", {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}}},
        BadRequest{"EmptyPath",
                   {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", ""}}},
        BadRequest{"PathWithoutSlash",
                   {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "x"}}},
        BadRequest{"PathWithSpace",
                   {{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/a b"}}},
        BadRequest{"MethodTwice", {{":method", "GET"}, SALLYPORT_TEST_PSEUDO}},
        BadRequest{"PseudoLate", {{"x", "1"}, SALLYPORT_TEST_PSEUDO}},
        BadRequest{"PseudoUnknown", {SALLYPORT_TEST_PSEUDO, {":x", "1"}}},
        BadRequest{"StatusInRequest", {SALLYPORT_TEST_PSEUDO, {":status", "200"}}},
        BadRequest{"HostDisagrees", {SALLYPORT_TEST_PSEUDO, {"host", "b"}}},
        BadRequest{"AuthorityWithUser",
                   {{":method", "GET"}, {":scheme", "https"}, {":authority", "u@a"}, {":path", "/"}}},
        BadRequest{"ConnectWithPath", {{":method", "CONNECT"}, {":authority", "a:1"}, {":path", "/"}}},
        BadRequest{"ProtocolWithoutConnect", {SALLYPORT_TEST_PSEUDO, {":protocol", "websocket"}}},
        BadRequest{"TwoLengths", {SALLYPORT_TEST_PSEUDO, {"content-length", "0"}, {"content-length", "1"}}},
        BadRequest{"LengthNoNumber", {SALLYPORT_TEST_PSEUDO, {"content-length", "x"}}},
        BadRequest{"LengthWithoutBody", {SALLYPORT_TEST_PSEUDO, {"content-length", "5"}}},
        BadRequest{"BodyTooShort",
                   {SALLYPORT_TEST_PSEUDO, {"content-length", "5"}},
                   h2_frame(h2_data, end_stream, 1, "abc")},
        BadRequest{"BodyTooShortEmptyEnd",
                   {SALLYPORT_TEST_PSEUDO, {"content-length", "5"}},
                   h2_frame(h2_data, 0, 1, "abc") + h2_frame(h2_data, end_stream, 1)},
        BadRequest{"BodyTooLong",
                   {SALLYPORT_TEST_PSEUDO, {"content-length", "2"}},
                   h2_frame(h2_data, end_stream, 1, "abc")},
        BadRequest{"TrailersWithPseudo",
                   {SALLYPORT_TEST_PSEUDO},
                   h2_frame(h2_headers, end_stream | end_headers, 1, hpack({{":path", "/"}}))},
        BadRequest{"TrailersWithoutEnd",
                   {SALLYPORT_TEST_PSEUDO},
                   h2_frame(h2_headers, end_headers, 1, hpack({{"x", "y"}}))}),
    [](const auto& one) { return one.param.name; });

TEST_P(H2Malformed, ResetsTheStreamOnly) {
  begin();
  requests.then = [](Exchange& exchange, RecordingExchange& handler) {
    handler.then_end = [](Exchange& e) { e.respond(status(204), true); };
    (void)exchange;
  };
  const std::uint8_t flags = GetParam().after.empty() ? end_headers | end_stream : end_headers;
  const auto frames = say(h2_frame(h2_headers, flags, 1, hpack(GetParam().fields)) + GetParam().after);
  EXPECT_FALSE(find(frames, h2_goaway));
  ASSERT_TRUE(find(frames, h2_rst_stream, 1));
  EXPECT_EQ(find(frames, h2_rst_stream, 1)->number(), protocol_error);
  EXPECT_FALSE(find(frames, h2_headers, 1));
  for (const auto& taken : requests.requests) {
    EXPECT_FALSE(taken->handler.ended);
    EXPECT_EQ(taken->handler.closed, 1);
    EXPECT_TRUE(taken->handler.error);
  }
  EXPECT_TRUE(find(say(h2_get(3)), h2_headers, 3));
  EXPECT_EQ(server->open_exchanges(), 0u);
}

// What breaks the connection (docs/threat-model.md, "compression error" and "unexpected frame")

struct Breaking {
  const char* name;
  std::string frames;
  std::uint32_t code = protocol_error;
};
void PrintTo(const Breaking& one, std::ostream* out) {
  *out << one.name;
}

class H2Breaks : public H2ServerTest, public testing::WithParamInterface<Breaking> {};

INSTANTIATE_TEST_SUITE_P(
    , H2Breaks,
    testing::Values(
        Breaking{"IndexZero", h2_frame(h2_headers, end_headers, 3, "\x80"), compression_error},
        Breaking{"IndexTooLarge", h2_frame(h2_headers, end_headers, 3, "\xff\xff\xff\xff\x0f"),
                 compression_error},
        Breaking{"IntegerOverflow",
                 h2_frame(h2_headers, end_headers, 3, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
                 compression_error},
        Breaking{"HuffmanPadding", h2_frame(h2_headers, end_headers, 3, std::string("\0\x81\x00\x01z", 5)),
                 compression_error},
        Breaking{"StringCut",
                 h2_frame(h2_headers, end_headers, 3,
                          std::string("\0\x05"
                                      "ab",
                                      4)),
                 compression_error},
        Breaking{"TableSizeTooLarge", h2_frame(h2_headers, end_headers, 3, "\x3f\xe1\xff\x03"),
                 compression_error},
        Breaking{"DataOnStreamZero", h2_frame(h2_data, 0, 0, "x")},
        Breaking{"DataOnIdleStream", h2_frame(h2_data, 0, 9, "x")},
        Breaking{"HeadersOnStreamZero", h2_frame(h2_headers, end_headers, 0, hpack({{"a", "b"}}))},
        Breaking{"HeadersOnEvenStream", h2_frame(h2_headers, end_headers, 2, hpack({{"a", "b"}}))},
        Breaking{"ContinuationAlone", h2_frame(h2_continuation, end_headers, 1, hpack({{"a", "b"}}))},
        Breaking{"OtherFrameInsideSection", h2_frame(h2_headers, 0, 3, hpack({{":method", "GET"}})) +
                                                h2_frame(h2_ping, 0, 0, "12345678")},
        Breaking{"SettingsOnStream", h2_frame(h2_settings, 0, 1)},
        Breaking{"SettingsCut", h2_frame(h2_settings, 0, 0, "abc"), frame_size_error},
        Breaking{"SettingsAckWithPayload", h2_frame(h2_settings, ack, 0, "abcdef"), frame_size_error},
        Breaking{"WindowTooLarge", h2_frame(h2_settings, 0, 0, std::string("\0\4\xff\xff\xff\xff", 6)),
                 flow_control_error},
        Breaking{"PriorityOnStreamZero", h2_frame(h2_priority, 0, 0, std::string(5, '\0'))},
        Breaking{"StreamThatWasPassedOver", h2_get(9) + h2_get(5)},
        Breaking{"PingOnStream", h2_frame(h2_ping, 0, 1, "12345678")},
        Breaking{"PingCut", h2_frame(h2_ping, 0, 0, "1"), frame_size_error},
        Breaking{"PushFromClient", h2_frame(h2_push_promise, end_headers, 1, be32(2))},
        Breaking{"ResetOfIdleStream", h2_frame(h2_rst_stream, 0, 9, be32(8))},
        Breaking{"WindowOverflow", h2_frame(h2_window_update, 0, 0, be32(0x7fffffff)), flow_control_error},
        Breaking{"PaddingTooLong", h2_frame(h2_data, padded, 1, "\xff")},
        Breaking{"FrameTooLarge", std::string("\x40\0\0\0\0\0\0\0\1", 9), frame_size_error}),
    [](const auto& one) { return one.param.name; });

TEST_P(H2Breaks, TheConnection) {
  begin();
  requests.then = nullptr;
  say(h2_frame(h2_headers, end_headers, 1,
               hpack({{":method", "POST"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}})));
  EXPECT_EQ(goaway_code(say(GetParam().frames)), GetParam().code);
  EXPECT_TRUE(peer->ended);
  EXPECT_EQ(requests.last().handler.closed, 1);
  EXPECT_TRUE(requests.last().handler.error);
  clock.pass(3s);
  EXPECT_EQ(events.closed, 1);
  EXPECT_TRUE(events.error);
}

}  // namespace
}  // namespace sallyport::http::test
