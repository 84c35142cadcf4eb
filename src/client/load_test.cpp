#include "client/load.h"

#include "client/world_for_test.h"

#include <map>
#include <optional>

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

TEST(LoadTable, SpeaksOfOneThingAsOne) {
  LoadFigures figures;
  figures.version = "HTTP/3";
  figures.requests = figures.connections = 1;
  figures.seconds = 5;
  EXPECT_EQ(load_table(figures).find("HTTP/3: 1 request in 5.00 s: 0.2 a second, 0.0 Mbit/s of bodies; "
                                     "1 connection\n"),
            0u)
      << load_table(figures);
  figures.requests = 5000;
  figures.connections = 2;
  EXPECT_EQ(load_table(figures).find("HTTP/3: 5000 requests in 5.00 s: 1000 a second, 0.0 Mbit/s of bodies; "
                                     "2 connections, 0.4 a second\n"),
            0u)
      << load_table(figures);
}

/// A server that answers at once, but for a pause.
class LoadTest : public testing::Test {
 protected:
  LoadTest() {
    world.answer = [this](http::Exchange& exchange, http::test::RecordingExchange& handler) {
      ++asked[exchange.request().path];
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
    made.urls = {*dial::parse_url("https://example.com/")};
    made.chain.http = dial::HttpChoice::h2;
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
  dial::Context context = world.context();
  bool pausing = false;
  std::vector<http::Exchange*> held;
  std::map<std::string, int> asked;  ///< by path
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

TEST_F(LoadTest, ExplainsAMisdirectedRequest) {
  world.answer = [](http::Exchange& exchange, http::test::RecordingExchange&) {
    exchange.respond({.status = 421}, true);
  };
  LoadOptions given = options();
  given.requests = 3;
  begin(given);
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->errors.at("status 421"), 3u);
  EXPECT_NE(result->first_error.find("does not answer for example.com"), std::string::npos);
}

TEST_F(LoadTest, CallsARefusalOfAHopByItsStatus) {
  for (const unsigned status : {401u, 403u, 407u, 429u, 501u}) {
    world.answer = [status](http::Exchange& exchange, http::test::RecordingExchange&) {
      exchange.respond({.status = status}, true);
    };
    LoadOptions given = options();
    given.requests = 1;
    given.chain.hops = {*masque::ProxyTemplate::parse("https://hop.test")};
    given.chain.hop_http = dial::HttpChoice::h2;
    result.reset();
    begin(given);
    world.clock.pass(60s);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->errors.size(), 1u);
    EXPECT_EQ(result->errors.begin()->first, "status " + std::to_string(status) + " of a hop");
  }
}

TEST_F(LoadTest, CountsInTheTableAreWords) {
  LoadOptions given = options();
  given.requests = 1;
  begin(given);
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  const std::string table = load_table(*result);
  EXPECT_NE(table.find(": 1 request in "), std::string::npos) << table;
  EXPECT_NE(table.find("; 1 connection\n"), std::string::npos) << table;
}

TEST_F(LoadTest, KeepsToItsRate) {
  LoadOptions given = options();
  given.rate = 100;
  given.requests = 400;
  begin(given);
  world.clock.pass(2s);
  EXPECT_EQ(load->progress().requests, 201u) << "the first at the start, then one in 10 ms";
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_DOUBLE_EQ(result->seconds, 3.99);
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

TEST_F(LoadTest, GoesOnAfterRequestsThatTheServerResets) {
  world.answer = [](http::Exchange& exchange, http::test::RecordingExchange&) {
    exchange.reset(http::ResetCode::internal_error);
  };
  LoadOptions given = options();
  given.requests = 5;
  begin(given);
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests, 0u);
  EXPECT_EQ(result->connections, 1u);
  ASSERT_EQ(result->errors.size(), 1u);
  EXPECT_EQ(result->errors.begin()->second, 5u);
}

/// It would wait inside the connection, and count as the server's time.
TEST_F(LoadTest, SendsNoRequestThatTheServerDoesNotTakeYet) {
  constexpr Duration takes = 7ms;
  net::Timer answers(world.clock.timers, [&](Time) {
    resume();
    pausing = true;
  });
  world.limits.max_concurrent_streams = 1;
  pausing = true;
  const auto hold = world.answer;
  world.answer = [&](http::Exchange& exchange, http::test::RecordingExchange& handler) {
    hold(exchange, handler);
    answers.arm(world.clock.timers.now() + takes);
  };
  LoadOptions given = options();
  given.streams = 3;
  given.requests = 50;
  begin(given);
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests, 50u);
  EXPECT_EQ(result->connections, 1u);
  EXPECT_GE(result->latency.quantile(0.1), takes);
  EXPECT_LE(result->latency.quantile(0.9), takes + takes / 20) << "but for those that were sent at first";
}

