#include "client/fetch.h"

#include "http/tcp_for_test.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using http::Exchange;
using http::test::Pair;
using http::test::RecordingExchange;

class StringOutput final : public Output {
 public:
  bool seekable() const override { return true; }
  Result<> write_at(std::uint64_t offset, Bytes bytes) override {
    if (full) return fail(ErrorKind::file, "cannot write to 'x': No space left on device");
    text.resize(std::max<std::size_t>(text.size(), offset + bytes.size()));
    if (!bytes.empty()) std::memcpy(text.data() + offset, bytes.data(), bytes.size());
    return {};
  }
  std::size_t queued_bytes() const override { return behind ? 1 : 0; }
  void set_drained_handler(std::function<void()> handler) override { drained = std::move(handler); }
  bool gather_writes() const override { return gathers; }
  void note_progress(const PartState& state, bool) override { noted = state; }
  PartState earlier() const override { return before; }
  Result<> truncate() override {
    text.clear();
    ++truncated;
    return {};
  }
  Result<> complete() override {
    ++completed;
    return {};
  }

  PartState before, noted;
  std::string text;
  bool full = false, behind = false, gathers = true;
  std::function<void()> drained;
  int truncated = 0, completed = 0;
};

/// A server of one resource, whose behaviour each test bends. Connections to it are made as they are needed.
class FetchTest : public testing::TestWithParam<Pair::Speaks> {
 protected:
  FetchTest() {
    for (std::size_t i = 0; i < 10'000; ++i) content += static_cast<char>('a' + i % 23);
    requests.then = [this](Exchange& exchange, RecordingExchange&) {
      asked.push_back(field(exchange, "range"));
      conditions.push_back(field(exchange, "if-range"));
      answer(exchange);
    };
  }

  void connect() {
    auto [near, far] = net::make_memory_streams(clock.timers);
    const http::StreamSecurity security{"example.com", "TLS1.3 AES-128-GCM"};
    const bool h1 = GetParam() == Pair::Speaks::h1;
    const auto make_client = h1 ? http::make_h1_client : http::make_h2_client;
    const auto make_server = h1 ? http::make_h1_server : http::make_h2_server;
    clients.push_back(make_client(clock.timers, std::move(near), security, events, limits));
    servers.push_back(make_server(clock.timers, std::move(far), security, requests, &events, limits));
  }

  void open(const Fetch::Opened& opened) {
    if (no_more_connections) return opened(fail(ErrorKind::refused, "nobody is there"));
    if (clients.empty() || !clients.back()->can_request()) connect();
    opened(clients.back().get());
  }

  static std::string field(Exchange& exchange, std::string_view name) {
    return std::string(exchange.request().fields.find(name).value_or(""));
  }

  void whole(Exchange& exchange) {
    http::Response head{.status = 200, .fields = {{"content-length", std::to_string(content.size())}}};
    add_validators(head);
    exchange.respond(head);
    exchange.write(as_bytes(content));
    exchange.finish();
  }

  void ranged(Exchange& exchange, std::size_t most = 1 << 20) {
    const std::string range = field(exchange, "range");
    if (range.empty()) return whole(exchange);
    std::size_t first = 0, last = 0;
    ASSERT_EQ(std::sscanf(range.c_str(), "bytes=%zu-%zu", &first, &last), 2);
    last = std::min({last, content.size() - 1, first + most - 1});
    http::Response head{
        .status = 206,
        .fields = {{"content-length", std::to_string(last - first + 1)},
                   {"content-range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                                         std::to_string(content.size())}}};
    if (!bare || field(exchange, "if-range").empty()) add_validators(head);
    exchange.respond(head);
    exchange.write(as_bytes(content).subspan(first, last - first + 1));
    exchange.finish();
  }

  void add_validators(http::Response& head) const {
    if (!tag.empty()) head.fields.add("etag", tag);
    if (!modified.empty()) head.fields.add("last-modified", modified);
    head.fields.add("date", "Sun, 06 Nov 1994 08:49:37 GMT");
  }

  void refuse_range(Exchange& exchange) {
    exchange.respond({.status = 416, .fields = {{"content-length", "3"}}});
    exchange.write(as_bytes("no\n"));
    exchange.finish();
  }

  std::unique_ptr<Fetch> start(std::size_t parts) {
    auto fetch = std::make_unique<Fetch>(
        clock.timers, [this](const Fetch::Opened& opened) { open(opened); },
        *parse_url("https://example.com/x"), output,
        FetchOptions{.parts = parts, .smallest_part = 1000, .stall_timeout = 5s},
        [this](Result<> verdict) { result = std::move(verdict); });
    fetch->start();
    return fetch;
  }

  void run(std::size_t parts) {
    const auto fetch = start(parts);
    clock.pass(1s);
    figures = fetch->figures();
  }

  void expect_error(ErrorKind kind) {
    ASSERT_TRUE(result.has_value());
    ASSERT_FALSE(result->has_value());
    EXPECT_EQ(result->error().kind, kind) << result->error().message;
  }

  void expect_whole() {
    ASSERT_TRUE(result.has_value());
    ASSERT_TRUE(result->has_value()) << result->error().message;
    EXPECT_EQ(output.text, content);
    EXPECT_EQ(output.completed, 1);
  }

  void had_before(const std::string& validator) {
    output.before = {validator, content.size(), {{0, 3000}}};
    output.text = std::string(3000, 'Z');
    if (validator == tag || validator == modified) output.text = content.substr(0, 3000);
  }

  std::string content, tag = "\"1\"", modified;
  bool bare = false;  // a 206 to If-Range has no validators
  bool no_more_connections = false;
  std::vector<std::string> asked, conditions;
  std::function<void(Exchange&)> answer = [this](Exchange& exchange) { ranged(exchange); };
  StringOutput output;
  std::optional<Result<>> result;
  FetchFigures figures;
  http::Limits limits;
  http::test::Clock clock;
  http::test::RecordingConnection events;
  http::test::RecordingServer requests;
  std::vector<std::unique_ptr<http::Connection>> clients, servers;
};

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

TEST_P(FetchTest, ResumesWithWhatIsMissing) {
  had_before(tag);
  run(2);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 3000u);
  EXPECT_EQ(figures.bytes, content.size() - 3000);
  EXPECT_THAT(asked, testing::Contains(testing::StartsWith("bytes=3000-")));
}

/// As a power cut leaves it, or whoever removes the file but not what was noted of it.
TEST_P(FetchTest, BelievesNothingOfAStateWithoutBytes) {
  output.before = {tag, content.size(), {}};
  run(2);
  expect_whole();
  output = {};
  output.before = {tag, UINT64_MAX, {{0, 3000}}};
  output.text = content.substr(0, 3000);
  run(4);
  expect_whole();
}

TEST_P(FetchTest, NoSizeMakesMoreRequestsThanParts) {
  for (const char* size : {"18446744073709551615", "9223372036854775808", "4611686018427387904"}) {
    SCOPED_TRACE(size);
    asked.clear();
    output = {};
    answer = [&](Exchange& exchange) {
      http::Response head{
          .status = 206,
          .fields = {{"content-length", "1"}, {"content-range", std::string("bytes 0-0/") + size}}};
      add_validators(head);
      exchange.respond(head);
      exchange.write(as_bytes(content).first(1));
      exchange.finish();
    };
    run(4);
    expect_error(ErrorKind::protocol);
    EXPECT_LE(asked.size(), 10u);
  }
}

TEST_P(FetchTest, AWholeThatSaysItsSizeIsHeldToIt) {
  for (const unsigned status : {200u, 206u}) {
    for (const std::size_t sent : {std::size_t{5}, std::size_t{100}, std::size_t{200}}) {
      SCOPED_TRACE(testing::Message() << status << " " << sent);
      output = {};
      result.reset();
      answer = [&](Exchange& exchange) {
        exchange.respond({.status = status, .fields = {{"content-range", "bytes 0-99/100"}}});
        exchange.write(as_bytes(content).first(sent));
        exchange.finish();
      };
      run(1);
      ASSERT_TRUE(result.has_value());
      EXPECT_EQ(result->has_value(), sent == 100);
    }
  }
}

TEST_P(FetchTest, StartsOverWhenTheResourceChanged) {
  had_before("\"0\"");
  answer = [this](Exchange& exchange) {
    field(exchange, "if-range") == tag ? ranged(exchange) : whole(exchange);
  };
  run(4);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 0u);
  EXPECT_EQ(output.truncated, 1);
}

TEST_P(FetchTest, StartsOverWithoutAValidator) {
  had_before("");
  run(1);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 0u);
}

TEST_P(FetchTest, NeverJoinsTwoVersions) {
  const std::string first = content;
  answer = [&](Exchange& exchange) {
    if (asked.size() == 3) {
      tag = "\"2\"";
      content = std::string(first.rbegin(), first.rend());
    }
    ranged(exchange);
  };
  run(4);
  expect_whole();
  EXPECT_NE(output.text, first);
  EXPECT_EQ(asked.back(), "") << "what several do not agree on is asked for in one request";
  EXPECT_EQ(output.truncated, 1);
}

// Each node has its own ETag.
TEST_P(FetchTest, TakesTheWholeWhereNobodyAgreesOnTheVersion) {
  for (const bool knows_if_range : {true, false}) {
    SCOPED_TRACE(knows_if_range);
    output = {};
    asked.clear();
    answer = [&](Exchange& exchange) {
      tag = "\"node " + std::to_string(asked.size()) + "\"";
      knows_if_range && !field(exchange, "if-range").empty() ? whole(exchange) : ranged(exchange);
    };
    run(4);
    expect_whole();
  }
}

// The whole, though If-Range has its ETag: a server that answers by ranges only now and then.
TEST_P(FetchTest, TakesTheWholeWhereverItComes) {
  answer = [this](Exchange& exchange) { asked.size() == 4 ? whole(exchange) : ranged(exchange); };
  run(4);
  expect_whole();
}

TEST_P(FetchTest, StartsOverWhereTheAnswerIsNotTheOneAskedFor) {
  const std::string all = std::to_string(content.size());
  const struct {
    const char* what;
    unsigned status;
    std::string content_range;
  } answers[] = {{"a slice that is called the whole", 200, "bytes 3000-9999/" + all},
                 {"begins earlier", 206, "bytes 0-9999/" + all},
                 {"no Content-Range", 206, ""},
                 {"another unit", 206, "lines 3000-9999/" + all}};
  for (const auto& given : answers) {
    SCOPED_TRACE(given.what);
    output = {};
    had_before(tag);
    asked.clear();
    answer = [&](Exchange& exchange) {
      if (field(exchange, "range").empty()) return whole(exchange);
      http::Response head{.status = given.status, .fields = {{"content-length", "7000"}}};
      if (!given.content_range.empty()) head.fields.add("content-range", given.content_range);
      add_validators(head);
      exchange.respond(head);
      exchange.write(as_bytes(content).subspan(3000));
      exchange.finish();
    };
    run(1);
    expect_whole();
    EXPECT_EQ(figures.resumed_bytes, 0u);
    EXPECT_EQ(asked, (std::vector<std::string>{"bytes=3000-9999", ""}));
  }
}

TEST_P(FetchTest, TakesARangeOfASizeThatIsKnownOtherwise) {
  had_before(tag);
  answer = [this](Exchange& exchange) {
    http::Response head{.status = 206, .fields = {{"content-range", "BYTES 3000-9999/*"}}};
    add_validators(head);
    exchange.respond(head);
    exchange.write(as_bytes(content).subspan(3000));
    exchange.finish();
  };
  run(1);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 3000u);
}

