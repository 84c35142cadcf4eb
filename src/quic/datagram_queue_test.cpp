// DatagramQueue: order, fairness, bounds in time and bytes, refusal, and that all memory comes back.
#include "quic/datagram_queue.h"

#include "base/random.h"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

constexpr WhenFull refuse = WhenFull::refuse, drop = WhenFull::drop;

/// A queue, its clock, and what it dropped.
struct Bench : DatagramDropListener {
  void on_datagram_dropped(StreamId flow, DatagramDrop why) override {
    ++(why == DatagramDrop::sojourn ? late : crowded)[flow];
  }
  bool push(StreamId flow, std::size_t size, WhenFull when_full = refuse) {
    return queue.push(flow, when_full, {},
                      as_bytes(std::string(size, static_cast<char>('a' + flow / 4 % 26))), now);
  }
  std::size_t fill(StreamId flow, std::size_t size, WhenFull when_full = refuse) {
    std::size_t taken = 0;
    while (push(flow, size, when_full)) ++taken;
    return taken;
  }
  /// The next one, as text; "(none)" where there is none.
  std::string take() {
    const auto next = queue.front(now);
    if (!next) return "(none)";
    std::string text(as_text(*next));
    queue.pop();
    return text;
  }
  void expect_empty() {
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.bytes(), 0u);
    EXPECT_EQ(queue.held_bytes(), 0u);
  }

  DatagramQueueOptions options;
  std::map<StreamId, int> late, crowded;
  DatagramQueue queue{options, *this};
  Time now{1h};
};

TEST(DatagramQueue, KeepsOrderAcrossBlocks) {
  Bench bench;
  bench.options.bytes = 10'000'000;
  SeededRandom random(1);
  std::vector<std::string> expected;
  std::size_t bytes = 0;
  for (int i = 0; i < 500; ++i) {
    const std::string payload(random.below(3000), static_cast<char>('a' + i % 26));
    ASSERT_TRUE(bench.queue.push(0, refuse, as_bytes("ab"), as_bytes(payload), bench.now));
    expected.push_back("ab" + payload);
    bytes += payload.size() + 2;
  }
  EXPECT_EQ(bench.queue.bytes(), bytes);
  EXPECT_GT(bench.queue.held_bytes(), bytes);
  for (const std::string& payload : expected) ASSERT_EQ(bench.take(), payload);
  bench.expect_empty();
}

TEST(DatagramQueue, TakesTheLargestPayloadAndNoLarger) {
  Bench bench;
  EXPECT_TRUE(bench.push(0, DatagramQueue::max_payload));
  EXPECT_FALSE(bench.push(0, DatagramQueue::max_payload + 1));
  EXPECT_EQ(bench.queue.refused(), 0u);
  EXPECT_EQ(bench.take().size(), DatagramQueue::max_payload);
}

TEST(DatagramQueue, EmptyPayloadsAreDatagramsToo) {
  Bench bench;
  ASSERT_TRUE(bench.push(0, 0));
  EXPECT_EQ(bench.queue.count(), 1u);
  EXPECT_EQ(bench.take(), "");
  bench.expect_empty();
}

TEST(DatagramQueue, FlowsShareByBytes) {
  Bench bench;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(bench.push(0, 1200));
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(bench.push(4, 300));
  std::map<char, std::size_t> bytes;
  for (int i = 0; i < 250; ++i) {
    const std::string next = bench.take();
    bytes[next[0]] += next.size();
  }
  EXPECT_NEAR(static_cast<double>(bytes['a']) / static_cast<double>(bytes['b']), 1, 0.15);
}

TEST(DatagramQueue, AFlowThatBeginsIsNotBehindALongOne) {
  Bench bench;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(bench.push(0, 1200));
  for (int i = 0; i < 10; ++i) bench.take();
  ASSERT_TRUE(bench.push(4, 100));
  EXPECT_EQ(bench.take(), std::string(100, 'b'));
}

/// Or it would be first again and again (RFC 8290 §4.2).
TEST(DatagramQueue, AFlowThatBeginsAgainWaitsForTheOthers) {
  Bench bench;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(bench.push(0, 1200));
  std::map<char, std::size_t> datagrams;
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(bench.push(4, 1200));
    ++datagrams[bench.take()[0]];
  }
  EXPECT_GE(datagrams['a'], 25u);
}

