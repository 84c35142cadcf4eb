// GOAWAY and graceful shutdown of HTTP/3 (RFC 9114 §5.2), both ways.
#include "http/h3_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::frame;
using test::get;
using test::H3Pair;
using test::headers;
using test::RawClient;
using test::RawServer;
using test::RecordingExchange;
using test::request_lines;
using test::varint;

TEST(H3Shutdown, ServerFinishesWhatItHasAndTakesWhatIsOnItsWay) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  RecordingExchange& open = pair.handler();
  RecordingExchange& late = pair.handler();
  RecordingExchange& too_late = pair.handler();
  pair.client->request(get("/open"), open, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.requests.requests.size() == 1; }));
  pair.server().shutdown();
  // Has not heard of it yet.
  pair.client->request(get("/late"), late, true);
  pair.run_for(500ms);
  EXPECT_EQ(pair.client_events.goaway, 1);
  EXPECT_FALSE(pair.client->can_request());
  pair.client->request(get("/too-late"), too_late, true);
  pair.run_for(10ms);
  EXPECT_EQ(too_late.closed, 1);
  EXPECT_EQ(too_late.error->kind, ErrorKind::refused);
  ASSERT_EQ(pair.requests.requests.size(), 2u);
  EXPECT_EQ(pair.client_events.closed, 0);
  for (const auto& taken : pair.requests.requests) taken->exchange->respond({.status = 200}, true);
  pair.run_for(1s);
  EXPECT_TRUE(open.is_well());
  EXPECT_TRUE(late.is_well());
  EXPECT_EQ(pair.client_events.closed, 1);
  EXPECT_FALSE(pair.client_events.error);
  EXPECT_EQ(pair.server_events.closed, 1);
  EXPECT_FALSE(pair.server_events.error);
}

TEST(H3Shutdown, IdleServerCloses) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.server().shutdown();
  pair.run_for(1s);
  EXPECT_EQ(pair.client_events.closed, 1);
  EXPECT_EQ(pair.server_events.closed, 1);
  EXPECT_FALSE(pair.server_events.error);
}

TEST(H3Shutdown, ServerEndsConnectionsWithoutRequestsHoweverTheyAreKeptAlive) {
  for (const bool after_one : {false, true}) {
    H3Pair pair;
    pair.server_limits.idle_timeout = 5s;
    pair.client_options.config.keep_alive = 1s;
    pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
      exchange.respond({.status = 200}, true);
    };
    ASSERT_TRUE(pair.establish());
    if (after_one) {
      pair.run_for(3s);
      pair.client->request(get("/"), pair.handler(), true);
    }
    pair.run_for(4s);
    EXPECT_EQ(pair.client_events.closed, 0);
    pair.run_for(4s);
    EXPECT_EQ(pair.client_events.closed, 1);
    EXPECT_FALSE(pair.client_events.error);
    EXPECT_EQ(pair.server_events.closed, 1);
  }
}

TEST(H3Shutdown, RequestsAfterTheFinalGoawayAreRejected) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  pair.say(headers(request_lines()), true);
  pair.run_for(50ms);
  pair.server().shutdown();
  pair.run_for(1s);
  // The notice, then the real one: stream 4 is the first not taken.
  const std::string control = pair.raw.streams[3].received;
  EXPECT_NE(control.find(frame(H3Frame::goaway, varint((std::uint64_t{1} << 62) - 4))), std::string::npos);
  EXPECT_TRUE(control.ends_with(frame(H3Frame::goaway, varint(4))));
  const auto late = pair.say(headers(request_lines()), true);
  EXPECT_EQ(pair.reset_with(late), test::code(H3Code::request_rejected));
  EXPECT_EQ(pair.requests.requests.size(), 1u);
}

TEST(H3Shutdown, ClientClosesAfterItsLastExchange) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.requests.requests.size() == 1; }));
  pair.client->shutdown();
  pair.run_for(500ms);
  EXPECT_EQ(pair.client_events.closed, 0);
  pair.requests.last().exchange->respond({.status = 200}, true);
  pair.run_for(500ms);
  EXPECT_TRUE(handler.is_well());
  EXPECT_EQ(pair.client_events.closed, 1);
  EXPECT_FALSE(pair.client_events.error);
}

TEST(H3Shutdown, GoawayRefusesWhatIsAboveItsId) {
  RawServer pair;
  ASSERT_TRUE(pair.meet());
  RecordingExchange& below = pair.handler();
  RecordingExchange& above = pair.handler();
  pair.client->request(get("/below"), below, true);
  pair.client->request(get("/above"), above, true);
  pair.run_for(100ms);
  pair.raw().send(3, frame(H3Frame::goaway, varint(4)), false);
  pair.run_for(100ms);
  EXPECT_EQ(above.closed, 1);
  EXPECT_EQ(above.error->kind, ErrorKind::refused);
  EXPECT_EQ(below.closed, 0);
  pair.raw().send(0, headers({{":status", "200"}}), true);
  pair.run_for(100ms);
  EXPECT_TRUE(below.is_well());
  EXPECT_EQ(pair.client_events.closed, 1);
}

TEST(H3Shutdown, GoawayThatGoesUpOrNamesNoRequest) {
  for (const auto& [first, second] : {std::pair{8, 12}, std::pair{8, 7}}) {
    RawServer pair;
    ASSERT_TRUE(pair.meet());
    RecordingExchange& keeps_it_open = pair.handler();
    pair.client->request(get("/"), keeps_it_open, true);
    pair.run_for(100ms);
    pair.raw().send(3, frame(H3Frame::goaway, varint(static_cast<std::uint64_t>(first))), false);
    pair.run_for(50ms);
    pair.raw().send(3, frame(H3Frame::goaway, varint(static_cast<std::uint64_t>(second))), false);
    EXPECT_EQ(pair.closed_with(), test::code(H3Code::id_error));
  }
}

}  // namespace
}  // namespace sallyport::http