TEST_P(FetchTest, NeverTakesASliceForTheWhole) {
  for (const unsigned status : {200u, 206u}) {
    SCOPED_TRACE(status);
    output = {};
    answer = [&](Exchange& exchange) {
      exchange.respond(
          {.status = status, .fields = {{"content-length", "100"}, {"content-range", "bytes 0-99/10000"}}});
      exchange.write(as_bytes(content).first(100));
      exchange.finish();
    };
    for (const std::size_t parts : {1u, 4u}) {
      SCOPED_TRACE(parts);
      result.reset();
      asked.clear();
      run(parts);
      expect_error(ErrorKind::protocol);
      EXPECT_EQ(output.text, "");
      EXPECT_EQ(output.completed, 0);
      const std::vector<std::string> whole_only{""}, range_first{"bytes=0-999", ""};
      EXPECT_EQ(asked, parts == 1 ? whole_only : range_first);
    }
  }
}

TEST_P(FetchTest, AsksAgainForAPartThatIsRefusedForTheMoment) {
  std::vector<Time> times;
  answer = [&](Exchange& exchange) {
    times.push_back(clock.timers.now());
    if (asked.size() != 3) return ranged(exchange);
    exchange.respond({.status = 503, .fields = {{"retry-after", "7"}, {"content-length", "0"}}}, true);
  };
  const auto fetch = start(4);
  clock.pass(6s);
  EXPECT_FALSE(result.has_value());
  clock.pass(2s);
  expect_whole();
  EXPECT_GE(times.back() - times.front(), 7s);
  EXPECT_EQ(output.truncated, 0);
}

