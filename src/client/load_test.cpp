#include "client/load.h"

#include "client/world_for_test.h"

#include <optional>

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

/// A server that answers at once, but for a pause.
class LoadTest : public testing::Test {
 protected:
  LoadTest() {
    world.answer = [this](http::Exchange& exchange, http::test::RecordingExchange& handler) {
      handler.then_closed = [this, &exchange] { std::erase(held, &exchange); };
      if (pausing)
        held.push_back(&exchange);
      else
        say(exchange);
    };
  }

  static void say(http::Exchange& exchange) {
    exchange.respond({.status = 200, .fields = {{"content-length", "2"}}});
    exchange.write(as_bytes("ok"));
    exchange.finish();
  }

  LoadOptions options() {
    LoadOptions made;
    made.url = *parse_url("https://example.com/");
    made.chain.http = HttpChoice::h2;
    return made;
  }

  void resume() {
    pausing = false;
    for (http::Exchange* exchange : std::exchange(held, {})) say(*exchange);
  }

  void begin(const LoadOptions& given) {
    load.emplace(context, given, [this](LoadFigures figures) { result = std::move(figures); });
    load->start();
  }

  test::World world;
  Context context = world.context();
  bool pausing = false;
  std::vector<http::Exchange*> held;
  std::optional<Load> load;
  std::optional<LoadFigures> result;
};

TEST_F(LoadTest, APauseOfTheServerShowsInAllThatWasDueMeanwhile) {
  LoadOptions given = options();
  given.rate = 100;
  given.requests = 400;
  begin(given);  // one connection with one stream: a single request waits inside the pause
  world.clock.pass(1s);
  pausing = true;
  world.clock.pass(1s);
  resume();
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests, 400u);
  EXPECT_EQ(result->latency.count(), 400u);
  EXPECT_EQ(result->unanswered, 0u);
  EXPECT_TRUE(result->errors.empty());
  // A quarter of them was due in the pause, one after another.
  EXPECT_GE(result->latency.max(), 980ms);
  EXPECT_GE(result->latency.quantile(0.99), 900ms);
  EXPECT_GE(result->latency.quantile(0.9), 500ms);
  EXPECT_LE(result->latency.quantile(0.5), 10ms);
}

TEST_F(LoadTest, AServerThatHangsIsNotHidden) {
  LoadOptions given = options();
  given.rate = 100;
  given.duration = 4s;
  begin(given);
  world.clock.pass(1s);
  pausing = true;
  world.clock.pass(10s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests + result->unanswered, 401u)
      << "all that was due, the first and the last included";
  EXPECT_GE(result->unanswered, 299u);
  EXPECT_EQ(result->latency.count(), 401u);
  EXPECT_GE(result->latency.quantile(0.5), 900ms);
  EXPECT_GE(result->oldest_unanswered, 2900ms);
  EXPECT_EQ(result->errors.at("no answer"), result->unanswered);
}

TEST_F(LoadTest, TellsWhatAClosedLoopWasLeftWith) {
  LoadOptions given = options();
  given.streams = 3;
  given.duration = 4s;
  pausing = true;
  begin(given);
  world.clock.pass(10s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->unanswered, 3u);
  EXPECT_EQ(result->latency.count(), result->requests);
  EXPECT_GE(result->oldest_unanswered, 3900ms);
  EXPECT_EQ(result->errors.at("no answer"), 3u);
}

TEST_F(LoadTest, WhatIsUnderWayAtTheEndIsNoErrorWhereAnswersCame) {
  LoadOptions given = options();
  given.rate = 10;
  given.duration = 4s;
  begin(given);
  world.clock.pass(3900ms);
  pausing = true;
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_GE(result->unanswered, 1u);
  EXPECT_TRUE(result->errors.empty());
}

class LoadOver : public LoadTest, public testing::WithParamInterface<HttpChoice> {};

INSTANTIATE_TEST_SUITE_P(Tcp, LoadOver, testing::Values(HttpChoice::h2, HttpChoice::h1),
                         [](const auto& p) { return p.param == HttpChoice::h1 ? "Http1" : "Http2"; });

/// Over one connection, each when the one before was answered, and with nothing but the server's own time.
TEST_P(LoadOver, AnsweredRequestsMakeRoomForTheNext) {
  constexpr Duration takes = 7ms;
  net::Timer answers(world.clock.timers, [&](Time) { resume(); });
  world.answer = [&](http::Exchange& exchange, http::test::RecordingExchange& handler) {
    handler.then_closed = [this, &exchange] { std::erase(held, &exchange); };
    held.push_back(&exchange);
    answers.arm(world.clock.timers.now() + takes);
  };
  LoadOptions given = options();
  given.chain.http = GetParam();
  given.requests = 100;
  begin(given);
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests, 100u);
  EXPECT_EQ(result->connections, 1u);
  EXPECT_TRUE(result->errors.empty());
  EXPECT_GE(result->latency.quantile(0.5), takes);
  EXPECT_LE(result->latency.max(), takes + takes / 20);
}

}  // namespace
}  // namespace sallyport::client
