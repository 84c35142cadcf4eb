// Reads just enough of a packet's plain frames (RFC 9000 §19) to find its acknowledgement, for what watches packets at the
// encryption boundary. ngtcp2 is who validates frames; what is malformed here merely ends the search.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace sallyport::quic {

/// The newest ranges of an ACK frame, newest first. Older ones than fit are of no use to those who look.
struct AckRanges {
  struct Range {
    std::uint64_t first, last;
  };
  static constexpr std::size_t capacity = 32;
  std::array<Range, capacity> ranges;  // beyond `count` left as it was: this is filled for every acknowledgement
  std::size_t count = 0;
  bool cut = false;  ///< there were more ranges

  std::uint64_t largest() const { return ranges[0].last; }
  bool covers(std::uint64_t number) const {
    for (std::size_t i = 0; i < count; ++i)
      if (number >= ranges[i].first) return number <= ranges[i].last;
    return false;
  }
};

/// Looks for the first ACK frame among `frames`; false, and `out` unspecified, when there is none that can be read.
bool find_ack(Bytes frames, AckRanges& out);

/// PING, then nothing but PADDING: what ngtcp2 sends to probe the path's size.
bool is_path_size_probe(Bytes frames);

}  // namespace sallyport::quic
