// Reads just enough of a packet's frames (RFC 9000 §19) to find what ngtcp2 does not report, or must not be
// given. ngtcp2 validates frames and stops at the first malformed one; so does this. Used by PacketTap.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::quic {

/// The newest ranges of an ACK frame, newest first. Older ranges are not needed.
struct AckRanges {
  struct Range {
    std::uint64_t first, last;
  };
  static constexpr std::size_t capacity = 32;
  std::array<Range, capacity> ranges;  // not initialized beyond `count`: filled for every ACK
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

/// The result of scan_frames() for one packet.
struct ScannedFrames {
  bool has_ack = false, handshake_done = false;
  AckRanges ack;  ///< of the first ACK frame; undefined without one
  std::vector<StopSending> stops;
  std::vector<NewConnectionId> new_ids;
  std::vector<std::uint64_t> retired_ids;  ///< sequence numbers in RETIRE_CONNECTION_ID
};

/// Scans `frames`; replaces the content of `found`.
void scan_frames(Bytes frames, ScannedFrames& found);

/// Whether a packet with these frames is ack-eliciting (RFC 9002 §2).
bool is_ack_eliciting(Bytes frames);

/// PING, then only PADDING: ngtcp2's path MTU probe.
bool is_path_size_probe(Bytes frames);

}  // namespace sallyport::quic
