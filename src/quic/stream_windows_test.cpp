#include "quic/stream_windows.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

constexpr Time start{};
constexpr Duration round_trip = 100ms;

TEST(StreamWindows, GrowWhileAQuarterIsEmptiedWithinTwoRoundTrips) {
  StreamWindows windows(1000, 3000);
  EXPECT_EQ(windows.consumed(0, 60, start, round_trip), 0u) << "credit goes by more than a sixteenth";
  EXPECT_EQ(windows.consumed(0, 190, start + 150ms, round_trip), 250u + 1000);
  EXPECT_EQ(windows.consumed(0, 120, start + 200ms, round_trip), 0u);
  EXPECT_EQ(windows.consumed(0, 381, start + 500ms, round_trip), 501u) << "too slow to be held back by it";
  EXPECT_EQ(windows.consumed(0, 500, start + 600ms, round_trip), 500u + 1000) << "the bound";
  EXPECT_EQ(windows.consumed(0, 3000, start + 600ms, round_trip), 3000u);
  EXPECT_EQ(windows.consumed(4, 60, start, round_trip), 0u) << "each stream for itself";
}

TEST(StreamWindows, StayAsTheyAreWithoutABoundAndOnUnidirectionalStreams) {
  StreamWindows fixed(1000, 0), windows(1000, 3000);
  EXPECT_EQ(fixed.consumed(0, 1000, start, round_trip), 1000u);
  EXPECT_EQ(windows.consumed(2, 1000, start, round_trip), 1000u);
  EXPECT_FALSE(windows.has(2));
}

TEST(StreamWindows, DoNotGrowBeyondTheLimitOfTheirStream) {
  StreamWindows windows(1000, 100'000);
  windows.lower_limit(4, 1500);
  EXPECT_EQ(windows.consumed(4, 1000, start, round_trip), 1500u);
  EXPECT_EQ(windows.consumed(4, 1500, start, round_trip), 1500u);
  EXPECT_EQ(windows.consumed(0, 1000, start, round_trip), 2000u) << "another stream's do";
}

TEST(StreamWindows, ThatAreTooLargeShrinkAsTheyAreEmptied) {
  StreamWindows windows(1000, 100'000);
  EXPECT_EQ(windows.consumed(0, 1000, start, round_trip), 2000u);
  EXPECT_EQ(windows.consumed(0, 2000, start, round_trip), 4000u);
  windows.lower_limit(0, 10);  // which is less than the least
  EXPECT_EQ(windows.consumed(0, 2500, start, round_trip), 0u);
  EXPECT_EQ(windows.consumed(0, 1000, start, round_trip), 500u);
  EXPECT_EQ(windows.consumed(0, 1000, start, round_trip), 1000u);
}

TEST(StreamWindows, ShrinkByTheCreditThatIsNotGivenYetFirst) {
  StreamWindows windows(1000, 100'000);
  EXPECT_EQ(windows.consumed(0, 1000, start, round_trip), 2000u);
  EXPECT_EQ(windows.consumed(0, 2000, start, round_trip), 4000u);
  EXPECT_EQ(windows.consumed(0, 200, start + 1s, round_trip), 0u);
  windows.lower_limit(0, 1000);
  EXPECT_EQ(windows.consumed(0, 2860, start + 2s, round_trip), 0u) << "3,000 less, 200 of it at once";
  EXPECT_EQ(windows.consumed(0, 900, start + 3s, round_trip), 960u);
}

TEST(StreamWindows, GiveCreditThatIsDueInTheSameTurnTogether) {
  StreamWindows windows(1000, 0);
  EXPECT_EQ(windows.consumed(0, 62, start, round_trip), 0u);
  EXPECT_EQ(windows.consumed(0, 1, start, round_trip), 63u);
  EXPECT_EQ(windows.consumed(0, 20, start, round_trip), 20u);
  EXPECT_EQ(windows.consumed(0, 20, start + 1ms, round_trip), 0u) << "the next turn";
}

// Held back by its window alone: all that was granted arrives each round trip, and is consumed at once.
TEST(StreamWindows, ReachTheirBoundWithinAFewRoundTrips) {
  constexpr std::size_t largest = 16 * 1024 * 1024, packet = 1200;
  std::size_t granted = 256 * 1024, received = 0;
  StreamWindows windows(granted, largest);
  int round_trips = 0;
  for (Time now = start; granted - received < largest; now += round_trip) {
    ASSERT_LT(++round_trips, 6);
    for (const std::size_t end = granted; received < end;) {
      const std::size_t count = std::min(packet, end - received);
      received += count;
      granted += windows.consumed(0, count, now, round_trip);
    }
    EXPECT_LE(granted - received, largest);
  }
}

TEST(StreamWindows, ForgetClosedStreams) {
  StreamWindows windows(1000, 3000);
  for (const StreamId id : {8, 0, 4, 12}) windows.consumed(id, 1, start, round_trip);
  windows.forget(4);
  windows.forget(4);
  EXPECT_FALSE(windows.has(4));
  EXPECT_TRUE(windows.has(0) && windows.has(8) && windows.has(12));
  windows.clear();
  EXPECT_FALSE(windows.has(0));
}

}  // namespace
}  // namespace sallyport::quic
