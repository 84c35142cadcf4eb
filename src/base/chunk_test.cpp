#include "base/chunk.h"

#include <algorithm>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport {
namespace {

Chunk filled(std::size_t size, std::uint8_t value) {
  Chunk chunk = Chunk::allocate(size);
  std::ranges::fill(chunk.mutable_bytes(), value);
  return chunk;
}

bool holds_only(const Chunk& chunk, std::uint8_t value) {
  return std::ranges::all_of(chunk.bytes(), [&](std::uint8_t byte) { return byte == value; });
}

TEST(Chunk, EmptyHasNoStorage) {
  Chunk chunk;
  EXPECT_TRUE(chunk.empty());
  EXPECT_TRUE(chunk.mutable_bytes().empty());
  EXPECT_TRUE(Chunk::allocate(0).empty());
  EXPECT_TRUE(Chunk::copy_of({}).empty());
}

TEST(Chunk, IsAsLargeAsAskedInEveryClass) {
  for (const std::size_t size : {1u, 200u, 16384u, 16385u, 65536u, 65537u, 300000u}) {
    Chunk chunk = filled(size, 7);
    EXPECT_EQ(chunk.size(), size);
    EXPECT_TRUE(holds_only(chunk, 7));
  }
}

TEST(Chunk, SlicesShareStorageAndOutliveTheirOrigin) {
  Chunk front;
  Chunk back;
  {
    Chunk whole = Chunk::copy_of(as_bytes("hello world"));
    const std::uint8_t* const data = whole.data();
    front = whole.split_front(5);
    EXPECT_EQ(front.data(), data);
    EXPECT_EQ(whole.data(), data + 5);
    whole.remove_prefix(1);
    back = whole;
  }
  EXPECT_EQ(as_text(front.bytes()), "hello");
  EXPECT_EQ(as_text(back.bytes()), "world");
  back.truncate(2);
  EXPECT_EQ(as_text(back.bytes()), "wo");
}

TEST(Chunk, APooledBufferIsUsedAgainOnlyAfterItsLastSlice) {
  Chunk first = filled(Chunk::pooled_size, 1);
  const std::uint8_t* const data = first.data();
  Chunk slice = first.split_front(10);
  first = Chunk();
  Chunk other = filled(Chunk::pooled_size, 2);
  EXPECT_NE(other.data(), data);
  EXPECT_TRUE(holds_only(slice, 1));
  slice = Chunk();
  EXPECT_EQ(Chunk::allocate(40000).data(), data);
}

/// Also where others allocate as much memory meanwhile.
TEST(Chunk, BuffersThatAreGivenBackAreTheNextOnes) {
  for (const std::size_t size : {std::size_t{100}, Chunk::pooled_size}) {
    constexpr std::size_t count = 20;
    std::vector<Chunk> chunks;
    std::set<const std::uint8_t*> before, after;
    for (std::size_t i = 0; i < count; ++i) before.insert(chunks.emplace_back(Chunk::allocate(size)).data());
    chunks.clear();
    std::vector<std::unique_ptr<std::uint8_t[]>> others;
    for (std::size_t extra = 0; extra < 64; ++extra)
      for (std::size_t i = 0; i < count; ++i)
        others.push_back(
            std::make_unique_for_overwrite<std::uint8_t[]>(std::max<std::size_t>(size, 256) + extra));
    for (std::size_t i = 0; i < count; ++i) after.insert(chunks.emplace_back(Chunk::allocate(size)).data());
    EXPECT_EQ(after, before) << size;
  }
}

TEST(Chunk, MovesLeaveNothingBehind) {
  Chunk from = Chunk::copy_of(as_bytes("abc"));
  Chunk to = std::move(from);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(from.data(), nullptr);
  EXPECT_EQ(as_text(to.bytes()), "abc");
}

TEST(Chunk, MoreThanTheFreeListHoldsAndTheEndOfAThread) {
  std::thread([] {
    std::vector<Chunk> many;
    for (int i = 0; i < 200; ++i) many.push_back(Chunk::allocate(Chunk::pooled_size));
    many.clear();
    thread_local Chunk late;  // may die before or after the free list
    late = Chunk::allocate(Chunk::pooled_size);
  }).join();
  EXPECT_EQ(Chunk::allocate(1).size(), 1u);
}

TEST(Chunk, SharesALargePartOfWhatIsLent) {
  const Chunk read = filled(40000, 7);
  const ChunkLoan loan(read);
  const Bytes all = read.bytes();
  EXPECT_EQ(Chunk::share(all).data(), read.data());
  const Chunk back = Chunk::share(all.subspan(20000));
  EXPECT_EQ(back.data(), read.data() + 20000);
  EXPECT_EQ(back.size(), 20000u);
  EXPECT_TRUE(read.is_shared());
}

TEST(Chunk, CopiesASmallPartAndWhatLiesElsewhere) {
  const Chunk read = filled(40000, 7);
  const Chunk other = filled(40000, 9);
  const ChunkLoan loan(read);
  EXPECT_NE(Chunk::share(read.bytes().first(19999)).data(), read.data());
  EXPECT_NE(Chunk::share(other.bytes()).data(), other.data());
  EXPECT_TRUE(holds_only(Chunk::share(other.bytes()), 9));
  EXPECT_TRUE(Chunk::share({}).empty());
  EXPECT_FALSE(read.is_shared());
}

TEST(Chunk, NeitherEdgeOfWhatIsLentIsPassed) {
  const Chunk whole = filled(40000, 7);
  Chunk middle = whole;
  middle.remove_prefix(1);
  middle.truncate(39998);
  const ChunkLoan loan(middle);
  EXPECT_NE(Chunk::share(whole.bytes().first(39999)).data(), whole.data());
  EXPECT_NE(Chunk::share(whole.bytes().subspan(1)).data(), middle.data());
  EXPECT_EQ(Chunk::share(whole.bytes().subspan(1, 39998)).data(), middle.data());
}

TEST(Chunk, WhatIsLentIsKnownOnlyDuringTheLoan) {
  const Chunk outer = filled(40000, 7);
  const Chunk inner = filled(40000, 9);
  {
    const ChunkLoan loan(outer);
    {
      const ChunkLoan nested(inner);
      EXPECT_EQ(Chunk::share(inner.bytes()).data(), inner.data());
      EXPECT_NE(Chunk::share(outer.bytes()).data(), outer.data());
    }
    EXPECT_EQ(Chunk::share(outer.bytes()).data(), outer.data());
  }
  EXPECT_NE(Chunk::share(outer.bytes()).data(), outer.data());
}

}  // namespace
}  // namespace sallyport
