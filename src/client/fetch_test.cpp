// The course of a fetch: its requests and connections, its output, and how it ends.
#include "client/fetch_for_test.h"

#include <string>
#include <vector>

namespace sallyport::client {
namespace {

using http::Exchange;
using http::test::Pair;
using test::FetchTest;

TEST_P(FetchTest, PutsPartsTogether) {
  run(4);
  expect_whole();
  EXPECT_GE(figures.requests, 5u);
}

TEST_P(FetchTest, TakesTheWholeFromAServerThatKnowsNoRanges) {
  answer = [this](Exchange& exchange) { whole(exchange); };
  run(4);
  expect_whole();
  EXPECT_EQ(figures.requests, 1u);
}

TEST_P(FetchTest, TheTimeIsThatOfTheServer) {
  Exchange* waiting = nullptr;
  net::Timer later(clock.timers, [&](Time) { whole(*waiting); });
  answer = [&](Exchange& exchange) {
    waiting = &exchange;
    later.arm(clock.timers.now() + 7ms);
  };
  run(1);
  expect_whole();
  EXPECT_GE(figures.ended - figures.started, 7ms);
  EXPECT_LT(figures.ended - figures.started, 8ms);
}

TEST_P(FetchTest, AsksAgainForWhatAShorterRangeLeft) {
  answer = [this](Exchange& exchange) { ranged(exchange, 700); };
  run(3);
  expect_whole();
}

/// What comes behind the range that Content-Range announced would lie over the bytes of another part.
TEST_P(FetchTest, TakesNoMoreThanTheRangeThatWasAnnounced) {
  answer = [&](Exchange& exchange) {
    std::size_t first = 0, last = 0;
    ASSERT_EQ(std::sscanf(field(exchange, "range").c_str(), "bytes=%zu-%zu", &first, &last), 2);
    last = std::min(last, content.size() - 1);
    http::Response head{
        .status = 206,
        .fields = {{"content-range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                                         std::to_string(content.size())}}};
    add_validators(head);
    exchange.respond(head);
    exchange.write(as_bytes(content).subspan(first, last - first + 1));
    exchange.write(as_bytes("Z"));
    exchange.finish();
  };
  for (const bool gathers : {true, false}) {
    output = {};
    output.gathers = gathers;
    result.reset();
    run(4);
    expect_error(ErrorKind::protocol);
    EXPECT_THAT(result->error().message, testing::HasSubstr("more than the range"));
    EXPECT_EQ(output.text.find('Z'), std::string::npos);
    EXPECT_EQ(output.completed, 0);
  }
}

TEST_P(FetchTest, GoesOnOverAnotherConnection) {
  answer = [this](Exchange& exchange) {
    if (asked.size() % 2 == 0) exchange.connection().shutdown();
    ranged(exchange);
  };
  run(4);
  expect_whole();
  EXPECT_GT(clients.size(), 1u);
}

TEST_P(FetchTest, AsksOnceMoreWhereNoAnswerCame) {
  answer = [this](Exchange& exchange) {
    asked.size() == 2 ? exchange.reset(http::ResetCode::refused) : ranged(exchange);
  };
  run(4);
  expect_whole();
  EXPECT_EQ(output.truncated, 0);
}

TEST_P(FetchTest, AsksNotWithoutEnd) {
  answer = [](Exchange& exchange) { exchange.reset(http::ResetCode::refused); };
  run(1);
  ASSERT_TRUE(result.has_value());
  EXPECT_FALSE(result->has_value());
  EXPECT_EQ(asked.size(), 2u);
}

TEST_P(FetchTest, TellsWhyNoConnectionCouldBeMade) {
  no_more_connections = true;
  run(4);
  expect_error(ErrorKind::refused);
  EXPECT_EQ(result->error().message, "nobody is there");
}

TEST_P(FetchTest, TakesAnyAnswerThatSaysSuccess) {
  answer = [this](Exchange& exchange) {
    exchange.respond({.status = 203, .fields = {{"content-length", std::to_string(content.size())}}});
    exchange.write(as_bytes(content));
    exchange.finish();
  };
  run(4);
  expect_whole();
  output = {};
  content.clear();
  answer = [](Exchange& exchange) { exchange.respond({.status = 204}, true); };
  run(1);
  expect_whole();
  EXPECT_EQ(figures.status, 204u);
}

TEST_P(FetchTest, ASlowReaderOfTheOutputHoldsUpTheServerAndNoClock) {
  content.assign(8 * 1024 * 1024, 'x');
  output.gathers = false;
  output.behind = true;
  const auto fetch = start(1);
  clock.pass(40s);
  EXPECT_FALSE(result.has_value());
  EXPECT_GT(output.text.size(), 0u);
  EXPECT_LT(output.text.size(), content.size());
  output.behind = false;
  output.drained();
  clock.pass(1s);
  expect_whole();
}

TEST_P(FetchTest, APipeGetsWhatComesAtOnceAndTheServerItsCredit) {
  content.assign(2'000'000, 'x');
  output.seeks = false;
  Exchange* server = nullptr;
  answer = [&](Exchange& exchange) {
    exchange.respond({.status = 200, .fields = {{"content-length", std::to_string(content.size())}}});
    server = &exchange;
  };
  const auto fetch = start(1);
  clock.pass(1ms);
  ASSERT_NE(server, nullptr);
  constexpr std::size_t piece = 100'000;  // less than is gathered for a file
  for (std::size_t at = 0; at < content.size(); at += piece) {
    server->write(as_bytes(content).subspan(at, piece));
    if (at + piece == content.size()) server->finish();
    clock.pass(1ms);
    ASSERT_EQ(output.text.size(), at + piece);
  }
  expect_whole();
}

TEST_P(FetchTest, WaitsForTheOutputsReaderBeforeItEnds) {
  output.gathers = false;
  output.behind = true;
  const auto fetch = start(1);
  clock.pass(40s);
  EXPECT_EQ(output.text, content);
  EXPECT_FALSE(result.has_value());
  output.behind = false;
  output.drained();
  clock.pass(1s);
  expect_whole();
}

TEST_P(FetchTest, AnErrorLeavesTheConnectionFree) {
  answer = [](Exchange& exchange) {
    exchange.respond({.status = 404, .fields = {{"content-length", "3"}}});
    exchange.write(as_bytes("no\n"));
    exchange.finish();
  };
  run(1);
  ASSERT_TRUE(result.has_value());
  ASSERT_FALSE(result->has_value());
  EXPECT_EQ(result->error().code, 404u);
  EXPECT_TRUE(clients.back()->can_request());
  EXPECT_EQ(output.text, "");
}

TEST_P(FetchTest, SaysForHowLongNothingCame) {
  answer = [](Exchange&) {};
  stall_timeout = 200ms;
  run(1);
  expect_error(ErrorKind::timeout);
  EXPECT_EQ(result->error().message, "nothing came from example.com for 0.2 s");
}

TEST_P(FetchTest, AFullDiskIsTheErrorThatIsTold) {
  output.full = true;
  run(4);
  ASSERT_TRUE(result.has_value());
  ASSERT_FALSE(result->has_value());
  EXPECT_EQ(result->error().kind, ErrorKind::file);
}

INSTANTIATE_TEST_SUITE_P(Versions, FetchTest, testing::Values(Pair::Speaks::h1, Pair::Speaks::h2),
                         [](const auto& speaks) {
                           return speaks.param == Pair::Speaks::h1 ? "Http1" : "Http2";
                         });

}  // namespace
}  // namespace sallyport::client