/// Whether a run goes on is not a question of how soon a server that is away refuses.
TEST_F(LoadTest, GoesOnUntilItsTimeIsOverThoughTheServerIsAwayMeanwhile) {
  LoadOptions given = options();
  given.rate = 100;
  given.duration = 10s;
  begin(given);
  world.clock.pass(2s);
  const std::size_t connects = world.connects;
  world.refuses = true;
  world.servers.clear();
  world.clock.pass(1s);
  ASSERT_FALSE(result) << "it has not ended";
  EXPECT_GT(world.connects, connects + 3) << "and tries";
  EXPECT_LT(world.connects, connects + 30) << "not without end";
  world.refuses = false;
  world.clock.pass(20s);
  ASSERT_TRUE(result);
  EXPECT_DOUBLE_EQ(result->seconds, 10);
  EXPECT_GT(result->errors.at("refused"), 3u);
  std::uint64_t lost = 0;  // under way when the connection broke
  for (const auto& [kind, count] : result->errors)
    if (kind != "refused") lost += count;
  EXPECT_LE(lost, 1u);
  EXPECT_EQ(result->requests + result->unanswered + lost, 1001u) << "all that was due is told of";
  EXPECT_GE(result->latency.max(), 900ms) << "what was due in that second waited for it";
}

TEST_F(LoadTest, WithoutATimeItGivesUpInTheEndAndTellsWhatWasDue) {
  LoadOptions given = options();
  given.rate = 10;
  given.requests = 1'000'000;
  begin(given);
  world.clock.pass(2s);
  world.refuses = true;
  world.servers.clear();
  world.clock.pass(60s);
  ASSERT_TRUE(result);
  EXPECT_GE(result->unanswered, 90u) << "at ten a second";
  EXPECT_GT(result->errors.at("refused"), 90u);
}

TEST_F(LoadTest, BeginsManyConnectionsInSmallLotsThatHoldUpNothing) {
  LoadOptions given = options();
  given.connections = 500;
  given.duration = 1s;
  pausing = true;
  std::size_t most = 0;
  world.when_connecting = [&, last = Time{}, count = std::size_t{0}]() mutable {
    count = world.clock.timers.now() == last ? count + 1 : 1;
    last = world.clock.timers.now();
    most = std::max(most, count);
  };
  begin(given);
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->connections, 500u);
  EXPECT_LE(most, 32u);
  EXPECT_DOUBLE_EQ(result->seconds, 1);
}

TEST_F(LoadTest, AConnectionThatIsMadeAfterTheLastAnswerEndsTheRun) {
  LoadOptions given = options();
  given.connections = 2;
  given.requests = 1;
  world.when_connecting = [this] { world.connect_time = world.connects == 1 ? Duration::zero() : 100ms; };
  begin(given);
  world.clock.pass(50ms);
  EXPECT_EQ(load->progress().requests, 1u);
  EXPECT_FALSE(result) << "how long a connection takes is of interest, too";
  world.clock.pass(1s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests, 1u);
  EXPECT_EQ(result->connections, 2u);
  EXPECT_EQ(result->connect.max(), 100ms);
  EXPECT_DOUBLE_EQ(result->seconds, 0.1);
  EXPECT_TRUE(result->errors.empty());
}

