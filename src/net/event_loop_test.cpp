#include "net/event_loop.h"

#include "net/fd_watch.h"
#include "net/run_until_for_test.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace sallyport::net {
namespace {

Time clock_now() {
  return std::chrono::steady_clock::now();
}

TEST(EventLoop, FiresTimersOnTimeAndToTheMicrosecond) {
  EventLoop loop;
  // A busy machine may be late each time but one; epoll's own time-out would be 0.8 ms late each time.
  int fired = 0;
  bool on_time = false;
  Time expected = clock_now() + 200us;
  Timer exact(loop.timers(), [&](Time now) {
    EXPECT_GE(now, expected);
    on_time = now < expected + 400us;
    if (on_time || ++fired == 5000) return loop.stop();
    exact.arm(expected = now + 200us);
  });
  exact.arm(expected);
  loop.run();
  EXPECT_TRUE(on_time);
}

/// Whether a thread of ours waits in the kernel.
bool is_asleep(pid_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

TEST(EventLoop, WaitsWithoutSpinningAlsoAfterAnAlarmRang) {
  EventLoop loop;
  std::atomic<bool> rang = false;
  Timer first(loop.timers(), [&](Time) { rang = true; });
  first.arm(clock_now() + 1ms);
  bool asleep = false;
  std::thread stopper([&, loops = ::gettid()] {
    const Time end = clock_now() + 20s;
    while (!(asleep = rang && is_asleep(loops)) && clock_now() < end) std::this_thread::yield();
    loop.stop();
  });
  loop.run();
  stopper.join();
  EXPECT_TRUE(asleep);
}

TEST(EventLoop, AnAlarmThatRingsBesideAnotherEventIsNotForgotten) {
  EventLoop loop;
  int fired = 0;
  Timer guard(loop.timers(), [&](Time) { ADD_FAILURE() << "a timer was lost", loop.stop(); });
  Timer quick(loop.timers(), [&](Time now) {
    if (++fired == 2000) return loop.stop();
    quick.arm(now + 20us);
    loop.post([] {});  // an event at about the same time
  });
  guard.arm(clock_now() + 60s);
  quick.arm(clock_now());
  loop.run();
  EXPECT_EQ(fired, 2000);
}

TEST(EventLoop, PostedWorkRunsInALaterTurnInOrderOnTheLoopsThread) {
  EventLoop loop;
  std::vector<int> order;
  const auto self = std::this_thread::get_id();
  Deferred end_of_turn(loop.timers(), [&](Time) { order.push_back(2); });
  loop.post([&] {
    order.push_back(1);
    end_of_turn.request();
    loop.post([&] {
      order.push_back(3);
      std::thread([&] {
        loop.post([&] {
          EXPECT_EQ(std::this_thread::get_id(), self);
          order.push_back(4);
          loop.stop();
        });
      }).join();
    });
  });
  loop.run();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
}

TEST(EventLoop, WorkPostedFromAnotherThreadEndsTheWait) {
  EventLoop loop;
  int rounds = 0;
  std::thread other([&, loops = ::gettid()] {
    for (int i = 0; i < 200; ++i) {
      for (const Time end = clock_now() + 20s; !is_asleep(loops) && clock_now() < end;)
        std::this_thread::yield();
      loop.post([&] { ++rounds; });
    }
    loop.post([&] { loop.stop(); });
  });
  loop.run();
  other.join();
  EXPECT_EQ(rounds, 200);
}

TEST(EventLoop, StopBeforeRunAndRunAgain) {
  EventLoop loop;
  loop.stop();
  loop.run();
  bool ran = false;
  loop.post([&] {
    ran = true;
    loop.stop();
  });
  loop.run();
  EXPECT_TRUE(ran);
}

TEST(EventLoop, HandsOverEverySignal) {
  EventLoop loop;
  int seen = 0;
  loop.on_signals({SIGUSR1}, [&](int signal) {
    EXPECT_EQ(signal, SIGUSR1);
    if (++seen == 2) return loop.stop();
    ::raise(SIGUSR1);
  });
  ::raise(SIGUSR1);
  loop.run();
  EXPECT_EQ(seen, 2);
}

TEST(EventLoop, KeptSignalsDoNothingOnceItIsGone) {
  auto loop = std::make_unique<EventLoop>();
  loop->on_signals({SIGUSR2}, [](int) {});
  loop->keep_signals_from_default();
  loop.reset();
  struct sigaction action{};
  ASSERT_EQ(::sigaction(SIGUSR2, nullptr, &action), 0);
  EXPECT_NE(action.sa_handler, SIG_DFL);
  ::raise(SIGUSR2);  // the default action would end this process
}

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
  Pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0) std::abort();
    ours.reset(fds[0]);
    theirs.reset(fds[1]);
  }
};

