// Reads just enough of a packet's plain frames (RFC 9000 §19) to find what ngtcp2 does not tell:
// acknowledgements and STOP_SENDING. ngtcp2 is who validates frames; what is malformed here merely ends the
// search. Used by PacketTap.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::quic {

/// The newest ranges of an ACK frame, newest first. Older ones than fit are of no use to those who look.
struct AckRanges {
  struct Range {
    std::uint64_t first, last;
  };
  static constexpr std::size_t capacity = 32;
  std::array<Range, capacity>
      ranges;  // beyond `count` left as it was: this is filled for every acknowledgement
  std::size_t count = 0;
  bool cut = false;  ///< there were more ranges

  std::uint64_t largest() const { return ranges[0].last; }
  bool covers(std::uint64_t number) const {
    for (std::size_t i = 0; i < count; ++i)
      if (number >= ranges[i].first) return number <= ranges[i].last;
    return false;
  }
};

struct StopSending {
  std::int64_t stream_id = 0;
  std::uint64_t code = 0;
};

/// Goes through `frames`: the first ACK frame into `ack` (left as it was when there is none), STOP_SENDING
/// frames to the end of `stops`. True when there was an ACK.
bool scan_frames(Bytes frames, AckRanges& ack, std::vector<StopSending>& stops);

/// PING, then nothing but PADDING: what ngtcp2 sends to probe the path's size.
bool is_path_size_probe(Bytes frames);

}  // namespace sallyport::quic
