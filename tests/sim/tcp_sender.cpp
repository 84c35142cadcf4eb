#include "tcp_sender.h"

#include <algorithm>
#include <array>

namespace sallyport::sim {
namespace {

constexpr std::size_t initial_window = 10;  // segments, RFC 6928
constexpr unsigned duplicates_of_a_loss = 3;
constexpr Duration shortest_timeout = 200ms;  // as Linux has it
constexpr Duration longest_timeout = 30s;
constexpr std::size_t worth_dropping = 64 * 1024;

}  // namespace

void TcpSender::start(std::size_t mss, std::uint64_t window, std::optional<Duration> round_trip) {
  mss_ = mss;
  edge_ = una_ + window;
  congestion_window_ = initial_window * mss;
  if (round_trip) sample(*round_trip);
}

void TcpSender::write(Bytes bytes) {
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  data_end_ += bytes.size();
}

void TcpSender::send(Time now) {
  const std::uint64_t limit = std::min<std::uint64_t>(una_ + congestion_window_, edge_);
  while (next_ < data_end_ && next_ < limit) {
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>({mss_, data_end_ - next_, limit - next_}));
    // A small segment only because of the window waits for more of it (RFC 9293 §3.8.6.2.1).
    if (size < mss_ && next_ + size < data_end_ && next_ > una_) break;
    next_ = transmit(next_, size, now);
  }
  if (finishing_ && next_ == data_end_) next_ = transmit(data_end_, 0, now);
  update_deadline(now);
}

/// With the FIN, where the bytes are the last; says what comes after it.
std::uint64_t TcpSender::transmit(std::uint64_t seq, std::size_t size, Time now) {
  const bool fin = finishing_ && seq + size == data_end_;
  const std::size_t offset = size == 0 ? 0 : dropped_ + static_cast<std::size_t>(seq - una_);
  emit_(seq, Bytes(buffer_).subspan(offset, size), fin);
  const std::uint64_t end = seq + size + (fin ? 1 : 0);
  if (seq < highest_)
    timed_.reset();  // an answer could be one to either copy (Karn)
  else if (!timed_)
    timed_ = {end, now};
  highest_ = std::max(highest_, end);
  return end;
}

/// What the peer waits for.
void TcpSender::transmit_first(Time now) {
  const std::uint64_t size = std::min<std::uint64_t>(mss_, std::min(highest_, data_end_) - una_);
  transmit(una_, static_cast<std::size_t>(size), now);
}

void TcpSender::on_ack(std::uint64_t acked, std::uint64_t window, bool may_be_duplicate, Time now) {
  if (acked > highest_) return;
  const bool window_moved = acked + window > edge_;
  edge_ = std::max(edge_, acked + window);
  if (acked > una_)
    advance(acked, now);
  else if (acked == una_ && is_outstanding() && may_be_duplicate && !window_moved)
    count_duplicate(now);
  if (!is_outstanding()) timeouts_ = 0;  // it answers probes of its window, for as long as it likes
  update_deadline(now);
}

void TcpSender::advance(std::uint64_t acked, Time now) {
  const auto bytes = static_cast<std::size_t>(acked - una_);
  drop(static_cast<std::size_t>(std::min(acked, data_end_) - std::min(una_, data_end_)));
  una_ = acked;
  next_ = std::max(next_, una_);
  backoff_ = timeouts_ = duplicates_ = 0;
  deadline_ = never;
  if (timed_ && acked >= timed_->end) {
    sample(now - timed_->sent);
    timed_.reset();
  }
  if (!recovering_) return grow(bytes);
  if (una_ >= recover_) {
    recovering_ = false;
    congestion_window_ = slow_start_threshold_;
  } else {
    transmit_first(now);  // a partial acknowledgement: this one was lost too
  }
}

void TcpSender::drop(std::size_t count) {
  dropped_ += count;
  if (dropped_ < worth_dropping && dropped_ < buffer_.size()) return;
  buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(dropped_));
  dropped_ = 0;
}

void TcpSender::count_duplicate(Time now) {
  ++duplicates_;
  if (recovering_) {
    congestion_window_ = std::min(congestion_window_ + mss_, capacity);
  } else if (duplicates_ == duplicates_of_a_loss && una_ >= recover_) {
    slow_start_threshold_ = std::max<std::size_t>((highest_ - una_) / 2, 2 * mss_);
    congestion_window_ = slow_start_threshold_ + duplicates_of_a_loss * mss_;
    recovering_ = true;
    recover_ = highest_;
    transmit_first(now);
  }
}

void TcpSender::grow(std::size_t acked_bytes) {
  congestion_window_ += congestion_window_ < slow_start_threshold_
                            ? std::min(acked_bytes, 2 * mss_)
                            : std::max<std::size_t>(mss_ * mss_ / congestion_window_, 1);
  congestion_window_ = std::min(congestion_window_, capacity);
}

void TcpSender::on_timeout(Time now) {
  ++timeouts_;
  ++backoff_;
  deadline_ = never;
  if (is_outstanding()) {
    slow_start_threshold_ = std::max<std::size_t>((highest_ - una_) / 2, 2 * mss_);
    congestion_window_ = mss_;
    recovering_ = false;
    recover_ = highest_;
    duplicates_ = 0;
    timed_.reset();
    next_ = una_;
    send(now);
  } else {
    // The window is closed, and word of its opening may have been lost: an old byte asks for an answer.
    emit_(una_ - 1, std::array<std::uint8_t, 1>{}, false);
  }
  update_deadline(now);
}

/// Runs for what is outstanding, from when the oldest of it became that, and for a closed window.
void TcpSender::update_deadline(Time now) {
  const bool window_is_closed = next_ < data_end_ && edge_ <= next_;
  if (!is_outstanding() && !window_is_closed)
    deadline_ = never;
  else if (deadline_ == never)
    deadline_ = now + timeout();
}

void TcpSender::sample(Duration round_trip) {
  if (!smoothed_) {
    smoothed_ = round_trip;
    variation_ = round_trip / 2;
  } else {
    const Duration off = *smoothed_ > round_trip ? *smoothed_ - round_trip : round_trip - *smoothed_;
    variation_ = (3 * variation_ + off) / 4;
    smoothed_ = (7 * *smoothed_ + round_trip) / 8;
  }
  base_timeout_ = *smoothed_ + 4 * variation_;
}

Duration TcpSender::timeout() const {
  return std::min(std::max(base_timeout_, shortest_timeout) * (1 << std::min(backoff_, 8u)), longest_timeout);
}

}  // namespace sallyport::sim
