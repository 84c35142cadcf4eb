#include "content.h"

#include <algorithm>
#include <array>

namespace sallyport::sim {
namespace {

/// Eight bytes of it. (The finalizer of MurmurHash3.)
std::uint64_t word(std::uint64_t index) {
  index ^= index >> 33;
  index *= 0xff51afd7ed558ccd;
  index ^= index >> 33;
  index *= 0xc4ceb9fe1a85ec53;
  return index ^ index >> 33;
}

}  // namespace

void fill_content(std::uint64_t offset, MutableBytes out) {
  std::uint64_t current = word(offset / 8 + 1) >> 8 * (offset % 8);
  for (std::uint8_t& byte : out) {
    byte = static_cast<std::uint8_t>(current);
    current >>= 8;
    if (++offset % 8 == 0) current = word(offset / 8 + 1);
  }
}

void ContentCheck::take(Bytes piece) {
  std::array<std::uint8_t, 4096> expected;
  while (!piece.empty()) {
    const auto part = piece.first(std::min(piece.size(), expected.size()));
    fill_content(bytes_, MutableBytes(expected).first(part.size()));
    intact_ = intact_ && std::equal(part.begin(), part.end(), expected.begin());
    bytes_ += part.size();
    piece = piece.subspan(part.size());
  }
}

}  // namespace sallyport::sim
