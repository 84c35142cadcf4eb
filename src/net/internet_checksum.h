// The Internet checksum: the ones' complement sum of 16-bit words (RFC 1071), its update when a word changes
// (RFC 1624), and the pseudo-header that TCP, UDP and ICMPv6 add to it (RFC 9293 §3.1, RFC 768, RFC 8200
// §8.1). Sums are values in the host's order, words as on the wire read in big-endian order.
#pragma once

#include "base/bytes.h"

#include <cstdint>

namespace sallyport::net {

/// Folds the carries of a sum of 16-bit words back into 16 bits; 0 only where all of them were 0.
constexpr std::uint16_t fold_sum(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

/// The sum of the words of `bytes`, folded, not complemented. Of any length and alignment; a last odd byte is
/// the high half of a word. Sums of parts add up (fold_sum) where all parts but the last are of even length.
std::uint16_t internet_sum(Bytes bytes);

/// The checksum over `bytes`, in which the checksum field is 0, and over what `sum` already holds.
inline std::uint16_t internet_checksum(Bytes bytes, std::uint32_t sum = 0) {
  return static_cast<std::uint16_t>(~fold_sum(std::uint64_t{sum} + internet_sum(bytes)));
}

/// RFC 1624 §3, equation 3: the checksum after one word of what it covers changed.
constexpr std::uint16_t updated_checksum(std::uint16_t checksum, std::uint16_t old_word,
                                         std::uint16_t new_word) {
  return static_cast<std::uint16_t>(
      ~fold_sum(std::uint64_t{0xffffU ^ checksum} + (0xffffU ^ old_word) + new_word));
}

/// The sum of a pseudo-header. `addresses` are source and destination as they lie together in an IP header
/// (8 or 32 bytes); `length` is that of the upper-layer header and payload.
inline std::uint16_t pseudo_header_sum(Bytes addresses, std::uint8_t protocol, std::uint32_t length) {
  return fold_sum(std::uint64_t{internet_sum(addresses)} + protocol + length);
}

}  // namespace sallyport::net
