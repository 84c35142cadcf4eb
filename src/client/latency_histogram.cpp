#include "client/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sallyport::client {

std::size_t LatencyHistogram::bucket_of(std::uint64_t us) {
  // The first 2^sub_bits values have a bucket each; from there every power of two is cut in 2^sub_bits.
  if (us < (1u << sub_bits)) return us;
  const unsigned power = static_cast<unsigned>(std::bit_width(us)) - 1 - sub_bits;
  const std::size_t bucket = ((power + 1u) << sub_bits) + (us >> power) - (1u << sub_bits);
  return std::min(bucket, buckets - 1);
}

std::uint64_t LatencyHistogram::upper_end(std::size_t bucket) {
  if (bucket < (1u << sub_bits)) return bucket;
  const std::size_t power = (bucket >> sub_bits) - 1;
  const std::uint64_t mantissa = (bucket & ((1u << sub_bits) - 1)) + (1u << sub_bits);
  return ((mantissa + 1) << power) - 1;
}

void LatencyHistogram::record(Duration latency) {
  latency = std::max(latency, Duration::zero());
  const auto us =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(latency).count());
  ++counts_[bucket_of(us)];
  ++count_;
  sum_ += latency;
  max_ = std::max(max_, latency);
}

Duration LatencyHistogram::mean() const {
  return count_ ? sum_ / static_cast<std::int64_t>(count_) : Duration::zero();
}

Duration LatencyHistogram::quantile(double q) const {
  if (count_ == 0) return Duration::zero();
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < buckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= std::max<std::uint64_t>(rank, 1))
      return std::min<Duration>(std::chrono::microseconds(upper_end(bucket)), max_);
  }
  return max_;
}

}  // namespace sallyport::client
