// What a fetch makes of ranges, of versions of the resource, and of what it has from before.
#include "client/fetch_for_test.h"

#include <map>
#include <string>
#include <vector>

namespace sallyport::client {
namespace {

using http::Exchange;
using http::test::Pair;

class FetchVersionsTest : public test::FetchTest {};

TEST_P(FetchVersionsTest, ResumesWithWhatIsMissing) {
  had_before(tag);
  run(2);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 3000u);
  EXPECT_EQ(figures.bytes, content.size() - 3000);
  EXPECT_THAT(asked, testing::Contains(testing::StartsWith("bytes=3000-")));
}

/// As a power cut leaves it, or whoever removes the file but not what was noted of it.
TEST_P(FetchVersionsTest, BelievesNothingOfAStateWithoutBytes) {
  output.before = {tag, content.size(), {}};
  run(2);
  expect_whole();
  output = {};
  output.before = {tag, UINT64_MAX, {{0, 3000}}};
  output.text = content.substr(0, 3000);
  content.resize(2000);  // shorter than what is there
  run(4);
  expect_whole();
}

TEST_P(FetchVersionsTest, NoSizeMakesMoreRequestsThanParts) {
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

TEST_P(FetchVersionsTest, AWholeThatSaysItsSizeIsHeldToIt) {
  for (const std::size_t sent : {std::size_t{5}, std::size_t{100}, std::size_t{200}}) {
    SCOPED_TRACE(sent);
    output = {};
    result.reset();
    answer = [&](Exchange& exchange) {
      exchange.respond({.status = 206, .fields = {{"content-range", "bytes 0-99/100"}}});
      exchange.write(as_bytes(content).first(sent));
      exchange.finish();
    };
    run(1);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->has_value(), sent == 100);
  }
}

TEST_P(FetchVersionsTest, StartsOverWhenTheResourceChanged) {
  had_before("\"0\"");
  answer = [this](Exchange& exchange) {
    field(exchange, "if-range") == tag ? ranged(exchange) : whole(exchange);
  };
  run(4);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 0u);
  EXPECT_EQ(output.truncated, 1);
}

TEST_P(FetchVersionsTest, StartsOverWithoutAValidator) {
  had_before("");
  run(1);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 0u);
}

TEST_P(FetchVersionsTest, SaysWhyItStartsOver) {
  const auto notes_of = [this](const std::string& validator, std::function<void(Exchange&)> answers) {
    notes.clear();
    asked.clear();
    had_before(validator);
    answer = std::move(answers);
    run(1);
    expect_whole();
    output.completed = 0;
    return notes;
  };
  const auto because = [](const std::string& why) {
    return testing::ElementsAre("cannot go on with 'x.part': " + why + "; it is downloaded from the start");
  };
  const std::string other = "the server has another version by now";
  const std::string kept = "going on with 'x.part': 3000 of 10000 bytes are kept";
  EXPECT_THAT(notes_of(tag, [this](Exchange& exchange) { ranged(exchange, 2000); }),
              testing::ElementsAre(kept))
      << "once, however many answers it takes";
  output.untold = 70'000;
  EXPECT_THAT(notes_of(tag, [this](Exchange& exchange) { ranged(exchange); }),
              testing::ElementsAre(kept + ", and 70000 more that it has are asked for again, as the last run "
                                          "ended before it had noted them"));
  EXPECT_THAT(notes_of("", [this](Exchange& exchange) { ranged(exchange); }),
              because("the server did not tell which version it is"));
  EXPECT_THAT(notes_of("\"0\"", [this](Exchange& exchange) { whole(exchange); }), because(other));
  EXPECT_THAT(notes_of(tag, [this](Exchange& exchange) { whole(exchange); }),
              because("the server sends no parts of it"));
  EXPECT_THAT(notes_of("\"0\"", [this](Exchange& exchange) { ranged(exchange); }), because(other));
  EXPECT_THAT(
      notes_of("\"0\"",
               [this](Exchange& exchange) { asked.size() == 1 ? refuse_range(exchange) : ranged(exchange); }),
      because(other));
}

