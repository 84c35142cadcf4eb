#include "masque/failed_attempts.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

constexpr Time start{1000s};

ClientKey at(std::string_view address) {
  return ClientKey(net::IpAddress::parse(address).value());
}

/// How many of `tries` attempts are looked at, all of them wrong.
int looked_at(FailedAttempts& failures, const ClientKey& client, Time now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) {
    if (failures.wait(client, now) > Duration{}) continue;
    static std::atomic<std::uint64_t> attempt = 0;
    failures.add(client, ++attempt, now);
    ++count;
  }
  return count;
}

TEST(FailedAttempts, AFewAtOnceThenOneAnInterval) {
  FailedAttempts failures({.burst = 10, .interval = 2s});
  const auto client = at("9.9.9.9");
  EXPECT_EQ(looked_at(failures, client, start, 1000), 10);
  EXPECT_EQ(failures.wait(client, start), 2s);
  EXPECT_EQ(failures.wait(client, start + 1s), 1s);
  EXPECT_EQ(looked_at(failures, client, start + 1999ms, 1000), 0);
  EXPECT_EQ(looked_at(failures, client, start + 2s, 1000), 1);
  // However it is spread, an hour holds no more than that.
  int total = 0;
  for (Time now = start + 2s; now <= start + 3602s; now += 100ms)
    total += looked_at(failures, client, now, 50);
  EXPECT_EQ(total, 1800);
}

TEST(FailedAttempts, TheSameAttemptAgainCountsOnce) {
  FailedAttempts failures({.burst = 10, .interval = 2s});
  const auto client = at("9.9.9.9");
  for (int i = 0; i < 1000; ++i) failures.add(client, 7, start);
  EXPECT_EQ(looked_at(failures, client, start, 1000), 9);
}

TEST(FailedAttempts, WhoIsForgivenIsForgotten) {
  FailedAttempts failures({.burst = 10, .interval = 2s});
  looked_at(failures, at("9.9.9.9"), start, 3);
  failures.forget(start + 1s);
  EXPECT_EQ(failures.size(), 1u);
  failures.forget(start + 6s);
  EXPECT_EQ(failures.size(), 0u);
}

TEST(FailedAttempts, WhoStopsIsForgivenInTime) {
  FailedAttempts failures({.burst = 10, .interval = 2s});
  const auto client = at("9.9.9.9");
  looked_at(failures, client, start, 10);
  EXPECT_EQ(looked_at(failures, client, start + 10s, 1000), 5);
  EXPECT_EQ(looked_at(failures, client, start + 60s, 1000), 10);
}

TEST(FailedAttempts, AnIpv6ClientIsItsSlash64AndOthersAreNotConcerned) {
  FailedAttempts failures;
  looked_at(failures, at("2001:db8:1:2::1"), start, 1000);
  EXPECT_GT(failures.wait(at("2001:db8:1:2:ffff::9"), start), 0s);
  EXPECT_EQ(failures.wait(at("2001:db8:1:3::1"), start), 0s);
  looked_at(failures, at("9.9.9.9"), start, 1000);
  EXPECT_GT(failures.wait(at("::ffff:9.9.9.9"), start), 0s);
  EXPECT_EQ(failures.wait(at("9.9.9.8"), start), 0s);
}

TEST(FailedAttempts, MemoryIsBoundedAndTheRestIsOneCrowd) {
  FailedAttempts failures({.burst = 10, .interval = 2s, .clients = 100, .crowd = 16});
  const auto number = [](int i) {
    return ClientKey(
        net::IpAddress::v4({11, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}));
  };
  int total = 0;
  for (int i = 0; i < 20'000; ++i) total += looked_at(failures, number(i), start, 20);
  EXPECT_EQ(failures.size(), 100u);
  EXPECT_EQ(total, 100 * 10 + 10) << "those that are remembered, and the crowd";
  EXPECT_GT(failures.wait(at("9.9.9.9"), start), 0s);
  EXPECT_EQ(failures.wait(at("9.9.9.9"), start + 2s), 0s);
  // What is forgiven makes room.
  looked_at(failures, at("9.9.9.9"), start + 60s, 1000);
  EXPECT_EQ(failures.size(), 1u);
}

TEST(FailedAttempts, ThreadsTogetherGetNoMoreThanOneEachOnTop) {
  FailedAttempts failures({.burst = 10, .interval = 1h});
  std::atomic<int> total = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { total += looked_at(failures, at("9.9.9.9"), start, 10'000); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(total, 10);
  EXPECT_LE(total, 14);
}

}  // namespace
}  // namespace sallyport::masque
