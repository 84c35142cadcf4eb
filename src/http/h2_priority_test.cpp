// PRIORITY_UPDATE over HTTP/2 (RFC 9218 §7.1): what it changes, what it must not be, and the orders of frames
// that break nghttp2's own reading of it.
#include "http/h2_server_for_test.h"

#include <algorithm>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

std::string priority_update(std::uint32_t stream, std::string_view value = "u=3") {
  return h2_frame(h2_priority_update, 0, 0, be32(stream) + std::string(value));
}

class H2PriorityTest : public H2ServerTest {
 protected:
  H2PriorityTest() {
    requests.then = [](Exchange& exchange, RecordingExchange&) {
      exchange.respond(status(200, {{"content-length", "2"}}));
      exchange.write(as_bytes("ok"));
      exchange.finish();
    };
  }
  /// Answers are `size` octets from now on, and a stream has no window until open_windows() of it.
  void begin_without_windows(std::size_t size) {
    say(h2_preface + h2_frame(h2_settings, 0, 0, std::string("\0\4\0\0\0\0", 6)) +
        h2_frame(h2_settings, ack, 0) + h2_frame(h2_window_update, 0, 0, be32(0x7fff0000)));
    requests.then = [size](Exchange& exchange, RecordingExchange&) {
      exchange.respond(status(200));
      exchange.write(Chunk::allocate(size));
      exchange.finish();
    };
  }
  /// The streams of the DATA frames that come once the streams have windows.
  std::vector<std::uint32_t> open_windows(const std::vector<std::uint32_t>& streams) {
    std::string windows;
    for (const std::uint32_t stream : streams)
      windows += h2_frame(h2_window_update, 0, stream, be32(1 << 20));
    std::vector<std::uint32_t> order;
    for (const H2Frame& frame : say(windows))
      if (frame.type == h2_data) order.push_back(frame.stream);
    return order;
  }
  /// Says PRIORITY_UPDATE and its request, one pair after another; returns how many got 200.
  int answered(int pairs) {
    int answers = 0;
    for (std::uint32_t stream = 1; pairs > 0; --pairs, stream += 2)
      if (find(say(priority_update(stream) + h2_get(stream)), h2_headers, stream)) ++answers;
    return answers;
  }
  /// A request is served, and the connection ends by itself once it has idled.
  void expect_in_order(std::uint32_t stream) {
    requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(204), true); };
    EXPECT_TRUE(find(say(h2_get(stream)), h2_headers, stream));
    clock.pass(61s);
    EXPECT_EQ(goaway_code(say("")), 0u);
    EXPECT_TRUE(peer->ended);
    clock.pass(3s);
    EXPECT_EQ(events.closed, 1);
    EXPECT_FALSE(events.error);
  }
};

constexpr std::size_t many = 50'000;  // octets, in more than one DATA frame

TEST_F(H2PriorityTest, BeforeItsRequest) {
  begin_without_windows(many);
  say(priority_update(5, "u=1") + h2_get(1) + h2_get(3) + h2_get(5));
  ASSERT_EQ(requests.requests.size(), 3u);
  EXPECT_EQ(requests.requests[1]->request.priority, Priority{});
  EXPECT_EQ(requests.requests[2]->request.priority, (Priority{1, false}));
  const auto order = open_windows({1, 3, 5});
  ASSERT_GT(order.size(), 6u);
  EXPECT_EQ(order.front(), 5u);
  EXPECT_EQ(order.back(), 3u);
  EXPECT_TRUE(std::ranges::is_sorted(std::vector(std::ranges::find(order, 1u), order.end())));
}

TEST_F(H2PriorityTest, BeforeItsRequestItWinsOverTheField) {
  begin_without_windows(many);
  say(priority_update(3, "u=0") +
      h2_frame(h2_headers, end_stream | end_headers, 1,
               hpack({{":method", "GET"},
                      {":scheme", "https"},
                      {":authority", "a"},
                      {":path", "/"},
                      {"priority", "u=2"}})) +
      h2_frame(h2_headers, end_stream | end_headers, 3,
               hpack({{":method", "GET"},
                      {":scheme", "https"},
                      {":authority", "a"},
                      {":path", "/"},
                      {"priority", "u=6"}})));
  EXPECT_EQ(requests.last().request.priority, (Priority{0, false}));
  EXPECT_EQ(open_windows({1, 3}).front(), 3u);
}

TEST_F(H2PriorityTest, TheLastOneBeforeItsRequestCounts) {
  begin();
  say(priority_update(1, "u=1") + priority_update(1, "u=6, i") + h2_get(1));
  EXPECT_EQ(requests.last().request.priority, (Priority{6, true}));
}

