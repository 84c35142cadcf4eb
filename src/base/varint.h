// Variable-length integers of QUIC (RFC 9000 §16), also used by HTTP/3, capsules and HTTP datagrams.
#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>

namespace sallyport {

inline constexpr std::uint64_t varint_max = (std::uint64_t{1} << 62) - 1;

/// How many bytes (1, 2, 4 or 8) `value` takes; `value` <= varint_max.
constexpr std::size_t varint_size(std::uint64_t value) {
  return value < 64 ? 1 : value < 16384 ? 2 : value < 1073741824 ? 4 : 8;
}

/// Takes one integer off the front of `in`; nullopt, and `in` unchanged, when it is cut short.
inline std::optional<std::uint64_t> take_varint(Bytes& in) {
  if (in.empty()) return std::nullopt;
  const std::size_t size = std::size_t{1} << (in[0] >> 6);
  if (in.size() < size) return std::nullopt;
  std::uint64_t value = in[0] & 0x3f;
  for (std::size_t i = 1; i < size; ++i) value = value << 8 | in[i];
  in = in.subspan(size);
  return value;
}

/// Writes `value` to the front of `out`, which has room for varint_size(value); returns the bytes written.
inline std::size_t put_varint(MutableBytes out, std::uint64_t value) {
  const std::size_t size = varint_size(value);
  for (std::size_t i = size; i-- > 0; value >>= 8) out[i] = static_cast<std::uint8_t>(value);
  out[0] |= static_cast<std::uint8_t>((size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3) << 6);
  return size;
}

}  // namespace sallyport
