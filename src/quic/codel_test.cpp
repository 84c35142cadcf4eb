#include "quic/codel.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Asks each millisecond, with a target of 10 ms and an interval of 100 ms.
struct Queue {
  CoDel codel;
  Time now{1000s};

  /// When heads were dropped while each of them had waited for `sojourn`; in milliseconds from the start.
  std::vector<int> drops(int milliseconds, Duration sojourn = 10ms, bool standing = true) {
    std::vector<int> at;
    for (int i = 0; i < milliseconds; ++i, now += 1ms)
      if (codel.drops(sojourn, standing, 10ms, 100ms, now)) at.push_back(i);
    return at;
  }
};

TEST(CoDel, LeavesAQueueAloneThatIsShortOrOfOnePacket) {
  Queue queue;
  EXPECT_THAT(queue.drops(1000, 10ms - Duration{1}), IsEmpty());
  EXPECT_THAT(queue.drops(1000, 1s, false), IsEmpty());
}

TEST(CoDel, WaitsForAnIntervalAndThenDropsEverMoreOften) {
  Queue queue;
  // Behind the first by 100 ms / sqrt(1), and then by 100 ms / sqrt(2), / sqrt(3) and so on.
  EXPECT_THAT(queue.drops(450), ElementsAre(100, 200, 271, 329, 379, 424));
}

TEST(CoDel, AMomentWithoutAQueueBeginsTheIntervalAnew) {
  Queue queue;
  EXPECT_THAT(queue.drops(99), IsEmpty());
  EXPECT_THAT(queue.drops(1, 0ms), IsEmpty());
  EXPECT_THAT(queue.drops(100), IsEmpty());
  queue.codel.on_short();
  EXPECT_THAT(queue.drops(101), ElementsAre(100));
}

TEST(CoDel, GoesOnAboutWhereItWasWhenTheQueueIsSoonBack) {
  Queue queue;
  EXPECT_THAT(queue.drops(400), ElementsAre(100, 200, 271, 329, 379));
  queue.codel.on_short();
  // Four of those five were more than the series began with: 100 ms / sqrt(4), and then / sqrt(5).
  EXPECT_THAT(queue.drops(160), ElementsAre(100, 150));
  queue.codel.on_short();
  // That series made one more than it began with, which is none to go on with.
  EXPECT_THAT(queue.drops(210), ElementsAre(100, 200));
}

TEST(CoDel, BeginsAnewWhenTheQueueWasAwayForLong) {
  for (const int away : {1400, 1600}) {
    Queue queue;
    EXPECT_THAT(queue.drops(400), ElementsAre(100, 200, 271, 329, 379));
    queue.drops(away, 0ms);
    // The next drop would have been due at 424; 16 intervals later it is forgotten.
    if (away == 1400)
      EXPECT_THAT(queue.drops(160), ElementsAre(100, 150)) << away;
    else
      EXPECT_THAT(queue.drops(210), ElementsAre(100, 200)) << away;
  }
}

}  // namespace
}  // namespace sallyport::quic
