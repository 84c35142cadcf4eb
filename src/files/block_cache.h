// BlockCache: the blocks of large files that transfers hold, queued or waiting for acknowledgements: many
// readers of one file share them, instead of a copy each. What nobody holds any more is forgotten soon: that
// is for the kernel's page cache. One for each worker.
#pragma once

#include "base/chunk.h"
#include "files/file_identity.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

namespace sallyport::files {

class BlockCache {
 public:
  static constexpr std::size_t block_size = Chunk::pooled_size;

  /// The block at `at`, a multiple of block_size, of the file in this state; empty where nobody holds it.
  Chunk find(const FileIdentity& file, std::uint64_t at) const;
  /// `block` was read at `at`; the file is settled (is_settled()), and was in this state after the read.
  void keep(const FileIdentity& file, std::uint64_t at, const Chunk& block);
  /// Looks at this many blocks, and forgets those that nobody holds.
  void sweep(std::size_t most);
  /// Forgets all.
  void clear();
  std::size_t size() const { return blocks_.size(); }

 private:
  struct Place {
    std::uint64_t device, inode, at;
    friend bool operator==(const Place&, const Place&) = default;
  };
  struct Hash {
    std::size_t operator()(const Place& place) const;
  };
  struct Block {
    FileIdentity file;
    Chunk bytes;
  };

  std::unordered_map<Place, Block, Hash> blocks_;
  std::deque<Place> order_;  // as sweep() looks at them; one for each block
};

}  // namespace sallyport::files
