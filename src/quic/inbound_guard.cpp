#include "quic/inbound_guard.h"

#include <algorithm>

namespace sallyport::quic {
namespace {

constexpr std::uint64_t connection_id_limit_error = 0x09, protocol_violation = 0x0a;  // RFC 9000 §20.1

}  // namespace

bool InboundGuard::close_with(const Violation& violation) {
  violation_ = violation;
  return false;
}

bool InboundGuard::admits(std::uint64_t number, const ScannedFrames& frames) {
  if (violation_) return false;
  if (number >= max_packet_number) return close_with({protocol_violation, "packet number too large"});
  if (frames.handshake_done && !confirmable_) {
    if (!left_handshake_ || !handshake_packet_sent_) return false;
    confirmable_ = true;
  }
  for (const NewConnectionId& id : frames.new_ids) {
    if (id.retire_prior_to != 0) {
      if (!left_handshake_) return false;
      following_ = true;
    }
    if (!take_id(id.sequence)) return close_with({connection_id_limit_error, "too many connection IDs"});
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
    const auto known = std::ranges::find(retirements_, sequence, &Retirement::sequence);
    if (known != retirements_.end()) {
      known->number = number;
      continue;
    }
    retirements_.push_back({number, sequence});
    if (std::ranges::find(outstanding_, sequence) == outstanding_.end()) outstanding_.push_back(sequence);
  }
}

void InboundGuard::on_ack(const AckRanges& ack) {
  if (!following_) return;
  std::erase_if(retirements_, [&](const Retirement& each) {
    if (!ack.covers(each.number)) return false;
    std::erase(outstanding_, each.sequence);
    return true;
  });
  following_ = !retirements_.empty() || outstanding_.size() > ordinary_ids;
}

}  // namespace sallyport::quic
