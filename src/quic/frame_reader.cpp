#include "quic/frame_reader.h"

#include "base/varint.h"

#include <algorithm>
#include <cstring>

namespace sallyport::quic {
namespace {

enum FrameType : std::uint8_t {
  padding = 0x00,
  ping = 0x01,
  ack = 0x02,
  ack_ecn = 0x03,
  reset_stream = 0x04,
  stop_sending = 0x05,
  crypto = 0x06,
  new_token = 0x07,
  stream = 0x08,
  stream_last = 0x0f,
  max_data = 0x10,
  max_stream_data = 0x11,
  max_streams_bidi = 0x12,
  max_streams_uni = 0x13,
  data_blocked = 0x14,
  stream_data_blocked = 0x15,
  streams_blocked_bidi = 0x16,
  streams_blocked_uni = 0x17,
  new_connection_id = 0x18,
  retire_connection_id = 0x19,
  path_challenge = 0x1a,
  path_response = 0x1b,
  connection_close = 0x1c,
  connection_close_application = 0x1d,
  handshake_done = 0x1e,
  datagram = 0x30,
  datagram_with_length = 0x31,
};

constexpr std::uint8_t stream_has_offset = 0x04, stream_has_length = 0x02;

bool skip_bytes(Bytes& in, std::uint64_t count) {
  if (count > in.size()) return false;
  in = in.subspan(static_cast<std::size_t>(count));
  return true;
}

bool skip_varints(Bytes& in, int count) {
  while (count-- > 0)
    if (!take_varint(in)) return false;
  return true;
}

bool skip_with_length(Bytes& in) {
  const auto length = take_varint(in);
  return length && skip_bytes(in, *length);
}

/// Parses an ACK frame after its type.
bool take_ack(std::uint8_t type, Bytes& in, AckRanges& out) {
  const auto largest = take_varint(in);
  const auto delay = take_varint(in);
  const auto range_count = take_varint(in);
  const auto first_range = take_varint(in);
  if (!largest || !delay || !range_count || !first_range || *first_range > *largest) return false;
  out.ranges[0] = {*largest - *first_range, *largest};
  out.count = 1;
  out.cut = *range_count >= AckRanges::capacity;
  for (std::uint64_t i = 0; i < *range_count; ++i) {
    const auto gap = take_varint(in);
    const auto length = take_varint(in);
    if (out.count == AckRanges::capacity) {
      if (!gap || !length) return false;
      continue;
    }
    const std::uint64_t above = out.ranges[out.count - 1].first;
    if (!gap || !length || above < *gap + 2 || above - *gap - 2 < *length) return false;
    const std::uint64_t last = above - *gap - 2;
    out.ranges[out.count++] = {last - *length, last};
  }
  return type == ack || skip_varints(in, 3);
}

/// Handshakes are padded by a kilobyte at a time.
void skip_padding(Bytes& in) {
  std::uint64_t eight = 0;
  for (; in.size() >= sizeof eight; in = in.subspan(sizeof eight)) {
    std::memcpy(&eight, in.data(), sizeof eight);
    if (eight != 0) break;
  }
  while (!in.empty() && in[0] == padding) in = in.subspan(1);
}

/// Skips one frame of `type`, after its type byte; false where the frame extends to the end of the packet, or
/// is malformed.
bool skip_frame(std::uint8_t type, Bytes& in) {
  if (type >= stream && type <= stream_last) {
    if (!skip_varints(in, (type & stream_has_offset) != 0 ? 2 : 1)) return false;
    return (type & stream_has_length) != 0 && skip_with_length(in);
  }
  switch (type) {
    case padding:
      skip_padding(in);
      return true;
    case ping:
      return true;
    case reset_stream:
      return skip_varints(in, 3);
    case max_stream_data:
    case stream_data_blocked:
      return skip_varints(in, 2);
    case crypto:
      return skip_varints(in, 1) && skip_with_length(in);
    case new_token:
    case datagram_with_length:
      return skip_with_length(in);
    case max_data:
    case max_streams_bidi:
    case max_streams_uni:
    case data_blocked:
    case streams_blocked_bidi:
    case streams_blocked_uni:
      return skip_varints(in, 1);
    case connection_close:
      return skip_varints(in, 2) && skip_with_length(in);
    case connection_close_application:
      return skip_varints(in, 1) && skip_with_length(in);
    case path_challenge:
    case path_response:
      return skip_bytes(in, 8);
    default:
      return false;
  }
}

bool take_new_id(Bytes& in, NewConnectionId& out) {
  const auto sequence = take_varint(in);
  const auto retire_prior_to = take_varint(in);
  if (!sequence || !retire_prior_to || in.empty()) return false;
  out = {*sequence, *retire_prior_to};
  const std::size_t id_length = in[0];
  return skip_bytes(in, 1 + id_length + 16);
}

/// Scans one frame of `type`, after its type byte; false where the frame extends to the end of the packet, or
/// is malformed.
bool scan_frame(std::uint8_t type, Bytes& in, ScannedFrames& found) {
  switch (type) {
    case ack:
    case ack_ecn: {
      AckRanges second;  // nobody sends two
      if (!take_ack(type, in, found.has_ack ? second : found.ack)) return false;
      found.has_ack = true;
      return true;
    }
    case stop_sending: {
      const auto id = take_varint(in);
      const auto code = take_varint(in);
      if (!id || !code) return false;
      found.stops.push_back({static_cast<std::int64_t>(*id), *code});
      return true;
    }
    case new_connection_id: {
      NewConnectionId id;
      if (!take_new_id(in, id)) return false;
      found.new_ids.push_back(id);
      return true;
    }
    case retire_connection_id: {
      const auto sequence = take_varint(in);
      if (sequence) found.retired_ids.push_back(*sequence);
      return sequence.has_value();
    }
    case handshake_done:
      found.handshake_done = true;
      return true;
    default:
      return skip_frame(type, in);
  }
}

}  // namespace

void scan_frames(Bytes frames, ScannedFrames& found) {
  found.has_ack = found.handshake_done = false;
  found.stops.clear();
  found.new_ids.clear();
  found.retired_ids.clear();
  while (!frames.empty()) {
    const std::uint8_t type = frames[0];
    frames = frames.subspan(1);
    if (!scan_frame(type, frames, found)) return;
  }
}

bool is_ack_eliciting(Bytes frames) {
  while (!frames.empty()) {
    const std::uint8_t type = frames[0];
    frames = frames.subspan(1);
    if (type == ack || type == ack_ecn) {
      AckRanges ranges;
      if (!take_ack(type, frames, ranges)) return false;
    } else if (type == padding) {
      skip_padding(frames);
    } else {
      return type != connection_close && type != connection_close_application;
    }
  }
  return false;
}

bool is_path_size_probe(Bytes frames) {
  return frames.size() > 1 && frames[0] == ping &&
         std::all_of(frames.begin() + 1, frames.end(), [](std::uint8_t byte) { return byte == padding; });
}

}  // namespace sallyport::quic
