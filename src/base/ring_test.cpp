#include "base/ring.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>

namespace sallyport {
namespace {

bool put(Ring& ring, std::size_t size, std::uint8_t fill) {
  std::uint8_t* out = ring.reserve(size);
  if (!out) return false;
  std::memset(out, fill, size);
  ring.commit(size);
  return true;
}

TEST(Ring, KeepsOrderAndContentAcrossTheWrap) {
  Ring ring(4096);
  std::uint8_t written = 0, read = 0;
  for (int round = 0; round < 1000; ++round) {
    while (put(ring, 1 + (written * 37u) % 700, written)) ++written;
    for (int i = 0; i < 3; ++i) {
      const Bytes record = ring.front();
      ASSERT_EQ(record.size(), 1 + (read * 37u) % 700);
      ASSERT_TRUE(std::ranges::all_of(record, [&](std::uint8_t byte) { return byte == read; }));
      ring.pop();
      ++read;
    }
  }
}

TEST(Ring, RefusesWhatDoesNotFitAndGoesOnAfterwards) {
  Ring ring(4096);
  EXPECT_EQ(ring.reserve(4096), nullptr);  // the size takes room too
  ASSERT_TRUE(put(ring, 2000, 1));
  ASSERT_TRUE(put(ring, 2000, 2));
  EXPECT_TRUE(ring.is_half_full());
  EXPECT_FALSE(put(ring, 2000, 3));
  EXPECT_EQ(ring.front()[0], 1);
  ring.pop();
  EXPECT_TRUE(put(ring, 1500, 4));
  EXPECT_EQ(ring.front()[0], 2);
  ring.pop();
  EXPECT_EQ(ring.front()[0], 4);
  ring.pop();
  EXPECT_TRUE(ring.front().empty());
  EXPECT_FALSE(ring.is_half_full());
}

TEST(Ring, WhatIsReservedAndNotCommittedIsNotThere) {
  Ring ring(4096);
  ASSERT_NE(ring.reserve(1000), nullptr);
  EXPECT_TRUE(ring.front().empty());
  ASSERT_TRUE(put(ring, 10, 7));
  EXPECT_EQ(ring.front().size(), 10u);
}

TEST(Ring, CarriesEverythingBetweenTwoThreads) {
  Ring ring(8192);
  constexpr std::uint64_t count = 200'000;
  std::jthread producer([&ring] {
    for (std::uint64_t i = 0; i < count;) {
      const std::size_t size = 8 + i % 90;
      std::uint8_t* out = ring.reserve(size);
      if (!out) {
        std::this_thread::yield();
        continue;
      }
      std::memcpy(out, &i, sizeof i);
      ring.commit(size);
      ++i;
    }
  });
  for (std::uint64_t expected = 0; expected < count;) {
    const Bytes record = ring.front();
    if (record.empty()) {
      std::this_thread::yield();
      continue;
    }
    std::uint64_t got = 0;
    std::memcpy(&got, record.data(), sizeof got);
    ASSERT_EQ(got, expected);
    ASSERT_EQ(record.size(), 8 + expected % 90);
    ring.pop();
    ++expected;
  }
}

}  // namespace
}  // namespace sallyport
