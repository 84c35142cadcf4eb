#include "quic/path_mtu.h"

#include <algorithm>
#include <numeric>

namespace sallyport::quic {
namespace {

/// A search ends when it is this near.
constexpr std::size_t granularity = 8;
/// RFC 8899 §5.1.1, PMTU_RAISE_TIMER.
constexpr Duration retry_after = 600s;
/// A size for which no packet comes along to test it with is given up after this.
constexpr Duration test_patience = 5s;
/// ngtcp2 waits three PTOs for the last probe of a size.
constexpr int silent_ptos = 4;
constexpr std::uint64_t reordering = 3;
/// So much evidence, without any to the contrary, makes a black hole (RFC 8899 §4.3). One lost sample is one; small packets that
/// pass where large ones do not are three.
constexpr unsigned black_hole_evidence = 6;

}  // namespace

PathMtu::PathMtu(std::size_t limit, bool discover) : limit_(limit), discover_(discover) {}

std::size_t PathMtu::stream_packet_size() const {
  if (suspect_) return minimum_udp_payload;
  if (phase_ == Phase::later_search && candidate_.size == 0) return std::max(target_, minimum_udp_payload);
  return proven_;
}

std::size_t PathMtu::datagram_packet_size() const {
  if (!discover_) return minimum_udp_payload;
  switch (phase_) {
    case Phase::handshake:
    case Phase::first_search: return std::max(limit_, minimum_udp_payload);
    case Phase::later_search: return std::max(target_, proven_);
    case Phase::idle: break;
  }
  return proven_;
}

void PathMtu::start(Time now) {
  if (phase_ != Phase::handshake) return;
  phase_ = Phase::first_search;
  last_probe_ = now;
  if (!discover_ || limit_ <= minimum_udp_payload) finish(now);
}

void PathMtu::on_probe_not_taken(Time now, Duration pto, bool could) {
  deadline_ = last_probe_ + silent_ptos * pto;
  if (now < deadline_) return;
  if (could) finish(now);
  else deadline_ = now + pto;
}

void PathMtu::set_limit(std::size_t limit, Time now) {
  const std::size_t before = limit_;
  limit_ = limit;
  proven_ = std::clamp(proven_, minimum_udp_payload, std::max(limit, minimum_udp_payload));
  if (limit == before || !discover_ || phase_ == Phase::handshake) return;
  if (limit > before) {
    if (phase_ == Phase::first_search) grown_ = true;
    else search_again(limit, limit + 1, now);
  } else if (proven_ >= limit) {
    finish(now);
  } else if (phase_ == Phase::later_search && failed_ > limit + 1) {
    search_again(limit, limit + 1, now);
  }
}

void PathMtu::restart(std::size_t limit, Time now) {
  limit_ = limit;
  proven_ = minimum_udp_payload;
  suspect_ = grown_ = false;
  large_losses_ = test_losses_ = 0;
  candidate_ = sample_ = {};
  retry_at_ = deadline_ = never;
  phase_ = Phase::handshake;
  start(now);
}

void PathMtu::on_large_sent(std::uint64_t number, std::size_t size, Bytes frames, Time now) {
  if (size <= proven_) {
    if (sample_.size == 0 && phase_ != Phase::handshake) sample_ = {number, size, now};
    return;
  }
  // A probe that is not answered is followed by one of the same size or smaller, which is then the one to wait for.
  const bool probe = phase_ == Phase::first_search && is_path_size_probe(frames);
  if (probe) last_probe_ = now;
  if (probe || candidate_.size == 0 || (phase_ == Phase::first_search && size > candidate_.size))
    candidate_ = {number, size, now};
}

void PathMtu::judge(const AckRanges& ack, Time now) {
  if (ack.largest() > last_sent_) return;
  if (candidate_.size != 0) {
    if (ack.covers(candidate_.number)) {
      proven_ = std::max(proven_, std::min(candidate_.size, limit_));
      candidate_ = {};
      large_losses_ = test_losses_ = 0;
      if (phase_ == Phase::later_search) test_next(now);
      else if (phase_ == Phase::first_search && proven_ >= limit_) finish(now);
    } else if (ack.largest() >= candidate_.number + reordering) {
      if (phase_ == Phase::later_search) on_test_failed(now);
      candidate_ = {};
    }
  }
  if (sample_.size != 0) {
    if (ack.covers(sample_.number)) {
      large_losses_ = 0;
      suspect_ = false;
      sample_ = {};
    } else if (ack.largest() >= sample_.number + reordering || (suspect_ && ack.largest() > suspect_since_)) {
      on_sample_lost(now, suspect_ && ack.largest() > suspect_since_ ? 3 : 1);
    }
  }
}

void PathMtu::on_sample_lost(Time now, unsigned weight) {
  sample_ = {};
  suspect_ = false;
  large_losses_ = static_cast<std::uint8_t>(large_losses_ + weight);
  if (large_losses_ < black_hole_evidence) return;
  const std::size_t failed = proven_;
  proven_ = minimum_udp_payload;
  search_again(std::midpoint(minimum_udp_payload, failed), failed, now);
}

void PathMtu::on_turn(Time now, Duration pto) {
  if (phase_ == Phase::later_search) {
    if (candidate_.size != 0 && now >= candidate_.sent + 3 * pto) {
      candidate_ = {};
      on_test_failed(now);
    }
    if (phase_ == Phase::later_search && now >= deadline_) finish(now);
  } else if (phase_ == Phase::idle && now >= retry_at_) {
    search_again(limit_, limit_ + 1, now);
  }
  if (sample_.size != 0 && !suspect_ && now >= sample_.sent + 5 * pto / 2) {
    suspect_ = true;
    suspect_since_ = last_sent_;
  }
}

void PathMtu::search_again(std::size_t first_target, std::size_t failed, Time now) {
  phase_ = Phase::later_search;
  candidate_ = sample_ = {};
  suspect_ = false;
  large_losses_ = test_losses_ = 0;
  retry_at_ = never;
  failed_ = failed;
  target_ = first_target;
  deadline_ = now + test_patience;
}

void PathMtu::test_next(Time now) {
  if (failed_ <= proven_ + granularity) {
    finish(now);
    return;
  }
  target_ = std::midpoint(proven_, failed_);
  deadline_ = now + test_patience;
}

void PathMtu::on_test_failed(Time now) {
  if (++test_losses_ < 2) return;  // one may be lost by chance
  test_losses_ = 0;
  failed_ = target_;
  test_next(now);
}

void PathMtu::finish(Time now) {
  phase_ = Phase::idle;
  candidate_ = {};
  deadline_ = never;
  retry_at_ = discover_ && proven_ + granularity < limit_ ? now + retry_after : never;
  if (grown_) {
    grown_ = false;
    if (proven_ < limit_) search_again(limit_, limit_ + 1, now);
  }
}

std::vector<std::uint16_t> PathMtu::probe_sizes(std::size_t limit) {
  std::vector<std::uint16_t> sizes;
  if (limit <= minimum_udp_payload) return sizes;
  sizes.push_back(static_cast<std::uint16_t>(limit));
  // Each round halves the gaps that the rounds before left open.
  std::size_t parts = 2;
  const std::size_t span = limit - minimum_udp_payload;
  for (const std::size_t gap = std::max(granularity, span / 64); span / parts >= gap; parts *= 2)
    for (std::size_t part = 1; part < parts; part += 2)
      sizes.push_back(static_cast<std::uint16_t>(minimum_udp_payload + span * part / parts));
  return sizes;
}

}  // namespace sallyport::quic
