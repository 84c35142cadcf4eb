// ConnectionIdLayout: a server's connection IDs name their owner: byte 0 is the worker, bytes 1-2 the server,
// all others are random. The steering program in the kernel (net/steering.h), or another server of the
// deployment, hands a stray packet to its owner by them.
#pragma once

#include "base/bytes.h"
#include "base/random.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sallyport::quic {

struct ConnectionIdOwner {
  std::uint16_t server = 0;
  std::uint8_t worker = 0;
  friend bool operator==(const ConnectionIdOwner&, const ConnectionIdOwner&) = default;
};

struct ConnectionIdLayout {
  static constexpr std::size_t length = 8;
  static constexpr std::size_t worker_offset = 0;
  static constexpr std::size_t server_offset = 1;
  static constexpr std::size_t random_offset = 3;
  using Id = std::array<std::uint8_t, length>;

  static Id make(const ConnectionIdOwner& owner, Random& random);
  /// nullopt for IDs of another length, which are not ours.
  static std::optional<ConnectionIdOwner> owner_of(Bytes id);
};

}  // namespace sallyport::quic
