#include "quic/inbound_guard.h"

#include <algorithm>

namespace sallyport::quic {
namespace {

constexpr std::uint64_t connection_id_limit_error = 0x09, protocol_violation = 0x0a;  // RFC 9000 §20.1
/// What is not acknowledged is sent again, so the newest are enough.
constexpr std::size_t max_retirements = 32;

}  // namespace

bool InboundGuard::close_with(std::uint64_t code) {
  violation_ = code;
  return false;
}

bool InboundGuard::admits(std::uint64_t number, const ScannedFrames& frames) {
  if (violation_) return false;
  if (number >= max_packet_number) return close_with(protocol_violation);
  if (frames.handshake_done && !confirmable_) {
    if (!left_handshake_ || !handshake_packet_sent_) return false;
    confirmable_ = true;
  }
  for (const NewConnectionId& id : frames.new_ids) {
    if (id.retire_prior_to != 0 && !left_handshake_) return false;
    if (!take_id(id.sequence)) return close_with(connection_id_limit_error);
  }
  return true;
}

/// False: one too many. Repetitions of the last 64 are known.
bool InboundGuard::take_id(std::uint64_t sequence) {
  if (sequence >= next_sequence_) {
    const std::uint64_t ahead = sequence - next_sequence_ + 1;
    seen_ = (ahead < 64 ? seen_ << ahead : 0) | 1;
    next_sequence_ = sequence + 1;
  } else {
    const std::uint64_t back = next_sequence_ - 1 - sequence;
    const std::uint64_t bit = back < 64 ? std::uint64_t{1} << back : 0;
    if ((seen_ & bit) != 0) return true;
    seen_ |= bit;
    if (std::ranges::find(outstanding_, sequence) != outstanding_.end()) return true;
  }
  outstanding_.push_back(sequence);
  return outstanding_.size() <= max_outstanding_ids;
}

void InboundGuard::on_sent(std::uint64_t number, const ScannedFrames& frames) {
  for (const std::uint64_t sequence : frames.retired_ids) {
    if (retirements_.size() < max_retirements) {
      retirements_.push_back({number, sequence});
    } else {
      retirements_[oldest_retirement_] = {number, sequence};
      oldest_retirement_ = (oldest_retirement_ + 1) % max_retirements;
    }
  }
}

void InboundGuard::on_ack(const AckRanges& ack) {
  if (retirements_.empty()) return;
  const auto acked = [&ack](const Retirement& each) { return ack.covers(each.number); };
  for (const Retirement& each : retirements_)
    if (acked(each)) std::erase(outstanding_, each.sequence);
  if (std::erase_if(retirements_, acked) != 0) oldest_retirement_ = 0;
}

}  // namespace sallyport::quic
