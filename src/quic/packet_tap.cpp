#include "quic/packet_tap.h"

#include "quic/config.h"
#include "quic/frame_reader.h"
#include "quic/packet_header.h"
#include "quic/packet_number.h"

#include <algorithm>

namespace sallyport::quic {
namespace {

constexpr std::uint8_t key_phase_bit = 0x04, number_size_bits = 0x03;

/// Used for one packet at a time.
thread_local ScannedFrames scanned;

std::uint32_t version_of(Bytes header) {
  return std::uint32_t{header[1]} << 24 | std::uint32_t{header[2]} << 16 | std::uint32_t{header[3]} << 8 |
         header[4];
}

}  // namespace

trace::PacketType PacketTap::type_of(Bytes header) {
  using enum trace::PacketType;
  if (!is_long_header(header)) return one_rtt;
  constexpr std::array types{initial, zero_rtt, handshake, retry};
  const unsigned bits = header[0] >> 4 & 3;
  // Version 2 turns the codes by one (RFC 9369 §3.2).
  return types[version_of(header) == version_2 ? (bits + 3) % 4 : bits];
}

PacketTap::Space PacketTap::space_of(trace::PacketType type) {
  if (type == trace::PacketType::initial) return initial_space;
  return type == trace::PacketType::handshake ? handshake_space : application_space;
}

void PacketTap::on_seal(Bytes header, Bytes frames) {
  ++packets_sent_;
  const trace::PacketType type = type_of(header);
  const Space space = space_of(type);
  const std::size_t number_size = (header[0] & number_size_bits) + 1;
  const std::uint64_t number =
      restore_packet_number(next_sent_[space], truncated_packet_number(header, number_size), number_size);
  next_sent_[space] = number + 1;
  if (unanswered_since_ == never && is_ack_eliciting(frames)) unanswered_since_ = now_;
  if (space == application_space) {
    acks_.on_sent(number);
    mtu_.on_sent(number, header.size() + frames.size() + aead_tag_size, frames, now_);
    if (type == trace::PacketType::one_rtt && ((header[0] & key_phase_bit) != 0) != key_phase_)
      on_key_phase(!key_phase_);
    if (guard_.follows_retirements()) {
      scan_frames(frames, scanned);
      guard_.on_sent(number, scanned);
    }
  } else if (space == handshake_space) {
    guard_.on_handshake_packet_sent();
  }
  if (recorder_ != nullptr) record(trace::Direction::sent, type, number, header, frames);
}

bool PacketTap::on_open(Bytes header, Bytes frames) {
  const trace::PacketType type = type_of(header);
  const Space space = space_of(type);
  const std::size_t number_size = (header[0] & number_size_bits) + 1;
  const std::uint64_t number =
      restore_packet_number(next_received_[space], truncated_packet_number(header, number_size), number_size);
  if (space == application_space) {
    scan_frames(frames, scanned);
    if (!guard_.admits(number, scanned)) {
      const auto violation = guard_.violation();
      if (recorder_ != nullptr)
        recorder_->packet_dropped(
            now_, type, header.size() + frames.size() + aead_tag_size, trace::DropCause::rejected,
            violation ? violation->reason : "frame not allowed before the handshake is complete");
      return false;
    }
  }
  next_received_[space] = std::max(next_received_[space], number + 1);
  ++packets_received_;
  last_opened_ = now_;
  unanswered_since_ = never;
  if (recorder_ != nullptr) record(trace::Direction::received, type, number, header, frames);
  if (space != application_space) return true;
  if (type == trace::PacketType::one_rtt && first_one_rtt_ == Time{}) first_one_rtt_ = now_;
  stops_.insert(stops_.end(), scanned.stops.begin(), scanned.stops.end());
  if (!scanned.has_ack) return true;
  acks_.on_ack(scanned.ack, [this](std::uint64_t lost) {
    if (recorder_ != nullptr) recorder_->packet_lost(now_, trace::PacketType::one_rtt, lost);
  });
  mtu_.on_ack(scanned.ack, now_);
  guard_.on_ack(scanned.ack);
  return true;
}

void PacketTap::on_undecryptable(Bytes header, std::size_t sealed_size) {
  if (recorder_ != nullptr)
    recorder_->packet_dropped(now_, type_of(header), header.size() + sealed_size,
                              trace::DropCause::decryption_failure, {});
}

void PacketTap::record(trace::Direction direction, trace::PacketType type, std::uint64_t number, Bytes header,
                       Bytes frames) {
  trace::Packet packet;
  packet.type = type;
  packet.number = number;
  if (type != trace::PacketType::one_rtt)
    packet.version = version_of(header);
  else
    packet.key_phase = (header[0] & key_phase_bit) != 0;
  packet.header = header;
  packet.frames = frames;
  packet.size = header.size() + frames.size() + aead_tag_size;
  packet.mtu_probe = direction == trace::Direction::sent && packet.size > mtu_.proven();
  recorder_->packet(now_, direction, packet);
}

void PacketTap::on_key_phase(bool phase) {
  key_phase_ = phase;
  ++key_updates_;
  if (recorder_ != nullptr) recorder_->key_updated(now_, !key_update_is_ours_, key_updates_);
  key_update_is_ours_ = false;
}

}  // namespace sallyport::quic