struct Watcher final : FdWatcher {
  std::function<void()> readable = [] { ADD_FAILURE() << "not expected to be readable"; };
  std::function<void()> writable = [] { ADD_FAILURE() << "not expected to be writable"; };
  void on_readable() override { readable(); }
  void on_writable() override { writable(); }
};

TEST(FdWatch, ComesBackForWhatWasNotReadAndLetsTimersRunBetween) {
  EventLoop loop;
  Pair pair;
  Watcher watcher;
  FdWatch watch = std::move(*FdWatch::open(loop, std::move(pair.ours), watcher));
  std::string read;
  int turns = 0;
  Deferred turn_end(loop.timers(), [&](Time) { ++turns; });
  watcher.readable = [&] {
    char byte = 0;
    ASSERT_EQ(::read(watch.fd(), &byte, 1), 1);
    read.push_back(byte);
    turn_end.request();
    if (byte == 'c') loop.stop();
  };
  watch.want_readable(true);
  ASSERT_EQ(::write(pair.theirs.get(), "abc", 3), 3);
  loop.run();
  EXPECT_EQ(read, "abc");
  EXPECT_EQ(turns, 3);  // one call a turn, though there was more to read
}

TEST(FdWatch, SaysNothingWhileOffAndGoesOnAfterwards) {
  EventLoop loop;
  Pair pair;
  Watcher watcher;
  FdWatch watch = std::move(*FdWatch::open(loop, std::move(pair.ours), watcher));
  watch.want_readable(true);
  int calls = 0;
  watcher.readable = [&] {
    ++calls;
    watch.want_readable(false);
  };
  ASSERT_EQ(::write(pair.theirs.get(), "abc", 3), 3);
  run_turns(loop, 10);
  EXPECT_EQ(calls, 1);
  watcher.readable = [&] { loop.stop(); };
  watch.want_readable(true);
  loop.run();
}

/// Whether `loop`'s thread, in run(), comes to wait in the kernel.
bool comes_to_rest(EventLoop& loop) {
  bool asleep = false;
  std::thread stopper([&, loops = ::gettid()] {
    const Time end = clock_now() + 20s;
    while (!(asleep = is_asleep(loops)) && clock_now() < end) std::this_thread::yield();
    loop.stop();
  });
  loop.run();
  stopper.join();
  return asleep;
}

TEST(FdWatch, AHangUpThatNobodyAsksForLetsTheLoopRest) {
  EventLoop loop;
  Pair pair;
  Watcher watcher;
  FdWatch watch = std::move(*FdWatch::open(loop, std::move(pair.ours), watcher));
  watcher.readable = [&] { watch.want_readable(false); };
  watch.want_readable(true);
  pair.theirs.reset();
  run_turns(loop, 10);
  EXPECT_TRUE(comes_to_rest(loop));
}

