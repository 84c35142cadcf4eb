#include "cli/command.h"

#include "net/event_loop.h"

#include <csignal>

#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

TEST(EndBySignals, TakesTheCopyOfASignalForNoSecondOne) {
  std::signal(SIGINT, SIG_DFL);  // in a background job it is ignored
  net::EventLoop loop;
  ExitStatus status;
  int interrupted = 0;
  net::Timer end(loop.timers(), [&](Time) { loop.stop(); });
  end_by_signals(loop, status, [&] {
    if (++interrupted != 1) return;
    end.arm(loop.timers().now() + 100ms);
    // As timeout(1) does, which sends it to the process and to its group.
    std::raise(SIGTERM);
  });
  loop.post([] { std::raise(SIGTERM); });
  loop.run();
  EXPECT_EQ(interrupted, 1);
  EXPECT_EQ(status.signal, SIGTERM);
  // Another kind is no copy.
  loop.post([] { std::raise(SIGINT); });
  end.arm(never);
  loop.run();
  EXPECT_EQ(interrupted, 2);
  EXPECT_EQ(status.signal, SIGINT);
}

}  // namespace
}  // namespace sallyport::cli
