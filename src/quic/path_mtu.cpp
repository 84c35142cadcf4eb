#include "quic/path_mtu.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace sallyport::quic {
namespace {

/// The precision of a later search that tests with data. With padding datagrams no data is at risk, and the
/// search goes on to the byte: nested connections need every byte.
constexpr std::size_t granularity = 8;
/// RFC 8899 §5.1.1, PMTU_RAISE_TIMER.
constexpr Duration retry_after = 600s;
/// The pause between searches started by refusals. Nested connections have to search at the same time to make
/// progress.
constexpr Duration longest_refusal_pause = 30s;
/// When no packet is available to test a size for this long, the size is given up.
constexpr Duration test_patience = 5s;
/// ngtcp2 waits three PTOs for the last probe of a size.
constexpr int silent_ptos = 4;
constexpr std::uint64_t reordering = 3;
/// The evidence for black hole detection (RFC 8899 §4.3), reset by any evidence against one. A lost sample
/// counts one; small packets acknowledged while large ones are not count three.
constexpr unsigned black_hole_evidence = 6;
/// A padding packet was lost while the small packet sent after it was acknowledged.
constexpr unsigned verified_loss = 2;
/// A search with padding datagrams is exact: a size refused after it is too large.
constexpr Duration trust_in_search = 5s;

}  // namespace

PathMtu::PathMtu(std::size_t limit, bool discover) : limit_(limit), discover_(discover) {}

std::size_t PathMtu::grain() const {
  return padding_ ? 1 : granularity;
}

std::size_t PathMtu::stream_packet_size() const {
  if (suspect_) return minimum_udp_payload;
  if (phase_ == Phase::later_search && !padding_ && !refused_ && candidate_.size == 0)
    return std::max(target_, minimum_udp_payload);
  return proven_;
}

std::size_t PathMtu::datagram_packet_size() const {
  if (!discover_) return minimum_udp_payload;
  switch (phase_) {
    case Phase::handshake:
    case Phase::first_search:
      return std::max(limit_, minimum_udp_payload);
    case Phase::later_search:
      if (!padding_) return std::max(target_, proven_);
      break;
    case Phase::idle:
      break;
  }
  return proven_;
}

void PathMtu::start(Time now) {
  if (phase_ != Phase::handshake) return;
  phase_ = Phase::first_search;
  last_probe_ = now;
  longest_pto_ = {};
  if (!discover_ || limit_ <= minimum_udp_payload) finish(now);
}

void PathMtu::on_probe_not_taken(Time now, Duration pto, bool could) {
  // ngtcp2 waits for the timeout at the time of the probe; it shrinks as the RTT is measured.
  longest_pto_ = std::max(longest_pto_, pto);
  deadline_ = last_probe_ + silent_ptos * longest_pto_;
  if (now < deadline_) return;
  if (could)
    finish(now);
  else
    deadline_ = now + pto;
}

void PathMtu::set_limit(std::size_t limit, Time now) {
  const std::size_t before = limit_;
  limit_ = limit;
  proven_ = std::clamp(proven_, minimum_udp_payload, std::max(limit, minimum_udp_payload));
  if (limit == before || !discover_ || phase_ == Phase::handshake) return;
  if (proven_ >= limit) {
    finish(now);
  } else if (phase_ == Phase::first_search) {
    limit_changed_ = true;
  } else if (limit > before) {
    search_again(limit, limit + 1, now);
  } else if (phase_ == Phase::later_search && failed_ > limit + 1) {
    const bool refused = refused_;
    search_again(limit, limit + 1, now);
    refused_ = refused;
  }
}

void PathMtu::restart(std::size_t limit, Time now) {
  limit_ = limit;
  proven_ = minimum_udp_payload;
  suspect_ = limit_changed_ = verifies_ = false;
  large_losses_ = test_losses_ = 0;
  candidate_ = witness_ = sample_ = {};
  retry_at_ = deadline_ = never;
  phase_ = Phase::handshake;
  start(now);
  unprobed_ = true;
}

void PathMtu::on_large_sent(std::uint64_t number, std::size_t size, Bytes frames, Time now) {
  last_large_ = {number, size, now};
  if (size <= proven_) {
    if (sample_.size == 0 && phase_ != Phase::handshake) sample_ = {number, size, now};
    return;
  }
  if (phase_ == Phase::later_search) {
    if (candidate_.size == 0) candidate_ = {number, size, now};
  } else if (is_path_size_probe(frames)) {
    // An unacknowledged probe is followed by one of the same size or smaller; that one is awaited then.
    last_probe_ = now;
    unprobed_ = false;
    candidate_ = {number, size, now};
  } else if (size > witness_.size) {
    witness_ = {number, size, now};
  }
}

void PathMtu::judge(const AckRanges& ack, Time now) {
  if (ack.largest() > last_sent_) return;
  // A size that was acknowledged stays proven, whatever the search would settle on: a nested connection may
  // already rely on it.
  if (witness_.size != 0) {
    if (ack.covers(witness_.number)) {
      proven_ = std::max(proven_, std::min(witness_.size, limit_));
      witness_ = {};
      large_losses_ = test_losses_ = 0;
      if (phase_ == Phase::first_search && proven_ >= limit_) finish(now);
    } else if (ack.largest() >= witness_.number + reordering) {
      witness_ = {};
    }
  }
  if (candidate_.size != 0) {
    if (ack.covers(candidate_.number)) {
      proven_ = std::max(proven_, std::min(candidate_.size, limit_));
      candidate_ = {};
      large_losses_ = test_losses_ = 0;
      if (phase_ == Phase::later_search)
        test_next(now);
      else if (phase_ == Phase::first_search && proven_ >= limit_)
        finish(now);
    } else if (ack.largest() >= candidate_.number + reordering || small_one_passed(candidate_, ack)) {
      witness_ = candidate_;  // it may have been reordered
      if (phase_ == Phase::later_search)
        on_test_failed(now);
      else
        candidate_ = {};
    }
  }
  if (sample_.size != 0) {
    if (ack.covers(sample_.number)) {
      large_losses_ = 0;
      suspect_ = verifies_ = false;
      sample_ = {};
    } else if (small_one_passed(sample_, ack)) {
      witness_ = sample_;
      on_sample_lost(now, verified_loss);
    } else if (ack.largest() >= sample_.number + reordering || (suspect_ && ack.largest() > suspect_since_)) {
      on_sample_lost(now, suspect_ && ack.largest() > suspect_since_ ? 3 : 1);
    }
  }
}

