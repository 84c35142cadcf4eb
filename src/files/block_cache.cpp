#include "files/block_cache.h"

#include <algorithm>
#include <functional>

namespace sallyport::files {

std::size_t BlockCache::Hash::operator()(const Place& place) const {
  // Blocks of a file lie side by side, and files of a folder have inodes side by side.
  return std::hash<std::uint64_t>()((place.at / block_size * 0x9e3779b97f4a7c15) ^ (place.inode << 20) ^
                                    place.device);
}

Chunk BlockCache::find(const FileIdentity& file, std::uint64_t at) const {
  const auto found = blocks_.find({file.device, file.inode, at});
  return found != blocks_.end() && found->second.file == file ? found->second.bytes : Chunk();
}

void BlockCache::keep(const FileIdentity& file, std::uint64_t at, const Chunk& block) {
  const Place place{file.device, file.inode, at};
  if (blocks_.insert_or_assign(place, Block{file, block}).second) order_.push_back(place);
  // Two for each that comes: so there are never many that nobody holds.
  sweep(2);
}

void BlockCache::sweep(std::size_t most) {
  for (std::size_t left = std::min(most, order_.size()); left > 0; --left) {
    const Place place = order_.front();
    order_.pop_front();
    const auto found = blocks_.find(place);
    if (found->second.bytes.is_shared())
      order_.push_back(place);
    else
      blocks_.erase(found);
  }
}

void BlockCache::clear() {
  blocks_.clear();
  order_.clear();
}

}  // namespace sallyport::files
