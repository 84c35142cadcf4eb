#include "files/block_cache.h"

#include <vector>

#include <gtest/gtest.h>

namespace sallyport::files {
namespace {

constexpr auto size = BlockCache::block_size;

FileIdentity state(std::uint64_t inode, std::uint64_t length = 10 * size) {
  FileIdentity identity;
  identity.device = 1;
  identity.inode = inode;
  identity.size = length;
  return identity;
}

TEST(BlockCache, FindsWhatWasReadOfThatFileInThatState) {
  BlockCache cache;
  const Chunk block = Chunk::allocate(size);
  cache.keep(state(7), size, block);
  EXPECT_EQ(cache.find(state(7), size).data(), block.data());
  EXPECT_TRUE(cache.find(state(7), 0).empty());
  EXPECT_TRUE(cache.find(state(8), size).empty());
  EXPECT_TRUE(cache.find(state(7, 9 * size), size).empty());
}

TEST(BlockCache, AnotherStateTakesTheBlocksPlace) {
  BlockCache cache;
  const Chunk before = Chunk::allocate(size), after = Chunk::allocate(size);
  cache.keep(state(7), 0, before);
  cache.keep(state(7, size), 0, after);
  EXPECT_TRUE(cache.find(state(7), 0).empty());
  EXPECT_EQ(cache.find(state(7, size), 0).data(), after.data());
  EXPECT_EQ(cache.size(), 1u);
}

TEST(BlockCache, ForgetsWhatNobodyHolds) {
  BlockCache cache;
  std::vector<Chunk> held;
  for (std::uint64_t i = 0; i < 100; ++i) {
    held.push_back(Chunk::allocate(size));
    cache.keep(state(7), i * size, held.back());
  }
  EXPECT_EQ(cache.size(), 100u);
  held.erase(held.begin() + 50, held.end());
  cache.sweep(100);
  EXPECT_EQ(cache.size(), 50u);
  EXPECT_FALSE(cache.find(state(7), 49 * size).empty());
  EXPECT_TRUE(cache.find(state(7), 50 * size).empty());
  cache.clear();
  EXPECT_EQ(cache.size(), 0u);
  cache.keep(state(7), 0, held.front());
  EXPECT_EQ(cache.size(), 1u);
}

TEST(BlockCache, BlocksThatPassThroughDoNotPileUp) {
  BlockCache cache;
  for (std::uint64_t i = 0; i < 1000; ++i) cache.keep(state(7), i * size, Chunk::allocate(size));
  EXPECT_LE(cache.size(), 2u);
}

}  // namespace
}  // namespace sallyport::files