TEST_F(LoadTest, WhatIsAskedInTheWarmUpIsNotCounted) {
  for (const bool by_rate : {true, false}) {
    asked.clear();
    result.reset();
    LoadOptions given = options();
    given.warm_up = 2s;
    given.requests = 50;
    if (by_rate) given.rate = 10;
    pausing = !by_rate;
    begin(given);
    world.clock.pass(1s);
    EXPECT_TRUE(load->progress().warming_up);
    world.clock.pass(2s);
    EXPECT_FALSE(load->progress().warming_up);
    resume();
    world.clock.pass(20s);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->requests, 50u);
    EXPECT_EQ(result->latency.count(), 50u);
    EXPECT_EQ(result->bytes, 100u);
    EXPECT_DOUBLE_EQ(result->warm_up_seconds, 2);
    EXPECT_GE(asked["/"], by_rate ? 70 : 51);
    EXPECT_LT(result->latency.max(), 1s) << "of none that was asked for in the warm-up";
  }
}

TEST_F(LoadTest, AsksForSeveralUrlsInTurn) {
  LoadOptions given = options();
  given.urls = {*dial::parse_url("https://example.com/a"), *dial::parse_url("https://example.com/b?c"),
                *dial::parse_url("https://other.example.com/d")};
  given.connections = 2;
  given.rate = 100;
  given.requests = 200;
  begin(given);
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests, 200u);
  EXPECT_EQ(asked.size(), 3u);
  EXPECT_NEAR(asked["/a"], asked["/b?c"], 1);
  EXPECT_EQ(asked["/a"] + asked["/b?c"] + asked["/d"], 200);
}

class LoadOver : public LoadTest, public testing::WithParamInterface<dial::HttpChoice> {};

INSTANTIATE_TEST_SUITE_P(Tcp, LoadOver, testing::Values(dial::HttpChoice::h2, dial::HttpChoice::h1),
                         [](const auto& p) { return p.param == dial::HttpChoice::h1 ? "Http1" : "Http2"; });

/// However large; the server reads as it likes.
TEST_P(LoadOver, SendsFieldsAndABody) {
  std::size_t whole = 0;
  world.answer = [&](http::Exchange& exchange, http::test::RecordingExchange& handler) {
    EXPECT_EQ(exchange.request().method, "POST");
    EXPECT_EQ(exchange.request().fields.find("content-length"), "1000000");
    EXPECT_EQ(exchange.request().fields.find("x-a"), "b");
    EXPECT_EQ(exchange.request().fields.find("user-agent"), "mine");
    handler.then_end = [&](http::Exchange&) {
      whole += handler.body.size();
      say(exchange);
    };
  };
  LoadOptions given = options();
  given.chain.http = GetParam();
  given.requests = 3;
  given.body = std::string(1'000'000, 'x');
  given.fields = {{"x-a", "b"}, {"user-agent", "mine"}};
  begin(given);
  world.clock.pass(5s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests, 3u);
  EXPECT_EQ(whole, 3'000'000u);
  EXPECT_TRUE(result->errors.empty());
}

TEST_P(LoadOver, AnAnswerBeforeTheBodyIsTakenIsAnAnswer) {
  world.answer = [&](http::Exchange& exchange, http::test::RecordingExchange&) {
    exchange.stop_reading();
    say(exchange);
  };
  LoadOptions given = options();
  given.chain.http = GetParam();
  given.requests = 3;
  given.body = std::string(8'000'000, 'x');
  begin(given);
  world.clock.pass(20s);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->requests, 3u);
  EXPECT_TRUE(result->errors.empty());
}

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
