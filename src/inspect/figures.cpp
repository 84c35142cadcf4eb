#include "inspect/figures.h"

#include <algorithm>
#include <cmath>

namespace sallyport::inspect {

void RttFigures::add(double milliseconds) {
  // Writers repeat the last value in events about something else; a new sample is nearly always another
  // value.
  if (count_ > 0 && milliseconds == previous_) return;
  min_ = count_ == 0 ? milliseconds : std::min(min_, milliseconds);
  if (count_ > 0) differences_ += std::abs(milliseconds - previous_);
  previous_ = milliseconds;
  sum_ += milliseconds;
  if (count_++ % stride_ != 0) return;
  samples_.push_back(static_cast<float>(milliseconds));
  if (samples_.size() < max_samples) return;
  for (std::size_t i = 0; i < samples_.size() / 2; ++i) samples_[i] = samples_[2 * i];
  samples_.resize(samples_.size() / 2);
  stride_ *= 2;
}

std::optional<RttSummary> RttFigures::summary() const {
  if (count_ == 0) return std::nullopt;
  std::vector<float> sorted = samples_;
  const std::size_t rank = (sorted.size() * 99 + 99) / 100 - 1;  // nearest rank
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank), sorted.end());
  return RttSummary{.samples = count_,
                    .min = min_,
                    .mean = sum_ / static_cast<double>(count_),
                    .p99 = static_cast<double>(sorted[rank]),
                    .jitter = count_ > 1 ? differences_ / static_cast<double>(count_ - 1) : 0};
}

void WindowFigures::add(double time, std::uint64_t bytes) {
  if (!any_) {
    any_ = true;
    start_ = since_ = time;
    values_.min = values_.max = bytes;
  }
  area_ += static_cast<double>(values_.last) * std::max(time - since_, 0.0);
  since_ = std::max(time, since_);
  values_.last = bytes;
  values_.min = std::min(values_.min, bytes);
  values_.max = std::max(values_.max, bytes);
}

std::optional<WindowSummary> WindowFigures::summary(double end) const {
  if (!any_) return std::nullopt;
  WindowSummary result = values_;
  end = std::max(end, since_);
  const double area = area_ + static_cast<double>(values_.last) * (end - since_);
  result.mean = end > start_ ? area / (end - start_) : static_cast<double>(values_.last);
  return result;
}

void StreamBytes::add(std::uint64_t stream_id, std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t end = offset + length;
  const auto found = ends_.find(stream_id);
  if (found == ends_.end()) {
    total_ += forgot_ ? length : end;
    if (ends_.size() >= max_streams) {
      ends_.clear();
      forgot_ = true;
    }
    ends_.emplace(stream_id, end);
    return;
  }
  if (end <= found->second) return;
  total_ += end - found->second;
  found->second = end;
}

void FirstBytes::request(std::uint64_t stream_id, double time) {
  if (requests_.size() >= max_waiting) requests_.clear();
  requests_.try_emplace(stream_id, Request{time, answered_ == 0 && requests_.empty(), false});
}

void FirstBytes::response(std::uint64_t stream_id, double time) {
  const auto found = requests_.find(stream_id);
  if (found == requests_.end() || found->second.answered) return;
  Request& request = found->second;
  request.answered = true;  // kept: trailers must not look like another request
  const double taken = time - request.time;
  if (request.is_first) first_ = taken;
  sum_ += taken;
  ++answered_;
}

std::optional<double> FirstBytes::mean() const {
  if (answered_ == 0) return std::nullopt;
  return sum_ / static_cast<double>(answered_);
}

}  // namespace sallyport::inspect