TEST(FdWatch, AHangUpIsToldToWhoWantsToWrite) {
  EventLoop loop;
  Pair pair;
  Watcher watcher;
  FdWatch watch = std::move(*FdWatch::open(loop, std::move(pair.ours), watcher));
  const std::vector<char> much(1 << 20);
  while (::send(watch.fd(), much.data(), much.size(), MSG_NOSIGNAL) > 0) {
  }
  ASSERT_EQ(errno, EAGAIN);
  int calls = 0;
  watcher.writable = [&] { ++calls; };
  watch.want_writable();
  run_turns(loop, 10);
  EXPECT_EQ(calls, 0);
  pair.theirs.reset();
  run_turns(loop, 10);
  EXPECT_EQ(calls, 1);
}

TEST(FdWatch, AClosedOneHearsNothingOfADuplicate) {
  EventLoop loop;
  Pair pair;
  const UniqueFd duplicate(::dup(pair.ours.get()));
  Watcher watcher;
  FdWatch watch = std::move(*FdWatch::open(loop, std::move(pair.ours), watcher));
  watch.want_readable(true);
  run_turns(loop, 2);
  watch.close();
  ASSERT_EQ(::write(pair.theirs.get(), "abc", 3), 3);
  run_turns(loop, 10);  // the watcher would fail the test
  EXPECT_TRUE(comes_to_rest(loop));
}

TEST(FdWatch, ABrokenOneIsToldOnceWithItsOtherCallsGone) {
  EventLoop loop;
  Pair pair;
  Watcher watcher;
  FdWatch watch = std::move(*FdWatch::open(loop, std::move(pair.ours), watcher));
  watch.want_readable(true);
  watch.want_writable();
  int calls = 0;
  watcher.readable = [&] { ++calls, watch.close(); };
  pair.theirs.reset();
  run_turns(loop, 10);
  EXPECT_EQ(calls, 1) << "and none that it is writable";
}

TEST(FdWatch, WritableComesOnceForEachRequest) {
  EventLoop loop;
  Pair pair;
  Watcher watcher;
  FdWatch watch = std::move(*FdWatch::open(loop, std::move(pair.ours), watcher));
  int calls = 0;
  watcher.writable = [&] {
    if (++calls < 3) watch.want_writable();
  };
  watch.want_writable();
  run_turns(loop, 10);
  EXPECT_EQ(calls, 3);
}

TEST(FdWatch, MayBeClosedByItsOwnCallAndByAnothersInTheSameTurn) {
  EventLoop loop;
  Pair first_pair;
  Pair second_pair;
  Watcher watcher;
  FdWatch first = std::move(*FdWatch::open(loop, std::move(first_pair.ours), watcher));
  FdWatch second = std::move(*FdWatch::open(loop, std::move(second_pair.ours), watcher));
  int calls = 0;
  watcher.readable = watcher.writable = [&] {
    ++calls;
    first.close();
    second.close();
  };
  for (FdWatch* watch : {&first, &second}) {
    watch->want_readable(true);
    watch->want_writable();
  }
  ASSERT_EQ(::write(first_pair.theirs.get(), "a", 1), 1);
  ASSERT_EQ(::write(second_pair.theirs.get(), "a", 1), 1);
  run_turns(loop, 10);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(first.fd(), -1);
  char byte = 0;
  EXPECT_EQ(::read(first_pair.theirs.get(), &byte, 1), -1);  // closed with unread bytes: reset
}

TEST(FdWatch, ALoopThatNeverRanFreesWhatWaits) {
  EventLoop loop;
  Pair pair;
  Watcher watcher;
  FdWatch watch = std::move(*FdWatch::open(loop, std::move(pair.ours), watcher));
  watch.want_readable(true);
  watch.want_writable();
}

TEST(FdWatch, RefusesWhatCannotBeWatched) {
  EventLoop loop;
  Watcher watcher;
  const auto watch = FdWatch::open(loop, UniqueFd(1 << 20), watcher);
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().code, static_cast<std::uint64_t>(EBADF));
}

}  // namespace
}  // namespace sallyport::net
