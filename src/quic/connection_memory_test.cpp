// The allocator under ngtcp2: any order of calls leaves contents alone and free memory zero; folding gives
// pages back and loses nothing.
#include "quic/connection_memory.h"

#include "base/random.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

namespace sallyport::quic {
namespace {

constexpr std::size_t page = 4096;

struct Piece {
  std::uint8_t* data;
  std::size_t size;
  std::uint8_t fill;
  bool whole() const {
    return std::all_of(data, data + size, [this](std::uint8_t byte) { return byte == fill; });
  }
};

/// What ngtcp2 does with its memory, and a model of it.
struct User {
  explicit User(RegionPool& pool) : memory(pool) {}

  Piece& allocate(std::size_t size) {
    auto* data = static_cast<std::uint8_t*>(memory.native()->malloc(size, memory.native()->user_data));
    return add(data, size);
  }
  void allocate_zeroes(std::size_t size) {
    auto* data = static_cast<std::uint8_t*>(memory.native()->calloc(size, 1, memory.native()->user_data));
    EXPECT_TRUE(std::all_of(data, data + size, [](std::uint8_t byte) { return byte == 0; }));
    add(data, size);
  }
  void resize(std::size_t index, std::size_t size) {
    Piece piece = take(index);
    auto* data =
        static_cast<std::uint8_t*>(memory.native()->realloc(piece.data, size, memory.native()->user_data));
    EXPECT_TRUE((Piece{data, std::min(size, piece.size), piece.fill}.whole()));
    add(data, size);
  }
  void free(std::size_t index) { memory.native()->free(take(index).data, memory.native()->user_data); }
  void free_all() {
    while (!pieces.empty()) free(pieces.size() - 1);
  }

  ConnectionMemory memory;
  std::vector<Piece> pieces;

 private:
  Piece& add(std::uint8_t* data, std::size_t size) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 16, 0u);
    pieces.push_back({data, size, ++next_fill_});
    std::memset(data, next_fill_, size);
    return pieces.back();
  }
  Piece take(std::size_t index) {
    const Piece piece = pieces[index];
    EXPECT_TRUE(piece.whole());
    pieces[index] = pieces.back();
    pieces.pop_back();
    return piece;
  }
  std::uint8_t next_fill_ = 0;
};

void use_at_random(User& user, SeededRandom& random, int steps, std::size_t most) {
  for (int i = 0; i < steps; ++i) {
    const std::size_t size = 1 + random.below(random.below(8) == 0 ? most : 300);
    switch (user.pieces.empty() ? 0 : random.below(5)) {
      case 0:
        user.allocate(size);
        break;
      case 1:
        user.allocate_zeroes(size);
        break;
      case 2:
        user.resize(random.below(user.pieces.size()), size);
        break;
      default:
        user.free(random.below(user.pieces.size()));
    }
  }
}

TEST(ConnectionMemory, AnyOrderOfCallsLeavesContentsAlone) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    RegionPool pool;
    SeededRandom random(seed);
    {
      User user(pool);
      std::uint8_t* const first = user.allocate(1).data;
      user.free(0);
      use_at_random(user, random, 1000, seed % 2 != 0 ? 3000 : 30'000);
      user.free_all();
      // All the holes have joined up again.
      EXPECT_EQ(user.allocate(60'000).data, first);
      user.free_all();
    }
    std::uint8_t* const region = pool.take();
    EXPECT_TRUE(
        std::all_of(region, region + RegionPool::region_size, [](std::uint8_t byte) { return byte == 0; }));
    pool.give_back(region, true);
  }
}

TEST(ConnectionMemory, WhatIsNotFreedIsNotSeenByTheNextOne) {
  RegionPool pool;
  {
    User(pool).allocate(5000);
  }
  User user(pool);
  user.allocate_zeroes(60'000);
  user.free_all();
}

TEST(ConnectionMemory, FoldsAndUnfoldsAgainAndAgain) {
  RegionPool pool;
  SeededRandom random(7);
  User user(pool);
  for (int i = 0; i < 30; ++i) {
    use_at_random(user, random, 100, 3000);
    user.memory.fold();
    user.memory.unfold();
    for (const Piece& piece : user.pieces) EXPECT_TRUE(piece.whole());
  }
  user.free_all();
}

TEST(ConnectionMemory, FoldingGivesThePagesBack) {
  RegionPool pool;
  User user(pool);
  std::uint8_t* const region = user.allocate(100).data - 16;
  user.allocate(30'000);
  const auto resident = [region] {
    unsigned char pages[RegionPool::region_size / page];
    EXPECT_EQ(::mincore(region, RegionPool::region_size, pages), 0);
    return std::count_if(std::begin(pages), std::end(pages),
                         [](unsigned char bits) { return (bits & 1) != 0; });
  };
  EXPECT_GE(resident(), 7);
  user.memory.fold();
  EXPECT_EQ(resident(), 0);
  user.memory.unfold();
  user.free_all();
}

TEST(ConnectionMemory, WhatDoesNotFitIsElsewhere) {
  RegionPool pool;
  User user(pool);
  for (int i = 0; i < 100; ++i) user.allocate(2000);
  user.allocate(200'000);
  user.resize(0, 100'000);
  user.memory.fold();
  EXPECT_TRUE(user.pieces.back().whole());
  user.memory.unfold();
  for (const Piece& piece : user.pieces) EXPECT_TRUE(piece.whole());
  user.free_all();
}

}  // namespace
}  // namespace sallyport::quic