TEST_F(H2PriorityTest, OfAnOpenStream) {
  begin_without_windows(many);
  say(h2_get(1) + h2_get(3) + h2_get(5) + priority_update(5, "u=0") + priority_update(1, "u=7"));
  EXPECT_EQ(requests.last().exchange->request().priority, (Priority{0, false}));
  const auto order = open_windows({1, 3, 5});
  ASSERT_GT(order.size(), 6u);
  EXPECT_EQ(order.front(), 5u);
  EXPECT_EQ(order.back(), 1u);
  EXPECT_TRUE(std::ranges::is_sorted(order, std::greater<>()));
}

TEST_F(H2PriorityTest, IncrementalOnesTakeTurns) {
  begin_without_windows(many);
  say(h2_get(1) + h2_get(3) + priority_update(1, "i") + priority_update(3, "i"));
  const auto order = open_windows({1, 3});
  EXPECT_FALSE(std::ranges::is_sorted(order));
}

TEST_F(H2PriorityTest, TunnelsKeepTheirTurns) {
  begin_without_windows(0);
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(many));
  };
  const std::string head = hpack({{":method", "CONNECT"}, {":authority", "a:1"}});
  say(h2_frame(h2_headers, end_headers, 1, head) + h2_frame(h2_headers, end_headers, 3, head) +
      priority_update(1, "u=3") + priority_update(3, "u=3"));
  EXPECT_FALSE(std::ranges::is_sorted(open_windows({1, 3})));
}

TEST_F(H2PriorityTest, FieldsDoNotTakeTurnsAwayBesideATunnel) {
  begin_without_windows(many);
  const auto with_field = [](std::uint32_t stream) {
    return h2_frame(h2_headers, end_stream | end_headers, stream,
                    hpack({{":method", "GET"},
                           {":scheme", "https"},
                           {":authority", "a"},
                           {":path", "/"},
                           {"priority", "u=3"}}));
  };
  say(h2_frame(h2_headers, end_headers, 1, hpack({{":method", "CONNECT"}, {":authority", "a:1"}})) +
      with_field(3) + with_field(5));
  EXPECT_FALSE(std::ranges::is_sorted(open_windows({3, 5})));
}

TEST_F(H2PriorityTest, InPieces) {
  begin();
  for (const char c : priority_update(1, "u=6, i") + h2_get(1)) say({&c, 1});
  ASSERT_EQ(requests.requests.size(), 1u);
  EXPECT_EQ(requests.last().request.priority, (Priority{6, true}));
}

TEST_F(H2PriorityTest, OnlySoManyAreKept) {
  begin();
  std::string updates;
  for (std::uint32_t stream = 1; stream < 401; stream += 2) updates += priority_update(stream, "u=0");
  EXPECT_FALSE(find(say(updates), h2_goaway));
  for (std::uint32_t stream = 1; stream < 401; stream += 2) say(h2_get(stream));
  ASSERT_EQ(requests.requests.size(), 200u);
  EXPECT_EQ(requests.requests.front()->request.priority, Priority{});
  EXPECT_EQ(requests.requests.back()->request.priority, (Priority{0, false}));
}

TEST_F(H2PriorityTest, WhatSaysNothingIsIgnored) {
  begin();
  say(h2_get(5));
  const auto frames = say(priority_update(5, "u=0")               // is over
                          + priority_update(3, "u=0")             // was never opened, and cannot be any more
                          + priority_update(7, "u=,")             // cannot be read
                          + priority_update(7, "")                // the defaults
                          + priority_update(7 | 1u << 31, "u=2")  // the reserved bit is to be ignored
                          + h2_get(7));
  EXPECT_FALSE(find(frames, h2_goaway));
  EXPECT_TRUE(find(frames, h2_headers, 7));
  EXPECT_EQ(requests.last().request.priority, (Priority{2, false}));
  EXPECT_EQ(server->open_exchanges(), 0u);
}

// What is no PRIORITY_UPDATE ends the connection.

struct Malformed {
  const char* name;
  std::string frame;
  std::uint32_t code;
};
void PrintTo(const Malformed& one, std::ostream* out) {
  *out << one.name;
}

class H2PriorityMalformed : public H2PriorityTest, public testing::WithParamInterface<Malformed> {};