TEST_P(FetchVersionsTest, NeverJoinsTwoVersions) {
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
TEST_P(FetchVersionsTest, TakesTheWholeWhereNobodyAgreesOnTheVersion) {
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
TEST_P(FetchVersionsTest, TakesTheWholeWhereverItComes) {
  answer = [this](Exchange& exchange) { asked.size() == 4 ? whole(exchange) : ranged(exchange); };
  run(4);
  expect_whole();
}

TEST_P(FetchVersionsTest, StartsOverWhereTheAnswerIsNotTheOneAskedFor) {
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
      rest(exchange, head);
    };
    run(1);
    expect_whole();
    EXPECT_EQ(figures.resumed_bytes, 0u);
    EXPECT_EQ(asked, (std::vector<std::string>{"bytes=3000-9999", ""}));
  }
}

TEST_P(FetchVersionsTest, HeadersAreThoseOfTheResponseThatTheStatusIsOf) {
  had_before(tag);
  answer = [this](Exchange& exchange) {
    if (field(exchange, "range").empty()) return whole(exchange);
    exchange.respond({.status = 416, .fields = {{"content-length", "0"}, {"x-which", "refused"}}}, true);
  };
  run(1);
  expect_whole();
  EXPECT_EQ(figures.status, 200u);
  EXPECT_EQ(figures.fields.find("x-which"), std::nullopt);
}

TEST_P(FetchVersionsTest, TakesARangeOfASizeThatIsKnownOtherwise) {
  had_before(tag);
  answer = [this](Exchange& exchange) {
    rest(exchange, {.status = 206, .fields = {{"content-range", "BYTES 3000-9999/*"}}});
  };
  run(1);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 3000u);
}

TEST_P(FetchVersionsTest, NeverTakesASliceForTheWhole) {
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

TEST_P(FetchVersionsTest, AsksAgainForAPartThatIsRefusedForTheMoment) {
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

TEST_P(FetchVersionsTest, GivesUpAPartThatIsRefusedAgainAndAgain) {
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

TEST_P(FetchVersionsTest, ResumesByADateWhereThereIsNoTag) {
  tag.clear();
  modified = friday;
  bare = true;  // RFC 9110 §15.3.7: a 206 to If-Range need not repeat it
  had_before(friday);
  run(2);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 3000u);
  EXPECT_THAT(conditions, testing::Each(friday));
}

TEST_P(FetchVersionsTest, SplitsByADateWhereThereIsNoTag) {
  tag.clear();
  modified = friday;
  bare = true;
  run(4);
  expect_whole();
  EXPECT_GE(figures.requests, 5u);
  EXPECT_EQ(output.noted.validator, friday);
}

TEST_P(FetchVersionsTest, JoinsNothingThatHasNoStrongValidator) {
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

TEST_P(FetchVersionsTest, TakesWhatFitsInOneRangeWithoutAValidator) {
  tag.clear();
  content.resize(500);
  run(4);
  expect_whole();
  EXPECT_EQ(figures.requests, 1u);
}

TEST_P(FetchVersionsTest, StartsOverWhereTheOldRangeIsNotThereAnyMore) {
  had_before("\"0\"");
  answer = [this](Exchange& exchange) { asked.size() == 1 ? refuse_range(exchange) : ranged(exchange); };
  run(1);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 0u);
}

TEST_P(FetchVersionsTest, StartsOverWithAServerThatIgnoresIfRange) {
  had_before("\"0\"");
  run(4);
  expect_whole();
  EXPECT_EQ(output.truncated, 1);
}

TEST_P(FetchVersionsTest, AsksForAnEmptyResourceWhole) {
  content.clear();
  answer = [this](Exchange& exchange) {
    field(exchange, "range").empty() ? whole(exchange) : refuse_range(exchange);
  };
  run(4);
  expect_whole();
}

INSTANTIATE_TEST_SUITE_P(Versions, FetchVersionsTest, testing::Values(Pair::Speaks::h1, Pair::Speaks::h2),
                         [](const auto& speaks) {
                           return speaks.param == Pair::Speaks::h1 ? "Http1" : "Http2";
                         });

}  // namespace
}  // namespace sallyport::client
