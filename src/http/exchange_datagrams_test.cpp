// HTTP datagrams that are sent as capsules, faster than they leave.
#include "http/exchange_base_for_test.h"

#include <string>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::FakeExchange;
using Bench = test::ExchangeBench;

constexpr quic::DatagramQueueOptions limits;

FakeExchange& open_tunnel(Bench& bench) {
  FakeExchange& exchange = bench.serve(test::extended_connect("connect-udp", "/"));
  exchange.use_capsules();
  exchange.respond({.status = 200}, false);
  return exchange;
}

TEST(ExchangeDatagrams, DatagramsAreDroppedWhereTheQueueIsFull) {
  Bench bench;
  FakeExchange& exchange = open_tunnel(bench);
  const std::string payload(1000, 'x');
  int taken = 0;
  while (exchange.send_datagram({}, as_bytes(payload))) ++taken;
  EXPECT_NEAR(taken, 260, 5);
  EXPECT_EQ(bench.set.counters.datagrams_dropped_queue, 1u);
  EXPECT_FALSE(exchange.send_datagram({}, as_bytes(std::string(65'536, 'x'))));
  EXPECT_EQ(bench.set.counters.datagrams_dropped_size, 1u);
}

/// What is in a stream stays in order, so the newest is what goes.
TEST(ExchangeDatagrams, DatagramsAreDroppedWhileOlderOnesWaitForTooLong) {
  Bench bench;
  FakeExchange& exchange = open_tunnel(bench);
  const std::string payload(1000, 'x');
  ASSERT_TRUE(exchange.send_datagram({}, as_bytes(payload)));  // to a sender that can wait
  const std::size_t one = exchange.queued_bytes();
  bench.clock.pass(limits.sojourn_limit);
  exchange.set_when_full(WhenFull::drop);
  ASSERT_TRUE(exchange.send_datagram({}, as_bytes(payload))) << "not for longer than it may";
  EXPECT_EQ(exchange.queued_bytes(), 2 * one);
  bench.clock.pass(Duration{1});
  exchange.set_when_full(WhenFull::refuse);
  ASSERT_TRUE(exchange.send_datagram({}, as_bytes(payload)));
  EXPECT_EQ(exchange.queued_bytes(), 3 * one);
  exchange.set_when_full(WhenFull::drop);
  EXPECT_TRUE(exchange.send_datagram({}, as_bytes(payload)));
  EXPECT_EQ(exchange.queued_bytes(), 3 * one);
  EXPECT_EQ(bench.served().dropped_sojourn, 1u);
  EXPECT_EQ(bench.set.counters.datagrams_dropped_sojourn, 1u);
  exchange.sent_body(exchange.queue().pop(one).size());
  EXPECT_TRUE(exchange.send_datagram({}, as_bytes(payload)));
  EXPECT_EQ(exchange.queued_bytes(), 3 * one);
  EXPECT_EQ(bench.set.counters.datagrams_out, 4u);
}

TEST(ExchangeDatagrams, AFullQueueRefusesDatagramsWhileItIsFreshAndDropsThemThen) {
  Bench bench;
  FakeExchange& exchange = open_tunnel(bench);
  exchange.set_when_full(WhenFull::drop);
  const std::string payload(1000, 'x');
  while (exchange.send_datagram({}, as_bytes(payload))) {
  }
  EXPECT_EQ(bench.set.counters.datagrams_dropped_queue, 1u);
  bench.clock.pass(limits.fresh);
  EXPECT_FALSE(exchange.send_datagram({}, as_bytes(payload)));
  EXPECT_EQ(bench.set.counters.datagrams_dropped_queue, 2u);
  bench.clock.pass(Duration{1});
  EXPECT_TRUE(exchange.send_datagram({}, as_bytes(payload)));
  EXPECT_EQ(bench.served().dropped_full, 1u);
  while (exchange.queued_bytes() > 0) exchange.sent_body(exchange.queue().pop(10'000).size());
  EXPECT_EQ(bench.served().datagrams_writable, 1);
}

}  // namespace
}  // namespace sallyport::http
