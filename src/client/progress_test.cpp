#include "client/progress.h"

#include "base/unique_fd.h"
#include "client/terminal_for_test.h"

#include <string>
#include <vector>

#include <fcntl.h>
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

class ProgressBarTest : public testing::Test, protected test::Terminal {
 protected:
  void pass(Duration span) { timers.advance(timers.now() + span); }

  net::Timers timers{Time{1000s}};
};

/// As wide as the terminal but for one column; 80 where it does not say, or says what no line fits in.
TEST_F(ProgressBarTest, DrawsItsLineInTheTerminalsWidth) {
  std::vector<std::size_t> widths;
  std::vector<double> times;
  ProgressBar bar(
      timers,
      [&](double elapsed, std::size_t width) {
        times.push_back(elapsed);
        widths.push_back(width);
        return std::string("a line");
      },
      250ms);
  bar.start();
  EXPECT_EQ(shown(), "");
  for (const unsigned short columns : {132, 50, 21, 20, 0}) {
    set_columns(columns);
    pass(249ms);
    EXPECT_EQ(shown(), "");
    pass(1ms);
    EXPECT_EQ(shown(), "\ra line\x1b[K");
  }
  EXPECT_THAT(widths, testing::ElementsAre(131, 49, 20, 79, 79));
  EXPECT_THAT(times, testing::ElementsAre(0.25, 0.5, 0.75, 1, 1.25));
}

TEST_F(ProgressBarTest, ClearsWhatItDrew) {
  ProgressBar bar(timers, [](double, std::size_t) { return std::string("a line"); }, 250ms);
  bar.start();
  bar.erase();
  EXPECT_EQ(shown(), "");
  pass(250ms);
  EXPECT_EQ(shown(), "\ra line\x1b[K");
  bar.erase();
  bar.erase();
  EXPECT_EQ(shown(), "\r\x1b[K");
  pass(250ms);
  EXPECT_EQ(shown(), "\ra line\x1b[K");
  bar.stop();
  EXPECT_EQ(shown(), "\r\x1b[K");
  pass(10s);
  EXPECT_EQ(shown(), "");
}

TEST_F(ProgressBarTest, DrawsNothingWhereThereIsNoTerminal) {
  const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  replace_stderr(nowhere.get());
  int asked = 0;
  ProgressBar bar(timers, [&](double, std::size_t) {
    ++asked;
    return std::string();
  });
  bar.start();
  pass(10s);
  EXPECT_EQ(asked, 0);
}

}  // namespace
}  // namespace sallyport::client