TEST_P(FetchTest, GivesUpAPartThatIsRefusedAgainAndAgain) {
  answer = [&](Exchange& exchange) {
    if (field(exchange, "if-range").empty()) return ranged(exchange);
    exchange.respond({.status = 503, .fields = {{"content-length", "0"}}}, true);
  };
  const auto fetch = start(2);
  clock.pass(60s);
  expect_error(ErrorKind::http);
  EXPECT_EQ(result->error().code, 503u);
  const std::string part = "bytes=1000-5499";
  EXPECT_THAT(asked, testing::ElementsAre("bytes=0-999", part, part, part, part))
      << "once, and three times more";
}

constexpr auto friday = "Fri, 04 Nov 1994 08:00:00 GMT";

TEST_P(FetchTest, ResumesByADateWhereThereIsNoTag) {
  tag.clear();
  modified = friday;
  bare = true;  // RFC 9110 §15.3.7: a 206 to If-Range need not repeat it
  had_before(friday);
  run(2);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 3000u);
  EXPECT_THAT(conditions, testing::Each(friday));
}

TEST_P(FetchTest, SplitsByADateWhereThereIsNoTag) {
  tag.clear();
  modified = friday;
  bare = true;
  run(4);
  expect_whole();
  EXPECT_GE(figures.requests, 5u);
  EXPECT_EQ(output.noted.validator, friday);
}

