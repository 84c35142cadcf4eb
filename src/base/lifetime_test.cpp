#include "base/lifetime.h"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport {
namespace {

TEST(LifetimeWatch, LearnsOfTheEndAndOnlyOfTheEnd) {
  auto lifetime = std::make_unique<Lifetime>();
  const Lifetime::Watch watch(*lifetime);
  const Lifetime::Guard guard(*lifetime);
  EXPECT_FALSE(watch.gone());
  lifetime.reset();
  EXPECT_TRUE(watch.gone());
  EXPECT_TRUE(guard.gone());
}

TEST(LifetimeWatch, ACopyWatchesTheSameObject) {
  auto first = std::make_unique<Lifetime>();
  auto second = std::make_unique<Lifetime>();
  const Lifetime::Watch original(*first);
  Lifetime::Watch copy = original;
  Lifetime::Watch assigned(*second);
  assigned = original;
  second.reset();
  EXPECT_FALSE(assigned.gone());
  first.reset();
  EXPECT_TRUE(copy.gone());
  EXPECT_TRUE(assigned.gone());
  const Lifetime::Watch of_none = copy;
  EXPECT_TRUE(of_none.gone()) << "a copy of one whose object is gone";
  copy = of_none;
  EXPECT_TRUE(copy.gone());
}

TEST(LifetimeWatch, AnyOfThemMayEndBeforeTheObject) {
  auto lifetime = std::make_unique<Lifetime>();
  for (std::size_t ends_first = 0; ends_first < 3; ++ends_first) {
    std::vector<std::optional<Lifetime::Watch>> watches(3);
    for (auto& watch : watches) watch.emplace(*lifetime);
    watches[ends_first].reset();
    if (ends_first == 2) lifetime.reset();
    for (std::size_t i = 0; i < watches.size(); ++i)
      EXPECT_TRUE(i == ends_first || watches[i]->gone() == (ends_first == 2)) << i;
  }
}

TEST(LifetimeWatch, KeepsALateCallbackFromTheObject) {
  struct Asker {
    std::function<void()> question() {
      return [this, watch = Lifetime::Watch(lifetime)] {
        if (!watch.gone()) ++answers;
      };
    }
    int answers = 0;
    Lifetime lifetime;
  };
  auto asker = std::make_unique<Asker>();
  const std::function<void()> answer = asker->question();
  const std::function<void()> moved_about = answer;
  answer();
  EXPECT_EQ(asker->answers, 1);
  asker.reset();
  answer();
  moved_about();
}

}  // namespace
}  // namespace sallyport
