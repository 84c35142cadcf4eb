#include "client/range_plan.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using ::testing::ElementsAre;
using Wanted = RangePlan::Wanted;

/// All that waits.
std::vector<ByteRange> ranges(RangePlan& plan) {
  std::vector<ByteRange> all;
  while (!plan.empty()) all.push_back(plan.take().range);
  return all;
}

TEST(RangePlan, FirstAsksForAPartWhereSeveralMayRun) {
  const auto first = [](std::size_t at_once, bool splittable) {
    RangePlan plan(at_once, 100);
    EXPECT_TRUE(plan.empty());
    plan.ask_first(splittable);
    const Wanted wanted = plan.take();
    EXPECT_TRUE(plan.empty());
    return wanted;
  };
  EXPECT_EQ(first(4, true).range, (ByteRange{0, 100}));
  EXPECT_TRUE(first(4, true).by_range());
  EXPECT_FALSE(first(4, false).by_range());
  EXPECT_FALSE(first(1, true).by_range());
}

TEST(RangePlan, NoRangesOnceTheyAreGivenUp) {
  RangePlan plan(4, 100);
  plan.ask_missing({}, 1000);
  plan.give_up_ranges();
  EXPECT_TRUE(plan.empty());
  plan.ask_first(true);
  EXPECT_EQ(plan.take(), Wanted{});
  EXPECT_EQ(plan.at_once(), 4u);
}

TEST(RangePlan, SplitsWhatIsMissingEvenly) {
  RangePlan plan(4, 100);
  plan.ask_missing({}, 1000);
  EXPECT_THAT(ranges(plan),
              ElementsAre(ByteRange{0, 250}, ByteRange{250, 500}, ByteRange{500, 750}, ByteRange{750, 1000}));
  plan.ask_missing({{0, 100}}, 1003);  // 903 among four
  EXPECT_THAT(ranges(plan), ElementsAre(ByteRange{100, 326}, ByteRange{326, 552}, ByteRange{552, 778},
                                        ByteRange{778, 1003}));
}

TEST(RangePlan, KeepsToGapsAndToTheSmallestPart) {
  RangePlan plan(4, 100);
  plan.ask_missing({}, 250);
  EXPECT_THAT(ranges(plan), ElementsAre(ByteRange{0, 100}, ByteRange{100, 200}, ByteRange{200, 250}));
  plan.ask_missing({{10, 500}, {700, 990}}, 1000);  // 220 are missing
  EXPECT_THAT(ranges(plan),
              ElementsAre(ByteRange{0, 10}, ByteRange{500, 600}, ByteRange{600, 700}, ByteRange{990, 1000}));
  RangePlan alone(1, 100);
  alone.ask_missing({{400, 500}}, 1000);
  EXPECT_THAT(ranges(alone), ElementsAre(ByteRange{0, 400}, ByteRange{500, 1000}));
}

TEST(RangePlan, NothingMissingIsNothingToAsk) {
  RangePlan plan(4, 100);
  plan.ask_missing({}, 1000);
  plan.ask_missing({{0, 1000}}, 1000);
  EXPECT_TRUE(plan.empty()) << "what waited is replaced";
  plan.ask_missing({}, 0);
  EXPECT_TRUE(plan.empty());
}

TEST(RangePlan, WholeSizesOfAllNumbersAreCovered) {
  for (std::size_t at_once = 1; at_once <= 5; ++at_once)
    for (std::uint64_t size = 0; size < 40; ++size)
      for (std::uint64_t hole = 0; hole < size; ++hole) {
        RangePlan plan(at_once, 3);
        const std::vector<ByteRange> there{{hole, hole + 1}};
        plan.ask_missing(there, size);
        std::vector<ByteRange> all = there;
        std::uint64_t bytes = 1;
        for (const ByteRange& range : ranges(plan)) {
          ASSERT_LT(range.begin, range.end);
          bytes += range.size();
          add_range(all, range);
        }
        ASSERT_THAT(all, ElementsAre(ByteRange{0, size}));
        ASSERT_EQ(bytes, size) << "none twice";
      }
}

TEST(RangePlan, AsksForTheRestOfAShorterAnswerLast) {
  RangePlan plan(2, 100);
  plan.ask_missing({}, 1000);
  const Wanted asked = plan.take();
  plan.ask_rest(asked, 400);
  plan.ask_rest(asked, 500);  // nothing is left of it
  EXPECT_THAT(ranges(plan), ElementsAre(ByteRange{500, 1000}, ByteRange{400, 500}));
}

TEST(RangePlan, AnUnansweredOneIsTriedOnceMoreAndFirst) {
  RangePlan plan(2, 100);
  plan.ask_missing({}, 1000);
  const Wanted asked = plan.take();
  ASSERT_TRUE(asked.may_be_tried_again());
  plan.ask_again(asked);
  EXPECT_EQ(plan.at_once(), 2u);
  const Wanted again = plan.take();
  EXPECT_EQ(again, (Wanted{{0, 500}, 1, 0}));
  EXPECT_FALSE(again.may_be_tried_again());
  EXPECT_TRUE(again.may_wait());
  EXPECT_TRUE(Wanted{}.may_be_tried_again()) << "the whole as well";
}

TEST(RangePlan, ARefusedOneComesFirstAndFewerRunAtOnce) {
  RangePlan plan(3, 100);
  plan.ask_missing({}, 900);
  Wanted asked = plan.take();
  for (unsigned refusals = 1; refusals <= 3; ++refusals) {
    ASSERT_TRUE(asked.may_wait());
    plan.ask_later(asked);
    EXPECT_EQ(plan.at_once(), refusals == 1 ? 2u : 1u);
    asked = plan.take();
    EXPECT_EQ(asked, (Wanted{{0, 300}, 0, refusals}));
  }
  EXPECT_FALSE(asked.may_wait());
  EXPECT_TRUE(asked.may_be_tried_again()) << "refusals are no tries";
  EXPECT_FALSE(Wanted{}.may_wait()) << "nothing else may be there yet";
}

TEST(RangePlan, SplitsByWhatMayRunAtOnceNow) {
  RangePlan plan(3, 100);
  plan.ask_missing({}, 900);
  plan.ask_later(plan.take());
  plan.ask_missing({}, 900);
  EXPECT_THAT(ranges(plan), ElementsAre(ByteRange{0, 450}, ByteRange{450, 900}));
}

}  // namespace
}  // namespace sallyport::client
