#include "link.h"

#include <algorithm>
#include <utility>

namespace sallyport::sim {
namespace {

std::size_t headers_of(const Packet& packet) {
  return ip_header_size(packet.path.remote) + (packet.protocol == Protocol::udp ? 8 : 0);
}

bool takes_marks(net::Ecn ecn) {
  return ecn == net::Ecn::ect0 || ecn == net::Ecn::ect1;
}

}  // namespace

void Link::pass(const Packet& packet, Time now, Dice& dice, const Out& out) {
  ++counters_.entered;
  pass_one(packet, now, dice, out);
  if (dice.happens(profile.duplicate)) {
    ++counters_.duplicated;
    pass_one(packet, now, dice, out);
  }
}

void Link::pass_one(Packet packet, Time now, Dice& dice, const Out& out) {
  if (profile.down || dice.happens(profile.loss)) {
    ++counters_.lost;
    return;
  }
  const std::size_t size = packet.bytes.size() + headers_of(packet);
  if (size > profile.mtu) {
    ++counters_.too_large;
    return;
  }
  Time when = now;
  if (profile.bits_per_second > 0) {
    const double byte_ns = 8e9 / profile.bits_per_second;
    const Time begin = std::max(now, free_);
    const double queued = static_cast<double>((begin - now).count()) / byte_ns;
    if (queued + static_cast<double>(size) > static_cast<double>(profile.queue_bytes)) {
      ++counters_.queue_full;
      return;
    }
    if (profile.mark_above != 0 && queued > static_cast<double>(profile.mark_above) &&
        takes_marks(packet.ecn)) {
      packet.ecn = net::Ecn::ce;
      ++counters_.marked;
    }
    free_ = when = begin + Duration(static_cast<std::int64_t>(byte_ns * static_cast<double>(size)));
  }
  when += profile.delay + dice.span(profile.jitter);
  if (profile.batching > Duration::zero()) {
    const Duration over = when.time_since_epoch() % profile.batching;
    if (over != Duration::zero()) when += profile.batching - over;
  }
  when = last_ = std::max(when, last_);
  if (dice.happens(profile.reorder)) {
    ++counters_.reordered;
    when += profile.reorder_delay;
  }
  if (!packet.bytes.empty() && dice.happens(profile.corrupt)) {
    ++counters_.corrupted;
    packet.bytes[dice.below(packet.bytes.size())] ^= static_cast<std::uint8_t>(1 + dice.below(255));
  }
  out(when, std::move(packet));
}

}  // namespace sallyport::sim
