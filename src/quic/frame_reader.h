// Reads just enough of a packet's plain frames (RFC 9000 §19) to find what ngtcp2 does not tell, or must not
// be shown. ngtcp2 is who validates frames, and it stops at the first malformed one; so does this. Used by
// PacketTap.
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

struct NewConnectionId {
  std::uint64_t sequence = 0, retire_prior_to = 0;
};

/// What scan_frames() finds in one packet.
struct ScannedFrames {
  bool has_ack = false, handshake_done = false;
  AckRanges ack;  ///< of the first ACK frame; undefined without one
  std::vector<StopSending> stops;
  std::vector<NewConnectionId> new_ids;
  std::vector<std::uint64_t> retired_ids;  ///< sequence numbers in RETIRE_CONNECTION_ID
};

/// Goes through `frames`; what `found` held before is gone.
void scan_frames(Bytes frames, ScannedFrames& found);

/// Whether a packet with these frames has to be acknowledged (RFC 9002 §2).
bool is_ack_eliciting(Bytes frames);

/// PING, then nothing but PADDING: what ngtcp2 sends to probe the path's size.
bool is_path_size_probe(Bytes frames);

}  // namespace sallyport::quic
