#include "masque/idle_timer.h"

#include <memory>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

constexpr Time start{1000s};

class IdleTimerTest : public testing::Test {
 protected:
  net::Timers timers{start};
  int fired = 0;
  std::unique_ptr<IdleTimer> idle = std::make_unique<IdleTimer>(timers, 120s, [this] { ++fired; });
};

TEST_F(IdleTimerTest, DoesNotRunBeforeTheFirstTouch) {
  timers.advance(start + 1h);
  EXPECT_EQ(fired, 0);
}

TEST_F(IdleTimerTest, FiresOnceWhenNothingPassedForItsTime) {
  idle->touch();
  timers.advance(start + 119s);
  idle->touch();
  timers.advance(start + 238s);
  EXPECT_EQ(fired, 0);
  timers.advance(start + 239s);
  EXPECT_EQ(fired, 1);
  timers.advance(start + 1h);
  EXPECT_EQ(fired, 1);
}

TEST_F(IdleTimerTest, StopsUntilItIsTouchedAgain) {
  idle->touch();
  idle->stop();
  timers.advance(start + 1h);
  EXPECT_EQ(fired, 0);
  idle->touch();
  timers.advance(start + 1h + 120s);
  EXPECT_EQ(fired, 1);
}

TEST_F(IdleTimerTest, MayBeDestroyedByWhatItCalls) {
  idle = std::make_unique<IdleTimer>(timers, 1s, [this] {
    ++fired;
    idle.reset();
  });
  idle->touch();
  timers.advance(start + 1s);
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(idle, nullptr);
}

}  // namespace
}  // namespace sallyport::masque