void PathMtu::on_sample_lost(Time now, unsigned weight) {
  sample_ = {};
  suspect_ = false;
  large_losses_ = static_cast<std::uint8_t>(large_losses_ + weight);
  verifies_ = large_losses_ < black_hole_evidence && phase_ == Phase::idle;
  if (large_losses_ < black_hole_evidence) return;
  // It may have been congestion loss: the proven size may still be valid.
  const std::size_t failed = proven_ + 1;
  proven_ = minimum_udp_payload;
  search_again(std::midpoint(minimum_udp_payload, failed), failed, now);
}

void PathMtu::on_padding_sent(Time now) {
  padded_ = last_large_;
  small_ = last_sent_;
  if (std::exchange(verifies_, false))
    sample_ = padded_;
  else if (candidate_.size == 0)
    finish(now);  // it was no larger than what is proven: there is nothing between
}

void PathMtu::on_turn(Time now, Duration pto) {
  if (phase_ == Phase::later_search) {
    if (candidate_.size != 0 && now >= candidate_.sent + 3 * pto) on_test_failed(now);
    // With padding, only congestion control delays a test.
    if (phase_ == Phase::later_search && now >= deadline_) {
      if (padding_)
        deadline_ = now + test_patience;
      else
        finish(now);
    }
  } else if (phase_ == Phase::idle && now >= retry_at_) {
    search_again(limit_, limit_ + 1, now);
  }
  if (sample_.size != 0 && !suspect_ && now >= sample_.sent + 5 * pto / 2) {
    suspect_ = true;
    suspect_since_ = last_sent_;
  }
}

void PathMtu::on_refused(std::size_t size, Time now) {
  if (phase_ != Phase::idle || !discover_ || size <= proven_ || size > limit_ || now < refusal_counts_from_)
    return;
  search_again(size, size + 1, now);
  refused_ = true;
  refusal_counts_from_ = now + refusal_pause_;
  refusal_pause_ = std::min(2 * refusal_pause_, longest_refusal_pause);
}

void PathMtu::search_again(std::size_t first_target, std::size_t failed, Time now) {
  phase_ = Phase::later_search;
  candidate_ = witness_ = sample_ = {};
  suspect_ = refused_ = verifies_ = false;
  large_losses_ = test_losses_ = 0;
  retry_at_ = never;
  failed_ = failed;
  target_ = first_target;
  deadline_ = now + test_patience;
}

void PathMtu::test_next(Time now) {
  if (refused_ || failed_ <= proven_ + grain()) {
    finish(now);
    return;
  }
  target_ = std::midpoint(proven_, failed_);
  deadline_ = now + test_patience;
}

void PathMtu::on_test_failed(Time now) {
  const std::size_t size = std::exchange(candidate_, {}).size;
  if (++test_losses_ < 2) return;  // one may be congestion loss
  test_losses_ = 0;
  failed_ = std::min(size, failed_);
  test_next(now);
}

void PathMtu::finish(Time now) {
  if (phase_ == Phase::later_search && padding_)
    refusal_counts_from_ = std::max(refusal_counts_from_, now + trust_in_search);
  phase_ = Phase::idle;
  candidate_ = {};
  deadline_ = never;
  retry_at_ = discover_ && proven_ + grain() <= limit_ ? now + retry_after : never;
  const bool not_ended = limit_changed_ || unprobed_;
  limit_changed_ = unprobed_ = false;
  if (not_ended && discover_ && proven_ < limit_) search_again(limit_, limit_ + 1, now);
}

std::vector<std::uint16_t> PathMtu::make_probe_sizes(std::size_t limit) {
  std::vector<std::uint16_t> sizes;
  if (limit <= minimum_udp_payload) return sizes;
  sizes.push_back(static_cast<std::uint16_t>(limit));
  // Bisects each remaining gap, breadth first. The range of Ethernet is searched to the byte: a nested
  // connection knows its size to the byte, and would be blocked for good by an outer connection with a
  // smaller one.
  const std::size_t span = limit - minimum_udp_payload;
  const std::size_t smallest_gap = span <= 512 ? 1 : span / 64;
  std::vector<std::pair<std::size_t, std::size_t>> gaps{{minimum_udp_payload, limit}};
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const auto [low, high] = gaps[i];
    if (high - low <= smallest_gap) continue;
    const std::size_t middle = std::midpoint(low, high);
    sizes.push_back(static_cast<std::uint16_t>(middle));
    gaps.emplace_back(low, middle);
    gaps.emplace_back(middle, high);
  }
  return sizes;
}

const std::vector<std::uint16_t>& PathMtu::probe_sizes(std::size_t limit) {
  thread_local std::size_t known = 0;
  thread_local std::vector<std::uint16_t> sizes;
  if (std::exchange(known, limit) != limit) sizes = make_probe_sizes(limit);
  return sizes;
}

}  // namespace sallyport::quic
