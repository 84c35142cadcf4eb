#include "net/internet_checksum.h"

#include <array>
#include <bit>
#include <cstring>

namespace sallyport::net {
namespace {

template <class Word>
std::uint64_t load(const std::uint8_t* at) {
  Word word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Adds with the end-around carry, which keeps the value modulo 2^16 - 1, as 2^64 - 1 is a multiple of it.
inline void add(std::uint64_t& sum, std::uint64_t word) {
  sum += word;
  sum += sum < word ? 1 : 0;
}

}  // namespace

// In the machine's own byte order, and swapped once at the end: the sum does not mind (RFC 1071 §2 (B)).
std::uint16_t internet_sum(Bytes bytes) {
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t sum = 0;
  if (left >= 32) {
    // Four sums, as each addition waits for the carry of the one before.
    std::array<std::uint64_t, 4> lanes{};
    for (; left >= 32; at += 32, left -= 32) {
      add(lanes[0], load<std::uint64_t>(at));
      add(lanes[1], load<std::uint64_t>(at + 8));
      add(lanes[2], load<std::uint64_t>(at + 16));
      add(lanes[3], load<std::uint64_t>(at + 24));
    }
    add(lanes[0], lanes[1]);
    add(lanes[2], lanes[3]);
    add(lanes[0], lanes[2]);
    sum = lanes[0];
  }
  for (; left >= 8; at += 8, left -= 8) add(sum, load<std::uint64_t>(at));
  if (left >= 4) {
    add(sum, load<std::uint32_t>(at));
    at += 4;
    left -= 4;
  }
  if (left >= 2) {
    add(sum, load<std::uint16_t>(at));
    at += 2;
    left -= 2;
  }
  if (left == 1) {
    const std::array<std::uint8_t, 2> last{*at, 0};
    add(sum, load<std::uint16_t>(last.data()));
  }
  const std::uint16_t folded = fold_sum(sum);
  if constexpr (std::endian::native == std::endian::big) return folded;
  return static_cast<std::uint16_t>(folded << 8 | folded >> 8);
}

}  // namespace sallyport::net
