// LatencyHistogram: durations by a fixed number of buckets, each 1.6% wide at the most, from a microsecond to
// over an hour; recording costs an increment. Used by the load generator.
#pragma once

#include "base/time.h"

#include <array>
#include <cstdint>

namespace sallyport::client {

class LatencyHistogram {
 public:
  void record(Duration latency);
  std::uint64_t count() const { return count_; }
  Duration mean() const;
  Duration max() const { return max_; }
  /// The upper end of the bucket below which a share `q` of (0, 1] lies; zero when empty.
  Duration quantile(double q) const;

 private:
  static constexpr unsigned sub_bits = 6;
  static constexpr std::size_t buckets = (32 + 1) << sub_bits;
  static std::size_t bucket_of(std::uint64_t microseconds);
  static std::uint64_t upper_end(std::size_t bucket);

  std::array<std::uint64_t, buckets> counts_{};
  std::uint64_t count_ = 0;
  Duration sum_{}, max_{};
};

}  // namespace sallyport::client
