// ConnectionIdLayout: the server's connection IDs name their owner, so that the kernel's steering program
// (net/steering.h), or another server of the fleet, can hand a stray packet to it: byte 0 is the worker,
// bytes 1-2 the server, the rest random.
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
