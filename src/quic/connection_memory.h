// ConnectionMemory: the memory of one server connection in ngtcp2; it can be folded while the connection is
// idle. ngtcp2's pools and tables are sized for busy connections: an idle connection holds some 30 KiB, three
// quarters of it zeroes. All of it lies in one region at fixed addresses. fold() copies the region without
// its zeroes and returns the pages to the kernel; unfold() restores them. Used by NativeConnection; the
// regions belong to an Endpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <ngtcp2/ngtcp2.h>

namespace sallyport::quic {

/// Address space in regions of one size, taken from the kernel in larger slabs. Outlives all regions taken
/// from it.
class RegionPool {
 public:
  /// An established connection of ngtcp2 uses 40 KiB of it, one with a hundred streams 60 KiB.
  static constexpr std::size_t region_size = 64 * 1024;

  RegionPool() = default;
  ~RegionPool();
  RegionPool(const RegionPool&) = delete;
  RegionPool& operator=(const RegionPool&) = delete;

  /// Zeroed and page-aligned; null when the kernel has no more memory.
  std::uint8_t* take();
  /// `clean`: the region is all zeroes again.
  void give_back(std::uint8_t* region, bool clean);
  /// Returns the region's pages to the kernel; it then reads as zeroes.
  static void discard(std::uint8_t* region);

  /// Where a region is folded before its size is known.
  std::vector<std::uint64_t> scratch;

 private:
  bool add_slab();

  std::vector<std::uint8_t*> slabs_;
  std::vector<std::uint8_t*> warm_;  // zeroes that have pages behind them
  std::vector<std::uint8_t*> cold_;
};

/// An allocator for one ngtcp2_conn, which must be gone before it. First fit in the region; an allocation
/// that does not fit uses malloc. Free memory in the region is kept zero, apart from the links of the free
/// list.
class ConnectionMemory {
 public:
  explicit ConnectionMemory(RegionPool& pool);
  ~ConnectionMemory();
  ConnectionMemory(const ConnectionMemory&) = delete;
  ConnectionMemory& operator=(const ConnectionMemory&) = delete;

  /// For ngtcp2_conn_server_new. Aligned as malloc's.
  const ngtcp2_mem* native() const { return &native_; }

  /// The allocated memory must not be accessed from here to unfold().
  void fold();
  void unfold();

 private:
  struct Block;
  using Offset = std::uint32_t;

  void* allocate(std::size_t size);
  void free(void* memory);
  void* reallocate(void* memory, std::size_t size);

  Block& at(Offset offset) const;
  Block& block_of(void* memory) const;
  Offset offset_of(const Block& block) const;
  bool owns(const void* memory) const;
  void link(Block& block);
  void unlink(Block& block);
  void split(Block& block, Offset size);

  RegionPool& pool_;
  std::uint8_t* const region_;  // null: everything uses malloc
  Offset top_;                  // end of the memory ever allocated; zeroes from here on
  Offset last_size_ = 0;        // of the block below top_; 0: there is none
  Offset free_list_ = 0;        // the first free block below top_; 0: none
  std::unique_ptr<std::uint64_t[]> folded_;
  ngtcp2_mem native_;
};

}  // namespace sallyport::quic