INSTANTIATE_TEST_SUITE_P(
    , H2PriorityMalformed,
    testing::Values(
        Malformed{"OnAStream", h2_frame(h2_priority_update, 0, 1, be32(1) + "u=1"), protocol_error},
        Malformed{"OnAnIdleStream", h2_frame(h2_priority_update, 0, 9, be32(9) + "u=1"), protocol_error},
        Malformed{"OfStreamZero", priority_update(0), protocol_error},
        Malformed{"OfStreamZeroWithReservedBit", priority_update(1u << 31), protocol_error},
        Malformed{"OfAPush", priority_update(2), protocol_error},
        Malformed{"Empty", h2_frame(h2_priority_update, 0, 0), frame_size_error},
        Malformed{"CutShort", h2_frame(h2_priority_update, 0, 0, std::string("\0\0\1", 3)), frame_size_error},
        Malformed{"TooLong", priority_update(1, std::string(257, ' ')), enhance_your_calm},
        Malformed{"MuchTooLong", priority_update(1, std::string(16'000, ' ')), enhance_your_calm}),
    [](const auto& one) { return one.param.name; });

TEST_P(H2PriorityMalformed, EndsTheConnection) {
  begin();
  requests.then = nullptr;
  say(h2_get(1));
  EXPECT_EQ(goaway_code(say(GetParam().frame + h2_get(3))), GetParam().code);
  EXPECT_TRUE(peer->ended);
  EXPECT_EQ(requests.requests.size(), 1u);
  EXPECT_EQ(requests.last().handler.closed, 1);
  clock.pass(3s);
  EXPECT_EQ(events.error->code, GetParam().code);
}

TEST_F(H2PriorityTest, TheLongestThatIsRead) {
  begin();
  say(priority_update(1, "u=1" + std::string(253, ' ')) + h2_get(1));
  EXPECT_EQ(requests.last().request.priority, (Priority{1, false}));
}

// Orders of frames in which nghttp2's own idle streams are freed twice, counted wrong, or asserted on.

TEST_F(H2PriorityTest, AnotherAfterTheFirstOnesRequestIsOver) {
  begin();
  EXPECT_TRUE(find(say(priority_update(1) + h2_get(1)), h2_headers, 1));
  say(priority_update(3));
  expect_in_order(3);
}

TEST_F(H2PriorityTest, EachRequestHasOneAndSettingsAreNotAcknowledged) {
  say(h2_preface);
  EXPECT_EQ(answered(150), 150);
  expect_in_order(301);
}

TEST_F(H2PriorityTest, EachRequestHasOneAndSettingsAreAcknowledged) {
  begin();
  EXPECT_EQ(answered(150), 150);
  expect_in_order(301);
}

TEST_F(H2PriorityTest, ManyBehindAResponseThatDoesNotEnd) {
  say(h2_preface);
  requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(Chunk::allocate(200'000));
    exchange.finish();
  };
  EXPECT_TRUE(find(say(priority_update(1) + h2_get(1)), h2_headers, 1));
  for (std::uint32_t stream = 3; stream <= 203; stream += 2)
    EXPECT_FALSE(find(say(priority_update(stream)), h2_goaway));
  say(h2_frame(h2_window_update, 0, 0, be32(1 << 20)) + h2_frame(h2_window_update, 0, 1, be32(1 << 20)));
  EXPECT_TRUE(requests.last().handler.is_well());
  expect_in_order(205);
}

TEST_F(H2PriorityTest, NothingMoreIsAnIdleConnection) {
  begin();
  EXPECT_TRUE(find(say(priority_update(1) + h2_get(1)), h2_headers, 1));
  clock.pass(61s);
  EXPECT_EQ(goaway_code(say("")), 0u);
  EXPECT_TRUE(peer->ended);
  clock.pass(3s);
  EXPECT_EQ(events.closed, 1);
  EXPECT_FALSE(events.error);
}

TEST_F(H2PriorityTest, NothingMoreDoesNotHoldAShutdown) {
  begin();
  EXPECT_TRUE(find(say(priority_update(1) + h2_get(1) + priority_update(3)), h2_headers, 1));
  server->shutdown();
  const auto frames = say("");
  ASSERT_TRUE(find(frames, h2_ping));
  say(h2_frame(h2_ping, ack, 0, find(frames, h2_ping)->payload));
  EXPECT_TRUE(peer->ended);
}

TEST_F(H2PriorityTest, RequestBehindTheAnswerOfADrain) {
  begin();
  EXPECT_TRUE(find(say(h2_get(1)), h2_headers, 1));
  server->shutdown();
  const auto notice = say("");
  ASSERT_TRUE(find(notice, h2_ping));
  const auto last = say(h2_frame(h2_ping, ack, 0, find(notice, h2_ping)->payload) + priority_update(5) +
                        priority_update(7) + h2_get(5));
  // It was taken, as the final GOAWAY had not gone.
  ASSERT_TRUE(find(last, h2_goaway));
  EXPECT_EQ(find(last, h2_goaway)->number(), 5u);
  EXPECT_EQ(goaway_code(last), 0u);
  EXPECT_TRUE(find(last, h2_headers, 5));
  ASSERT_EQ(requests.requests.size(), 2u);
  EXPECT_TRUE(requests.last().handler.is_well());
  EXPECT_TRUE(peer->ended);
}

}  // namespace
}  // namespace sallyport::http::test
