#include "files/preconditions.h"

#include "http/http_date.h"

#include <gtest/gtest.h>

namespace sallyport::files {
namespace {

using http::Fields;
constexpr std::int64_t now = 1'800'000'000;
const Validators current{"\"1-2-3\"", now - 1000, true};
const std::string same = http::format_http_date(now - 1000), earlier = http::format_http_date(now - 2000),
                  later = http::format_http_date(now - 500);

Precondition check(const Fields& fields) {
  return check_preconditions(fields, current, now);
}

TEST(Preconditions, NoneMeansProceed) {
  EXPECT_EQ(check({}), Precondition::proceed);
}

TEST(Preconditions, EntityTags) {
  struct Case {
    std::string_view name, value;
    Precondition outcome;
  };
  for (const auto& [name, value, outcome] : {
           Case{"if-none-match", "\"1-2-3\"", Precondition::not_modified},
           Case{"if-none-match", "W/\"1-2-3\"", Precondition::not_modified},
           Case{"if-none-match", "\"x\", \"1-2-3\"", Precondition::not_modified},
           Case{"if-none-match", "\"a,b\",W/\"c\" ,\"1-2-3\"", Precondition::not_modified},
           Case{"if-none-match", "*", Precondition::not_modified},
           Case{"if-none-match", "\"x\"", Precondition::proceed},
           Case{"if-none-match", "1-2-3", Precondition::proceed},
           Case{"if-none-match", "\"1-2-3", Precondition::proceed},
           Case{"if-none-match", "", Precondition::proceed},
           Case{"if-match", "\"1-2-3\"", Precondition::proceed},
           Case{"if-match", "*", Precondition::proceed},
           Case{"if-match", "W/\"1-2-3\"", Precondition::failed},
           Case{"if-match", "\"x\", \"y\"", Precondition::failed},
           Case{"if-match", "", Precondition::failed},
       })
    EXPECT_EQ(check({{name, value}}), outcome) << name << ": " << value;
}

TEST(Preconditions, Dates) {
  EXPECT_EQ(check({{"if-modified-since", same}}), Precondition::not_modified);
  EXPECT_EQ(check({{"if-modified-since", later}}), Precondition::not_modified);
  EXPECT_EQ(check({{"if-modified-since", earlier}}), Precondition::proceed);
  EXPECT_EQ(check({{"if-modified-since", "nonsense"}}), Precondition::proceed);
  EXPECT_EQ(check({{"if-unmodified-since", same}}), Precondition::proceed);
  EXPECT_EQ(check({{"if-unmodified-since", earlier}}), Precondition::failed);
  EXPECT_EQ(check({{"if-unmodified-since", "nonsense"}}), Precondition::proceed);
}

TEST(Preconditions, TagsGoBeforeDates) {
  EXPECT_EQ(check({{"if-none-match", "\"x\""}, {"if-modified-since", later}}), Precondition::proceed);
  EXPECT_EQ(check({{"if-match", "\"1-2-3\""}, {"if-unmodified-since", earlier}}), Precondition::proceed);
  EXPECT_EQ(check({{"if-match", "\"x\""}, {"if-none-match", "\"1-2-3\""}}), Precondition::failed);
  EXPECT_EQ(check({{"if-none-match", "\"x\""}, {"if-none-match", "\"1-2-3\""}}), Precondition::not_modified);
}

TEST(Preconditions, IfRangeWantsThisVeryState) {
  const auto applies = [](const Fields& fields) { return range_applies(fields, current, now); };
  EXPECT_TRUE(applies({}));
  EXPECT_TRUE(applies({{"if-range", "\"1-2-3\""}}));
  EXPECT_FALSE(applies({{"if-range", "W/\"1-2-3\""}}));
  EXPECT_FALSE(applies({{"if-range", "\"x\""}}));
  EXPECT_TRUE(applies({{"if-range", same}}));
  EXPECT_FALSE(applies({{"if-range", earlier}}));
  EXPECT_FALSE(applies({{"if-range", later}}));
  EXPECT_FALSE(applies({{"if-range", "nonsense"}}));
}

}  // namespace
}  // namespace sallyport::files