TEST(DatagramQueue, TwoThousandFlowsAreServedInTurnAndForgotten) {
  Bench bench;
  bench.options.bytes = 10'000'000;
  for (int round = 0; round < 2; ++round)
    for (StreamId flow = 0; flow < 8000; flow += 4) ASSERT_TRUE(bench.push(flow, 1480));
  for (StreamId flow = 0; flow < 8000; flow += 4)
    ASSERT_EQ(bench.take()[0], static_cast<char>('a' + flow / 4 % 26));
  while (!bench.queue.empty()) bench.take();
  bench.expect_empty();
  bench.queue.release();
  ASSERT_TRUE(bench.push(12, 7));
  EXPECT_EQ(bench.take(), "ddddddd");
}

TEST(DatagramQueue, NothingOlderThanTheLimitLeaves) {
  Bench bench;
  bench.options.sojourn_limit = 100ms;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(bench.push(0, 1000, drop));
    bench.now += 20ms;
  }
  EXPECT_EQ(bench.queue.sojourn(bench.now), 200ms);
  ASSERT_TRUE(bench.queue.front(bench.now));
  EXPECT_LE(bench.queue.sojourn(bench.now), 100ms);
  EXPECT_GE(bench.late[0], 5);
  bench.now += 1s;
  EXPECT_EQ(bench.take(), "(none)");
  EXPECT_EQ(bench.late[0], 10);
  bench.expect_empty();
}

TEST(DatagramQueue, TheLimitIsARoundTripWhereThatIsLonger) {
  Bench bench;
  bench.options.sojourn_limit = 100ms;
  bench.queue.set_round_trip(300ms);
  ASSERT_TRUE(bench.push(0, 1000, drop));
  bench.now += 290ms;
  EXPECT_TRUE(bench.queue.front(bench.now));
  bench.now += 20ms;
  EXPECT_FALSE(bench.queue.front(bench.now));
}

TEST(DatagramQueue, WhoCanWaitLosesNothing) {
  Bench bench;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(bench.push(0, 1000));
  bench.now += 10s;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(bench.take().size(), 1000u);
  EXPECT_TRUE(bench.late.empty());
}

/// Twice as much comes as leaves: CoDel drops ever more often, at the head, long before the limit.
TEST(DatagramQueue, AStandingQueueLosesSomeEarly) {
  Bench bench;
  Duration longest{};
  for (int ms = 0; ms < 10'000; ++ms) {
    bench.now += 1ms;
    // 8% more than leaves.
    for (int i = 0; i < (ms % 12 == 0 ? 2 : 1); ++i) bench.push(0, 1200, drop);
    if (ms > 5000) longest = std::max(longest, bench.queue.sojourn(bench.now));
    bench.take();
  }
  EXPECT_GT(bench.late[0], 500);
  EXPECT_LT(longest, 90ms);
}

TEST(DatagramQueue, AShortQueueLosesNothing) {
  Bench bench;
  for (int round = 0; round < 1000; ++round) {
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(bench.push(0, 1200, drop));
    for (int i = 0; i < 8; ++i) {
      bench.now += 1ms;
      ASSERT_EQ(bench.take().size(), 1200u);
    }
  }
  EXPECT_TRUE(bench.late.empty());
}

