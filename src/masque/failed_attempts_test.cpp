#include "masque/failed_attempts.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

constexpr Time start{1000s};

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}

/// How many of `tries` attempts are looked at, all of them wrong.
int looked_at(FailedAttempts& failures, const net::IpAddress& client, Time now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) {
    if (failures.wait(client, now) > Duration{}) continue;
    failures.add(client, now);
    ++count;
  }
  return count;
}

TEST(FailedAttempts, AFewAtOnceThenOneAnInterval) {
  FailedAttempts failures({.burst = 10, .interval = 2s});
  const auto client = ip("9.9.9.9");
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

TEST(FailedAttempts, WhoStopsIsForgivenInTime) {
  FailedAttempts failures({.burst = 10, .interval = 2s});
  const auto client = ip("9.9.9.9");
  looked_at(failures, client, start, 10);
  EXPECT_EQ(looked_at(failures, client, start + 10s, 1000), 5);
  EXPECT_EQ(looked_at(failures, client, start + 60s, 1000), 10);
}

TEST(FailedAttempts, AnIpv6ClientIsItsSlash64AndOthersAreNotConcerned) {
  FailedAttempts failures;
  looked_at(failures, ip("2001:db8:1:2::1"), start, 1000);
  EXPECT_GT(failures.wait(ip("2001:db8:1:2:ffff::9"), start), 0s);
  EXPECT_EQ(failures.wait(ip("2001:db8:1:3::1"), start), 0s);
  looked_at(failures, ip("9.9.9.9"), start, 1000);
  EXPECT_GT(failures.wait(ip("::ffff:9.9.9.9"), start), 0s);
  EXPECT_EQ(failures.wait(ip("9.9.9.8"), start), 0s);
}

TEST(FailedAttempts, MemoryIsBoundedAndTheRestIsOneCrowd) {
  FailedAttempts failures({.burst = 10, .interval = 2s, .clients = 100, .crowd = 16});
  const auto number = [](int i) {
    return net::IpAddress::v4({11, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
  };
  int total = 0;
  for (int i = 0; i < 20'000; ++i) total += looked_at(failures, number(i), start, 20);
  EXPECT_EQ(failures.size(), 100u);
  EXPECT_EQ(total, 100 * 10 + 10) << "those that are remembered, and the crowd";
  EXPECT_GT(failures.wait(ip("9.9.9.9"), start), 0s);
  EXPECT_EQ(failures.wait(ip("9.9.9.9"), start + 2s), 0s);
  // What is forgiven makes room.
  looked_at(failures, ip("9.9.9.9"), start + 60s, 1000);
  EXPECT_EQ(failures.size(), 1u);
}

TEST(FailedAttempts, ThreadsTogetherGetNoMoreThanOneEachOnTop) {
  FailedAttempts failures({.burst = 10, .interval = 1h});
  std::atomic<int> total = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] { total += looked_at(failures, ip("9.9.9.9"), start, 10'000); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(total, 10);
  EXPECT_LE(total, 14);
}

}  // namespace
}  // namespace sallyport::masque
