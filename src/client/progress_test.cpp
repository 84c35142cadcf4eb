#include "client/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t mib = 1024 * 1024;

TEST(ProgressLine, RatesWhatCameInThisRun) {
  const Progress resumed{.received = 20 * mib, .bytes = 920 * mib, .size = 1000 * mib, .label = "f"};
  EXPECT_THAT(progress_line(resumed, 2, 200), AllOf(HasSubstr(" 92% "), HasSubstr("920.0 MiB"),
                                                    HasSubstr("10.0 MiB/s"), HasSubstr("8 s left")));
}

TEST(ProgressLine, SaysNoShareOfAnUnknownSize) {
  EXPECT_THAT(progress_line({.received = mib, .bytes = mib, .label = "f"}, 1, 200),
              AllOf(HasSubstr("1.0 MiB/s"), Not(HasSubstr("%")), Not(HasSubstr("left"))));
}

TEST(ProgressLine, FitsTheTerminal) {
  EXPECT_EQ(progress_line({.bytes = mib, .size = 2 * mib, .label = "file"}, 1, 10).size(), 10u);
}

}  // namespace
}  // namespace sallyport::client