TEST_P(FetchTest, JoinsNothingThatHasNoStrongValidator) {
  struct Case {
    const char *tag, *modified;
  };
  // None; a weak tag, which forbids the date beside it (RFC 9110 §13.1.5); a date of the very second.
  for (const Case& given :
       {Case{"", ""}, Case{"W/\"1\"", friday}, Case{"", "Sun, 06 Nov 1994 08:49:37 GMT"}}) {
    SCOPED_TRACE(given.tag + std::string(" ") + given.modified);
    tag = given.tag;
    modified = given.modified;
    output = {};
    asked.clear();
    run(4);
    expect_whole();
    EXPECT_EQ(figures.requests, 2u);
    EXPECT_EQ(asked.back(), "");
    EXPECT_TRUE(output.noted.done.empty()) << "it cannot be gone on with";
  }
}

TEST_P(FetchTest, TakesWhatFitsInOneRangeWithoutAValidator) {
  tag.clear();
  content.resize(500);
  run(4);
  expect_whole();
  EXPECT_EQ(figures.requests, 1u);
}

TEST_P(FetchTest, StartsOverWhereTheOldRangeIsNotThereAnyMore) {
  had_before("\"0\"");
  answer = [this](Exchange& exchange) { asked.size() == 1 ? refuse_range(exchange) : ranged(exchange); };
  run(1);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 0u);
}

TEST_P(FetchTest, StartsOverWithAServerThatIgnoresIfRange) {
  had_before("\"0\"");
  run(4);
  expect_whole();
  EXPECT_EQ(output.truncated, 1);
}

TEST_P(FetchTest, AsksForAnEmptyResourceWhole) {
  content.clear();
  answer = [this](Exchange& exchange) {
    field(exchange, "range").empty() ? whole(exchange) : refuse_range(exchange);
  };
  run(4);
  expect_whole();
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
