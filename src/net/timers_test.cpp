#include "net/timers.h"

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

constexpr Time start{1000s};

TEST(Timer, FiresOnceAtItsDeadlineAndNotBefore) {
  Timers timers(start);
  std::vector<Time> fired;
  Timer timer(timers, [&](Time now) { fired.push_back(now); });
  EXPECT_EQ(timers.next_deadline(), never);
  timer.arm(start + 5ms);
  EXPECT_EQ(timers.next_deadline(), start + 5ms);
  timers.advance(start + 4ms);
  EXPECT_TRUE(fired.empty());
  timers.advance(start + 5ms);
  timers.advance(start + 6ms);
  EXPECT_EQ(fired, std::vector<Time>{start + 5ms});
  EXPECT_FALSE(timer.armed());
  EXPECT_EQ(timers.next_deadline(), never);
}

TEST(Timer, MovedLaterEarlierAndDisarmed) {
  Timers timers(start);
  int fired = 0;
  Timer timer(timers, [&](Time) { ++fired; });
  timer.arm(start + 10ms);
  timer.arm(start + 20ms);
  timers.advance(start + 15ms);  // looks, fires nothing
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(timers.next_deadline(), start + 20ms);
  timer.arm(start + 17ms);
  EXPECT_EQ(timers.next_deadline(), start + 17ms);
  timer.arm(start + 30ms);
  timer.arm(never);
  EXPECT_FALSE(timer.armed());
  EXPECT_EQ(timers.next_deadline(), never);
  timers.advance(start + 1h);
  EXPECT_EQ(fired, 0);
}

TEST(Timer, TimeNeverGoesBack) {
  Timers timers(start);
  timers.advance(start + 1s);
  timers.set_now(start);
  EXPECT_EQ(timers.now(), start + 1s);
}

TEST(Timer, ArmedForNowInItsOwnCallbackDoesNotHoldTheTurn) {
  Timers timers(start);
  int fired = 0;
  Timer timer(timers, [&](Time now) {
    ++fired;
    timer.arm(now);
  });
  timer.arm(start);
  timers.advance(start);
  EXPECT_EQ(fired, 1);
  timers.advance(start);
  EXPECT_EQ(fired, 2);
}

TEST(Timer, DestroysItselfAndAnotherThatIsDue) {
  Timers timers(start);
  std::vector<int> fired;
  std::unique_ptr<Timer> first;
  std::unique_ptr<Timer> second;
  const auto both = std::make_shared<int>(0);  // the callbacks' own captures must outlive their timers' death
  first = std::make_unique<Timer>(timers, [&, both](Time) {
    first.reset();
    second.reset();
    ++*both;
    fired.push_back(1);
  });
  second = std::make_unique<Timer>(timers, [&](Time) { fired.push_back(2); });
  first->arm(start + 1ms);
  second->arm(start + 1ms);
  timers.advance(start + 2ms);
  EXPECT_EQ(fired, std::vector<int>{1});
  EXPECT_EQ(both.use_count(), 1);
}

// Against the obvious model: any mix of arming, disarming and advancing fires the same timers, in order of
// deadline.
TEST(Timer, RandomOperationsAgreeWithAModel) {
  std::mt19937 random(7);
  Timers timers(start);
  constexpr std::size_t count = 50;
  std::vector<Time> model(count, never);
  std::vector<std::size_t> fired;
  std::vector<std::unique_ptr<Timer>> armed;
  for (std::size_t i = 0; i < count; ++i)
    armed.push_back(std::make_unique<Timer>(timers, [&fired, i](Time) { fired.push_back(i); }));
  Time now = start;
  for (int step = 0; step < 20000; ++step) {
    const std::size_t i = random() % count;
    switch (random() % 4) {
      case 0:
      case 1:
        armed[i]->arm(model[i] = now + std::chrono::microseconds(1 + random() % 100000));
        break;
      case 2:
        armed[i]->disarm(), model[i] = never;
        break;
      case 3: {
        now += std::chrono::microseconds(random() % 5000);
        fired.clear();
        timers.advance(now);
        std::vector<std::size_t> expected;
        for (std::size_t k = 0; k < count; ++k)
          if (model[k] <= now) expected.push_back(k);
        EXPECT_TRUE(std::ranges::is_sorted(fired, {}, [&](std::size_t k) { return model[k]; }));
        std::ranges::sort(fired);
        ASSERT_EQ(fired, expected) << "step " << step;
        for (const std::size_t k : expected) model[k] = never;
        break;
      }
    }
    ASSERT_LE(timers.next_deadline(), std::ranges::min(model));
  }
}

TEST(Deferred, RunsOnceHoweverOftenAskedAndAgainWhenAskedWhileRunning) {
  Timers timers(start);
  int runs = 0;
  Deferred work(timers, [&](Time) {
    if (++runs < 3) work.request();
  });
  work.request();
  work.request();
  EXPECT_TRUE(timers.has_deferred());
  timers.run_deferred();
  EXPECT_EQ(runs, 3);
  EXPECT_FALSE(timers.has_deferred());
  EXPECT_FALSE(work.requested());
  timers.run_deferred();
  EXPECT_EQ(runs, 3);
}

TEST(Deferred, WorkAsksForOtherWorkInTheSameTurn) {
  Timers timers(start);
  std::vector<int> order;
  Deferred second(timers, [&](Time) { order.push_back(2); });
  Deferred first(timers, [&](Time now) {
    EXPECT_EQ(now, start);
    order.push_back(1);
    second.request();
  });
  first.request();
  timers.run_deferred();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Deferred, DestroyedWhileWaitingAndWhileRunning) {
  Timers timers(start);
  std::vector<int> order;
  auto taken_back = std::make_unique<Deferred>(timers, [&](Time) { order.push_back(9); });
  std::unique_ptr<Deferred> self;
  auto later = std::make_unique<Deferred>(timers, [&](Time) { order.push_back(8); });
  self = std::make_unique<Deferred>(timers, [&](Time) {
    self.reset();
    later.reset();
    order.push_back(1);
  });
  taken_back->request();
  self->request();
  later->request();
  taken_back.reset();
  timers.run_deferred();
  EXPECT_EQ(order, std::vector<int>{1});
  EXPECT_FALSE(timers.has_deferred());
}

}  // namespace
}  // namespace sallyport::net
