#include "masque/datagram_sender.h"

#include "masque/doubles_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using namespace std::string_literals;

class DatagramSenderTest : public testing::Test {
 protected:
  bool send(std::string_view bytes, std::size_t segment_size) {
    return sender.send(exchange, {as_bytes(bytes), segment_size});
  }

  net::Timers timers{Time{1000s}};
  ConnectionForTest connection{timers};
  ExchangeForTest& exchange = connection.receive({});
  DatagramSendCounters counters;
  ByteBudget all{16 * 1024 * 1024};
  ByteBudget budget{2 * 1024 * 1024, &all};
  DatagramSender sender{counters, budget};
};

TEST_F(DatagramSenderTest, SendsEachSegmentWithItsContext) {
  EXPECT_TRUE(send("aabbc", 2));
  EXPECT_EQ(exchange.datagrams, (std::vector{"\0aa"s, "\0bb"s, "\0c"s}));
  EXPECT_EQ(counters.datagrams, 3u);
  EXPECT_EQ(counters.bytes, 5u);
}

TEST_F(DatagramSenderTest, AnEmptyRunIsAnEmptyDatagram) {
  EXPECT_TRUE(send("", 0));
  EXPECT_EQ(exchange.datagrams, std::vector{"\0"s});
}

TEST_F(DatagramSenderTest, HoldsTheRestInOrderAndLosesNothing) {
  exchange.datagram_room = 1;
  EXPECT_FALSE(send("aabbc", 2));
  EXPECT_TRUE(sender.blocked());
  exchange.datagram_room = 1;
  EXPECT_FALSE(send("dd", 2)) << "may not overtake";
  EXPECT_FALSE(send("", 0));
  EXPECT_FALSE(sender.resume(exchange));
  exchange.datagram_room = 10;
  EXPECT_TRUE(sender.resume(exchange));
  EXPECT_EQ(exchange.datagrams, (std::vector{"\0aa"s, "\0bb"s, "\0c"s, "\0dd"s, "\0"s}));
  EXPECT_FALSE(sender.blocked());
  EXPECT_EQ(counters.dropped_queue, 0u);
  EXPECT_EQ(budget.taken(), 0u);
  EXPECT_EQ(all.taken(), 0u);
}

TEST_F(DatagramSenderTest, WhatIsOverTheBudgetIsDroppedAndCounted) {
  ASSERT_TRUE(budget.take(2 * 1024 * 1024 - 3));
  exchange.datagram_room = 0;
  EXPECT_FALSE(send("aabb", 2));
  EXPECT_EQ(counters.dropped_queue, 2u);
  EXPECT_FALSE(send("ccc", 3));
  EXPECT_EQ(budget.taken(), 2u * 1024 * 1024);
  exchange.datagram_room = 10;
  EXPECT_TRUE(sender.resume(exchange));
  EXPECT_EQ(exchange.datagrams, std::vector{"\0ccc"s});
  EXPECT_EQ(budget.taken(), 2u * 1024 * 1024 - 3);
}

// docs/threat-model.md, "unread datagrams".
TEST_F(DatagramSenderTest, WhatOneClientHoldsLeavesTheOthersTheirs) {
  std::vector<std::unique_ptr<DatagramSender>> greedy;
  const std::string run(64 * 1024, 'x');
  exchange.datagram_room = 0;
  for (int i = 0; i < 100; ++i) {
    greedy.push_back(std::make_unique<DatagramSender>(counters, budget));
    for (int batch = 0; batch < 4; ++batch) greedy.back()->send(exchange, {as_bytes(run), 1024});
  }
  EXPECT_EQ(budget.taken(), 2u * 1024 * 1024);
  EXPECT_EQ(counters.dropped_queue, (400u - 32) * 64);
  ByteBudget other{2 * 1024 * 1024, &all};
  DatagramSender innocent(counters, other);
  innocent.send(exchange, {as_bytes(run), 1024});
  EXPECT_EQ(counters.dropped_queue, (400u - 32) * 64);
  greedy.clear();
  EXPECT_EQ(all.taken(), run.size());
}

TEST_F(DatagramSenderTest, OneSenderHoldsAMebibyteAtMost) {
  exchange.datagram_room = 0;
  const std::string run(64 * 1024, 'x');
  for (int i = 0; i < 17; ++i) send(run, 1024);
  EXPECT_EQ(counters.dropped_queue, 64u);
  sender.release();
  EXPECT_EQ(budget.taken(), 0u);
  EXPECT_EQ(all.taken(), 0u);
}

TEST_F(DatagramSenderTest, DropsOnlyWhatIsTooLarge) {
  exchange.max_payload = 3;
  EXPECT_TRUE(send("aaabb", 3));
  EXPECT_EQ(exchange.datagrams, std::vector{"\0bb"s});
  EXPECT_EQ(counters.dropped_size, 1u);
}

}  // namespace
}  // namespace sallyport::masque
