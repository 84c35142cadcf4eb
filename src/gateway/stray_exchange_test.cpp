#include "gateway/stray_exchange.h"

#include <thread>

#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

const net::SocketAddress listener = net::SocketAddress::parse("192.0.2.1:443").value();
const net::NetPath path{net::SocketAddress::parse("192.0.2.1:443").value(),
                        net::SocketAddress::parse("[2001:db8::7]:5000").value()};

Stray stray(Bytes datagram) {
  return {listener, path, datagram, net::Ecn::ect0};
}

TEST(StrayExchange, HandsOverWhatWasSentInOrderAndWakesOnce) {
  StrayExchange exchange(3);
  int woken = 0;
  exchange.set_wake(2, [&] { ++woken; });
  for (std::uint8_t i = 0; i < 5; ++i) exchange.send(i % 2, 2, stray(std::vector<std::uint8_t>(100 + i, i)));
  EXPECT_EQ(woken, 1);
  std::vector<int> seen;
  exchange.receive(2, [&](const Stray& got) {
    EXPECT_EQ(got.listener, listener);
    EXPECT_EQ(got.path, path);
    EXPECT_EQ(got.ecn, net::Ecn::ect0);
    ASSERT_FALSE(got.datagram.empty());
    EXPECT_EQ(got.datagram.size(), 100u + got.datagram[0]);
    seen.push_back(got.datagram[0]);
  });
  EXPECT_EQ(seen, (std::vector{0, 2, 4, 1, 3}));  // one sender after the other
  exchange.receive(2, [](const Stray&) { FAIL() << "handed over twice"; });
  exchange.send(0, 2, stray(std::vector<std::uint8_t>(1)));
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(exchange.counters(2).taken, 6u);
  EXPECT_EQ(exchange.counters(2).dropped, 0u);
}

TEST(StrayExchange, DropsAndCountsWhatDoesNotFit) {
  StrayExchange exchange(2);
  exchange.set_wake(1, [] {});
  const std::vector<std::uint8_t> datagram(1200);
  for (int i = 0; i < 1000; ++i) exchange.send(0, 1, stray(datagram));
  const auto counters = exchange.counters(1);
  EXPECT_GT(counters.taken, 100u);
  EXPECT_GT(counters.dropped, 100u);
  EXPECT_EQ(counters.taken + counters.dropped, 1000u);
  std::uint64_t received = 0;
  exchange.receive(1, [&](const Stray&) { ++received; });
  EXPECT_EQ(received, counters.taken);
}

TEST(StrayExchange, LeavesWhatIsTooMuchForATurnToTheNext) {
  StrayExchange exchange(3);
  int woken = 0;
  exchange.set_wake(2, [&] { ++woken; });
  const std::vector<std::uint8_t> small(20);
  for (int i = 0; i < 1500; ++i) exchange.send(i % 2, 2, stray(small));
  int received = 0;
  const auto count = [&](const Stray&) { ++received; };
  exchange.receive(2, count);
  EXPECT_EQ(received, 1024);
  EXPECT_EQ(woken, 2);
  exchange.receive(2, count);
  EXPECT_EQ(received, 1500);
  EXPECT_EQ(woken, 2);
}

TEST(StrayExchange, LosesNoWakeUpBetweenThreads) {
  constexpr int count = 20'000;
  StrayExchange exchange(3);
  std::atomic<int> calls = 0;
  exchange.set_wake(2, [&] { ++calls, calls.notify_one(); });
  const auto send = [&](unsigned from) {
    for (int i = 0; i < count; ++i) exchange.send(from, 2, stray(std::vector<std::uint8_t>{1}));
    // The last is counted after its wake-up may have been seen.
    ++calls, calls.notify_one();
  };
  std::thread first(send, 0), second(send, 1);
  std::uint64_t received = 0;
  for (int seen = 0;;) {
    const auto counters = exchange.counters(2);
    if (counters.taken + counters.dropped == 2 * count && received == counters.taken) break;
    calls.wait(seen);  // forever, where a wake-up is lost
    seen = calls;
    exchange.receive(2, [&](const Stray&) { ++received; });
  }
  first.join();
  second.join();
}

}  // namespace
}  // namespace sallyport::gateway
