#include "trace/quic_frames.h"

#include <algorithm>
#include <cstring>

namespace sallyport::trace {

bool FrameReader::take(std::uint64_t& value) {
  const std::size_t before = in_.size();
  const auto taken = take_varint(in_);
  if (!taken) return false;
  left_ -= before - in_.size();
  value = *taken;
  return true;
}

bool FrameReader::take(std::size_t count, Bytes& bytes) {
  if (in_.size() < count) return false;
  bytes = in_.first(count);
  in_ = in_.subspan(count);
  left_ -= count;
  return true;
}

bool FrameReader::take_data(std::uint64_t count, Bytes& bytes) {
  if (!skeleton_) return count <= in_.size() && take(static_cast<std::size_t>(count), bytes);
  if (count > elided()) return false;
  left_ -= static_cast<std::size_t>(count);
  return true;
}

std::optional<QuicFrame> FrameReader::next() {
  if (malformed_ || left_ == 0) return std::nullopt;
  const Bytes in_before = in_;
  const std::size_t left_before = left_;
  QuicFrame frame;
  if (!read(frame)) {
    in_ = in_before;
    left_ = left_before;
    malformed_ = true;
    return std::nullopt;
  }
  frame.size = left_before - left_;
  return frame;
}

bool FrameReader::read(QuicFrame& frame) {
  if (!take(frame.type)) return false;
  using enum FrameKind;
  switch (frame.type) {
    case 0x00: {
      frame.kind = padding;
      const auto end = std::find_if(in_.begin(), in_.end(), [](std::uint8_t byte) { return byte != 0; });
      Bytes run;
      return take(static_cast<std::size_t>(end - in_.begin()), run);
    }
    case 0x01:
      frame.kind = ping;
      return true;
    case 0x02:
    case 0x03:
      frame.kind = ack;
      frame.has_ecn = frame.type == 0x03;
      return read_ack(frame);
    case 0x04:
      frame.kind = reset_stream;
      return take(frame.stream_id) && take(frame.error_code) && take(frame.final_size);
    case 0x05:
      frame.kind = stop_sending;
      return take(frame.stream_id) && take(frame.error_code);
    case 0x06:
      frame.kind = crypto;
      return take(frame.offset) && take(frame.length) && take_data(frame.length, frame.data);
    case 0x07:
      frame.kind = new_token;
      return take(frame.length) && frame.length <= in_.size() &&
             take(static_cast<std::size_t>(frame.length), frame.data);
    case 0x08:
    case 0x09:
    case 0x0a:
    case 0x0b:
    case 0x0c:
    case 0x0d:
    case 0x0e:
    case 0x0f:
      frame.kind = stream;
      frame.fin = frame.type & 0x01;
      if (!take(frame.stream_id) || ((frame.type & 0x04) && !take(frame.offset))) return false;
      if (!(frame.type & 0x02))
        frame.length = skeleton_ ? elided() : in_.size();
      else if (!take(frame.length))
        return false;
      return take_data(frame.length, frame.data);
    case 0x10:
      frame.kind = max_data;
      return take(frame.limit);
    case 0x11:
      frame.kind = max_stream_data;
      return take(frame.stream_id) && take(frame.limit);
    case 0x12:
    case 0x13:
      frame.kind = max_streams;
      frame.bidirectional = frame.type == 0x12;
      return take(frame.limit);
    case 0x14:
      frame.kind = data_blocked;
      return take(frame.limit);
    case 0x15:
      frame.kind = stream_data_blocked;
      return take(frame.stream_id) && take(frame.limit);
    case 0x16:
    case 0x17:
      frame.kind = streams_blocked;
      frame.bidirectional = frame.type == 0x16;
      return take(frame.limit);
    case 0x18:
      frame.kind = new_connection_id;
      return read_new_connection_id(frame);
    case 0x19:
      frame.kind = retire_connection_id;
      return take(frame.sequence);
    case 0x1a:
    case 0x1b:
      frame.kind = frame.type == 0x1a ? path_challenge : path_response;
      return take(8, frame.data);
    case 0x1c:
    case 0x1d:
      frame.kind = connection_close;
      frame.application = frame.type == 0x1d;
      return read_close(frame);
    case 0x1e:
      frame.kind = handshake_done;
      return true;
    case 0x30:
    case 0x31:
      frame.kind = datagram;
      if (frame.type == 0x30)
        frame.length = skeleton_ ? elided() : in_.size();
      else if (!take(frame.length))
        return false;
      return take_data(frame.length, frame.data);
    default:
      frame.kind = unknown;
      in_ = {};
      left_ = 0;
      return true;
  }
}

bool FrameReader::read_ack(QuicFrame& frame) {
  std::uint64_t count = 0;
  if (!take(frame.largest_acked) || !take(frame.ack_delay) || !take(count) || !take(frame.first_range))
    return false;
  if (frame.first_range > frame.largest_acked) return false;
  std::uint64_t low = frame.largest_acked - frame.first_range;
  const Bytes start = in_;
  for (; count > 0; --count) {
    std::uint64_t gap = 0, length = 0;
    if (!take(gap) || !take(length)) return false;
    if (gap + 2 > low || length > low - gap - 2) return false;
    low -= gap + 2 + length;
  }
  frame.ranges = start.first(start.size() - in_.size());
  return !frame.has_ecn || (take(frame.ect0) && take(frame.ect1) && take(frame.ce));
}

bool FrameReader::read_new_connection_id(QuicFrame& frame) {
  Bytes length;
  return take(frame.sequence) && take(frame.retire_prior_to) && take(1, length) && length[0] <= 20 &&
         take(length[0], frame.data) && take(16, frame.reset_token);
}

bool FrameReader::read_close(QuicFrame& frame) {
  return take(frame.error_code) && (frame.application || take(frame.trigger)) && take(frame.length) &&
         frame.length <= in_.size() && take(static_cast<std::size_t>(frame.length), frame.data);
}

std::size_t copy_skeleton(Bytes payload, std::uint8_t* out) {
  std::size_t kept = 0, copied = 0;  // bytes written to `out`; bytes of `payload` processed
  const auto keep_until = [&](std::size_t end) {
    std::memcpy(out + kept, payload.data() + copied, end - copied);
    kept += end - copied;
    copied = end;
  };
  FrameReader reader(payload);
  while (const auto frame = reader.next()) {
    if (frame->kind != FrameKind::stream && frame->kind != FrameKind::crypto &&
        frame->kind != FrameKind::datagram)
      continue;
    const std::size_t end = payload.size() - reader.left();
    keep_until(end - frame->data.size());
    copied = end;
  }
  if (copied < payload.size()) keep_until(payload.size());
  return kept;
}

}  // namespace sallyport::trace
