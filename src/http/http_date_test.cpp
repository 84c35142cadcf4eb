#include "http/http_date.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

constexpr std::int64_t now = 1'800'000'000;  // January 2027

TEST(HttpDate, FormatsAsImfFixdate) {
  EXPECT_EQ(format_http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(format_http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
  EXPECT_EQ(format_http_date(1709164800), "Thu, 29 Feb 2024 00:00:00 GMT");
}

TEST(HttpDate, TakesAllThreeForms) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", now), 784111777);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", now), 784111777);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", now), 784111777);
  EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994", now), 784111777 + 10 * 86400);
}

TEST(HttpDate, TwoDigitYearsLieAtMostFiftyYearsAhead) {
  const auto future = parse_http_date("Sunday, 06-Nov-77 08:49:37 GMT", now);
  const auto past = parse_http_date("Sunday, 06-Nov-78 08:49:37 GMT", now);
  ASSERT_TRUE(future && past);
  EXPECT_EQ(format_http_date(*future).substr(12, 4), "2077");
  EXPECT_EQ(format_http_date(*past).substr(12, 4), "1978");
}

TEST(HttpDate, RefusesWhatIsNone) {
  for (const auto* text :
       {"", "0", "yesterday", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT", "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 06 08:49:37"})
    EXPECT_FALSE(parse_http_date(text, now)) << text;
}

TEST(HttpDate, TheLeapSecondFoldsIntoTheNextButNotBeyondTheYear9999) {
  EXPECT_EQ(parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT", now), 1483228800);
  EXPECT_EQ(parse_http_date("Fri, 31 Dec 9999 23:59:59 GMT", now), last_http_date);
  EXPECT_EQ(parse_http_date("Fri, 31 Dec 9999 23:59:60 GMT", now), std::nullopt);
}

TEST(HttpDate, RoundTripsOverManyDays) {
  for (std::int64_t day = -30000; day < 60000; day += 17) {
    const auto seconds = day * 86400 + 12345;
    ASSERT_EQ(parse_http_date(format_http_date(seconds), now), seconds);
  }
}

TEST(DateClock, ChangesOnlyWithTheSecond) {
  DateClock clock;
  const Time start{};
  const std::string first(clock.text(start));
  const auto tick = clock.tick();
  EXPECT_EQ(clock.text(start), first);
  EXPECT_EQ(clock.tick(), tick);
  clock.text(start + 2s);
  EXPECT_EQ(clock.tick(), tick + 1);
}

}  // namespace
}  // namespace sallyport::http
