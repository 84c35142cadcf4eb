#include "net/signal_inbox.h"

#include <cerrno>
#include <csignal>
#include <memory>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::unique_ptr<SignalInbox> inbox_for(std::initializer_list<int> signals) {
  auto inbox = std::make_unique<SignalInbox>();
  EXPECT_TRUE(inbox->open());
  for (const int signal : signals) EXPECT_TRUE(inbox->watch(signal));
  return inbox;
}

bool is_readable(const SignalInbox& inbox) {
  pollfd entry{.fd = inbox.fd(), .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, 0) == 1;
}

auto action_of(int signal) {
  struct sigaction action{};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler;
}

TEST(SignalInbox, CountsWhatItWatches) {
  const auto inbox = inbox_for({SIGUSR1, SIGUSR2});
  EXPECT_THAT(inbox->take(), IsEmpty());
  ::raise(SIGUSR2);
  ::raise(SIGUSR1);
  ::raise(SIGUSR1);
  EXPECT_TRUE(is_readable(*inbox));
  EXPECT_THAT(inbox->take(), ElementsAre(SIGUSR1, SIGUSR1, SIGUSR2));
  EXPECT_THAT(inbox->take(), IsEmpty());
}

TEST(SignalInbox, EachIsToldOfItsOwn) {
  const auto both = inbox_for({SIGUSR1, SIGUSR2});
  const auto one = inbox_for({SIGUSR1});
  std::thread([] { ::raise(SIGUSR2); }).join();
  ::raise(SIGUSR1);
  EXPECT_THAT(both->take(), ElementsAre(SIGUSR1, SIGUSR2));
  EXPECT_THAT(one->take(), ElementsAre(SIGUSR1));
}

TEST(SignalInbox, TheLastOneGivesBackTheEarlierAction) {
  ASSERT_NE(std::signal(SIGUSR1, SIG_IGN), SIG_ERR);
  auto one = inbox_for({SIGUSR1});
  auto two = inbox_for({SIGUSR1});
  ASSERT_TRUE(two->watch(SIGUSR1)) << "again, which counts once";
  one.reset();
  EXPECT_NE(action_of(SIGUSR1), SIG_IGN);
  two.reset();
  EXPECT_EQ(action_of(SIGUSR1), SIG_IGN);
  ASSERT_NE(std::signal(SIGUSR1, SIG_DFL), SIG_ERR);
}

TEST(SignalInbox, APlaceThatIsUsedAgainHasForgottenWhatCame) {
  auto inbox = inbox_for({SIGUSR1});
  ::raise(SIGUSR1);
  inbox = nullptr;
  inbox = inbox_for({SIGUSR1, SIGUSR2});
  EXPECT_THAT(inbox->take(), IsEmpty());
}

TEST(SignalInbox, SaysWhatItCannotDo) {
  const auto inbox = inbox_for({});
  EXPECT_EQ(inbox->watch(SIGKILL).error().code, static_cast<std::uint64_t>(EINVAL));
  EXPECT_EQ(inbox->watch(0).error().code, static_cast<std::uint64_t>(EINVAL));
  EXPECT_EQ(inbox->watch(65).error().code, static_cast<std::uint64_t>(EINVAL));
  std::vector<std::unique_ptr<SignalInbox>> all;
  bool refused = false;
  while (!refused && all.size() < 100) {
    all.push_back(std::make_unique<SignalInbox>());
    refused = !all.back()->open();
  }
  EXPECT_TRUE(refused);
  EXPECT_FALSE(all.back()->is_open());
  all.clear();
  EXPECT_TRUE(SignalInbox().open());
}

}  // namespace
}  // namespace sallyport::net
