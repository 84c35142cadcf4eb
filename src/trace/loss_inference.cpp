#include "trace/loss_inference.h"

#include <algorithm>

namespace sallyport::trace {

LossInference::Space& LossInference::space_of(PacketType type) {
  return spaces_[type == PacketType::initial ? 0 : type == PacketType::handshake ? 1 : 2];
}

std::deque<LossInference::Sent>::iterator LossInference::find(Space& space, std::uint64_t number) {
  return std::lower_bound(space.sent.begin(), space.sent.end(), number,
                          [](const Sent& sent, std::uint64_t wanted) { return sent.number < wanted; });
}

void LossInference::trim(Space& space) {
  while (!space.sent.empty() && space.sent.front().done) space.sent.pop_front();
}

/// Forgets what on_reported() will not name any more: by the packet threshold, a loss is reported with the
/// ACK frame that shows it, and so before anything else is sent.
void LossInference::trim_doubtful(Space& space) {
  while (!space.sent.empty() && space.sent.front().doubtful &&
         space.sent.front().number + packet_threshold <= space.largest_acked)
    space.sent.pop_front();
  trim(space);
}

void LossInference::on_sent(Time now, PacketType type, std::uint64_t number, bool ack_eliciting, bool probe) {
  Space& space = space_of(type);
  if (number < space.largest_sent) return;  // the space was reset (version negotiation): ignored
  space.largest_sent = number;
  trim_doubtful(space);
  if (!ack_eliciting) return;
  space.sent.push_back({.number = number, .at = now, .type = type, .probe = probe});
  if (space.sent.size() > max_tracked) {
    space.sent.pop_front();
    trim(space);
  }
}

void LossInference::on_acked(PacketType type, std::uint64_t low, std::uint64_t high) {
  Space& space = space_of(type);
  if (low > space.largest_sent)
    return;  // never sent: an optimistic ACK must not make other packets look lost
  high = std::min(high, space.largest_sent);
  const bool is_largest = !space.any_acked || high > space.largest_acked;
  if (is_largest) {
    space.any_acked = true;
    space.largest_acked = high;
  }
  auto packet = find(space, low);
  for (; packet != space.sent.end() && packet->number <= high; ++packet) {
    if (packet->done) continue;
    packet->done = true;
    if (is_largest && packet->number == high) space.newly_acked_at = packet->at;
  }
  trim(space);
}

std::optional<LossInference::Lost> LossInference::on_reported(PacketType type, std::uint64_t number) {
  Space& space = space_of(type);
  const auto packet = find(space, number);
  if (packet == space.sent.end() || packet->number != number || packet->done) return std::nullopt;
  packet->done = true;
  const Lost lost{.type = packet->type, .number = number, .probe = packet->probe};
  trim(space);
  return lost;
}

void LossInference::on_gap() {
  any_gap_ = true;
  next_deadline_ = never;
  for (Space& space : spaces_) {
    space.newly_acked_at = never;
    for (Sent& packet : space.sent) packet.doubtful = true;
  }
}

void LossInference::forget(PacketType type) {
  space_of(type).sent.clear();
}

void LossInference::take_sample(Time now, Space& space) {
  if (space.newly_acked_at == never) return;
  // The ACK delay is not subtracted: it only makes the threshold longer.
  latest_rtt_ = std::max(now - space.newly_acked_at, Duration{1});
  smoothed_rtt_ = smoothed_rtt_ == Duration::zero() ? latest_rtt_ : (7 * smoothed_rtt_ + latest_rtt_) / 8;
  space.newly_acked_at = never;
}

Duration LossInference::loss_delay() const {
  const Duration rtt = std::max(smoothed_rtt_, latest_rtt_);
  if (rtt == Duration::zero()) return 333ms;    // kInitialRtt, RFC 9002 §6.2.2
  return std::max<Duration>(rtt * 9 / 8, 1ms);  // kGranularity
}

}  // namespace sallyport::trace