TEST(DatagramQueue, AFullFlowLosesItsOldest) {
  Bench bench;
  bench.options.bytes = 100'000;
  const std::size_t taken = bench.fill(0, 1000, drop);  // refused while they are fresh
  EXPECT_EQ(taken, 50u);
  EXPECT_EQ(bench.queue.refused(), 1u);
  bench.now += 6ms;
  EXPECT_TRUE(bench.push(0, 1000, drop));
  EXPECT_EQ(bench.crowded[0], 1);
  EXPECT_EQ(bench.queue.bytes(), 50'000u);
  EXPECT_EQ(bench.queue.sojourn(bench.now), 6ms);
}

TEST(DatagramQueue, AFullFlowBlocksNoOther) {
  Bench bench;
  bench.options.bytes = 100'000;
  bench.fill(0, 1000);
  EXPECT_TRUE(bench.push(4, 1000));
  EXPECT_FALSE(bench.push(0, 1000));
  bench.fill(4, 1000);
  EXPECT_TRUE(bench.push(8, 1000));
  for (StreamId flow = 8; flow < 8000; flow += 4) bench.fill(flow, 1000);
  EXPECT_LE(bench.queue.bytes(), 100'000u);
}

TEST(DatagramQueue, BlocksArePinnedOnlyUpToABound) {
  Bench bench;
  bench.options.bytes = 200'000;
  // Each block keeps one datagram of a flow that is not served, as another one is always first.
  for (int i = 0; i < 100'000; ++i) {
    bench.push(4 * (i % 50), i % 50 == 0 ? 100 : 1400);
    if (i % 3 == 0) bench.take();
    bench.now += 1us;
    ASSERT_LE(bench.queue.held_bytes(), 2 * 200'000 + 2 * Chunk::pooled_size);
  }
  while (!bench.queue.empty()) bench.take();
  bench.expect_empty();
}

TEST(DatagramQueue, TellsARefusedFlowOnceOfRoom) {
  Bench bench;
  bench.options.bytes = 2000;
  EXPECT_FALSE(bench.queue.take_writable(bench.now));
  EXPECT_EQ(bench.fill(8, 100), 10u);
  EXPECT_FALSE(bench.queue.take_writable(bench.now));
  for (int i = 0; i < 3; ++i) bench.take();
  EXPECT_FALSE(bench.queue.take_writable(bench.now));
  bench.take();
  EXPECT_EQ(bench.queue.take_writable(bench.now), 8);
  EXPECT_FALSE(bench.queue.take_writable(bench.now));
}

TEST(DatagramQueue, RefusedFlowsAreToldInTurn) {
  Bench bench;
  bench.options.bytes = 2000;
  for (const StreamId flow : {0, 4, 8}) bench.fill(flow, 100);
  bench.queue.rotate_refused(4);  // does not lead the list
  bench.queue.rotate_refused(0);
  while (!bench.queue.empty()) bench.take();
  EXPECT_EQ(bench.queue.take_writable(bench.now), 4);
  EXPECT_EQ(bench.queue.take_writable(bench.now), 8);
  EXPECT_EQ(bench.queue.take_writable(bench.now), 0);
  EXPECT_EQ(bench.queue.refused(), 0u);
  bench.queue.rotate_refused(0);
  EXPECT_FALSE(bench.queue.take_writable(bench.now));
}

TEST(DatagramQueue, WhoCanWaitIsRefusedWhileItsOldestWaits) {
  Bench bench;
  ASSERT_TRUE(bench.push(0, 1000));
  ASSERT_TRUE(bench.push(0, 1000));
  bench.now += 25ms;
  EXPECT_FALSE(bench.push(0, 1000));
  EXPECT_FALSE(bench.queue.take_writable(bench.now));
  EXPECT_TRUE(bench.push(4, 1000));  // another flow
  while (!bench.queue.empty()) bench.take();
  EXPECT_EQ(bench.queue.take_writable(bench.now), 0);
  EXPECT_TRUE(bench.push(0, 1000));
  bench.take();
  bench.expect_empty();
}

TEST(DatagramQueue, WhoCannotWaitIsNotRefusedForLong) {
  Bench bench;
  bench.options.bytes = 100'000;
  bench.fill(0, 1000, drop);
  EXPECT_FALSE(bench.queue.take_writable(bench.now));
  bench.now += 5ms;
  EXPECT_EQ(bench.queue.take_writable(bench.now), 0);
  EXPECT_EQ(bench.fill(0, 1000, drop) > 0, true);
}

TEST(DatagramQueue, AllGoesWhenItIsCleared) {
  Bench bench;
  bench.options.bytes = 2000;
  for (StreamId flow = 0; flow < 400; flow += 4) bench.fill(flow, 100);
  bench.queue.clear();
  bench.expect_empty();
  EXPECT_EQ(bench.queue.refused(), 0u);
  EXPECT_TRUE(bench.push(4, 100));
  EXPECT_EQ(bench.take().size(), 100u);
}

/// Any order of calls: nothing is lost but what is counted, and all memory comes back.
TEST(DatagramQueue, CountsWhatItDrops) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Bench bench;
    bench.options.bytes = 60'000;
    SeededRandom random(seed);
    std::uint64_t in = 0, out = 0;
    for (int i = 0; i < 20'000; ++i) {
      const auto flow = static_cast<StreamId>(4 * random.below(12));
      if (random.below(2) == 0) in += bench.push(flow, random.below(1500), flow < 24 ? drop : refuse);
      if (random.below(3) == 0 && bench.queue.front(bench.now)) {
        bench.queue.pop();
        ++out;
      }
      if (random.below(4) == 0) bench.now += Duration(random.below(3'000'000));
      if (random.below(20) == 0) bench.queue.take_writable(bench.now);
      ASSERT_LE(bench.queue.bytes(), 60'000u);
    }
    std::uint64_t dropped = 0;
    for (const auto* const reasons : {&bench.late, &bench.crowded})
      for (const auto& [flow, count] : *reasons) {
        EXPECT_LT(flow, 24);
        dropped += static_cast<std::uint64_t>(count);
      }
    EXPECT_GT(dropped, 0u);
    EXPECT_EQ(in, out + dropped + bench.queue.count());
    while (bench.queue.front(bench.now)) bench.queue.pop();
    bench.expect_empty();
  }
}

}  // namespace
}  // namespace sallyport::quic
