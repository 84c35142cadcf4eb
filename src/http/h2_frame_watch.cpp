#include "http/h2_frame_watch.h"

#include <algorithm>

namespace sallyport::http {
namespace {

// RFC 9113 §6, RFC 9218 §7.1.
enum FrameType : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  goaway = 7,
  window_update = 8
};
constexpr std::uint8_t flag_end_stream_or_ack = 0x1;
constexpr std::uint8_t flag_padded = 0x8;

constexpr std::size_t frame_head_size = 9;

}  // namespace

std::uint32_t H2FrameWatch::feed(Bytes bytes) {
  std::uint32_t costly = 0;
  while (!bytes.empty()) {
    if (skip_ > 0) {
      const std::size_t skipped = std::min(skip_, bytes.size());
      skip_ -= skipped;
      bytes = bytes.subspan(skipped);
      continue;
    }
    const std::size_t taken = std::min(head_needed_ - head_size_, bytes.size());
    std::copy_n(bytes.begin(), taken, head_.begin() + static_cast<std::ptrdiff_t>(head_size_));
    head_size_ += taken;
    bytes = bytes.subspan(taken);
    if (head_size_ < head_needed_) break;

    const std::size_t length = std::size_t{head_[0]} << 16 | std::size_t{head_[1]} << 8 | head_[2];
    const bool padded_data = head_[3] == data && (head_[4] & flag_padded) != 0;
    if (padded_data && length > 0 && head_needed_ == frame_head_size) {
      ++head_needed_;  // the pad length tells whether there is content
      continue;
    }
    costly += count_head();
    skip_ = length + frame_head_size - head_needed_;
    head_size_ = 0;
    head_needed_ = frame_head_size;
  }
  return costly;
}

std::uint32_t H2FrameWatch::count_head() {
  const std::size_t length = std::size_t{head_[0]} << 16 | std::size_t{head_[1]} << 8 | head_[2];
  const std::uint8_t flags = head_[4];
  switch (head_[3]) {
    case data: {
      const std::size_t padding = (flags & flag_padded) != 0 ? std::size_t{head_[9]} + 1 : 0;
      if (length > padding) pay_for_ping();
      return length <= padding && (flags & flag_end_stream_or_ack) == 0 ? 1 : 0;
    }
    case rst_stream:
      return of_client_ ? 1 : 0;
    case ping:
      if ((flags & flag_end_stream_or_ack) == 0 && paid_pings_ > 0) {
        --paid_pings_;
        return 0;
      }
      [[fallthrough]];
    case settings:
      return (flags & flag_end_stream_or_ack) == 0 ? 1 : 0;
    case headers:
      if (of_client_ && comes_too_late(stream())) wrong_stream_ = true;
      return 0;
    case priority:
      if (stream() == 0) wrong_stream_ = true;
      return 1;
    case push_promise:
    case goaway:
    case window_update:
      return 0;
    default:  // PRIORITY_UPDATE, CONTINUATION, and what is unknown
      return 1;
  }
}

std::int32_t H2FrameWatch::stream() const {
  std::uint32_t id = 0;
  for (const std::uint8_t octet : Bytes(head_).subspan(5, 4)) id = id << 8 | octet;
  return static_cast<std::int32_t>(id & 0x7fffffff);
}

bool H2FrameWatch::comes_too_late(std::int32_t stream) {
  if (stream % 2 == 0) return false;  // nghttp2's to refuse
  if (stream <= newest_)
    return std::ranges::any_of(passed_, [&](const Gap& gap) { return gap.from < stream && stream < gap.to; });
  if (stream - 2 > newest_) {
    passed_[next_gap_] = {newest_, stream};
    next_gap_ = (next_gap_ + 1) % passed_.size();
  }
  newest_ = stream;
  return false;
}

}  // namespace sallyport::http
