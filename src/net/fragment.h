// Fragmenter: cuts an IPv4 packet that a path is too small for, and that permits it, into fragments (RFC 791
// §2.3, §3.2), as a router does. For a tunnel's end; IPv6 is never fragmented on its way. Each fragment is
// built where the caller wants it, in one copy.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>

namespace sallyport::net {

enum class FragmentError : std::uint8_t {
  malformed,  ///< no IP packet, or one with impossible options, or that would end beyond 65,535 bytes
  forbidden,  ///< it is too large and IPv6, or has DF: answer with Packet Too Big
  too_small,  ///< the path takes not even a header and 8 bytes; 68 are always enough
};

class Fragmenter {
 public:
  /// Into packets of at most `max_packet` bytes, with their headers. The packet may itself be a fragment, and
  /// has a complete checksum. One that fits is copied as it is, whatever it is. Keeps `packet`.
  static std::expected<Fragmenter, FragmentError> make(Bytes packet, std::size_t max_packet);

  /// How many packets there are, at least 1.
  std::size_t count() const;
  /// Bytes of the next packet; 0 when there is none left.
  std::size_t next_size() const;
  /// Writes the next packet to `out`, which has room for next_size(), and does not overlap the packet.
  void write_next(std::uint8_t* out);

 private:
  Fragmenter() = default;
  std::expected<void, FragmentError> keep_copied_options(Bytes options);
  std::size_t header_size() const { return at_ == 0 ? first_header_size_ : later_header_size_; }

  Bytes packet_;
  std::size_t max_packet_ = 0;
  std::size_t first_header_size_ = 0;
  std::size_t later_header_size_ = 0;
  std::array<std::uint8_t, 60> later_header_{};  // with those options that each fragment has
  std::size_t at_ = 0;                           // offset of the next fragment's payload in the payload
  bool done_ = false;
};

}  // namespace sallyport::net
