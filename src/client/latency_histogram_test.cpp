#include "client/latency_histogram.h"

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

TEST(LatencyHistogram, QuantilesAreWithinTwoPercent) {
  LatencyHistogram histogram;
  for (int us = 1; us <= 100'000; ++us) histogram.record(std::chrono::microseconds(us));
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double wanted = q * 100'000;
    const double got = static_cast<double>(histogram.quantile(q).count()) / 1000;
    EXPECT_GE(got, wanted * 0.999) << q;
    EXPECT_LE(got, wanted * 1.02) << q;
  }
  EXPECT_EQ(histogram.quantile(1.0), histogram.max());
  EXPECT_EQ(histogram.max(), Duration(100ms));
}

TEST(LatencyHistogram, OneSlowRequestShowsOnlyAtTheTop) {
  LatencyHistogram histogram;
  for (int i = 0; i < 999; ++i) histogram.record(1ms);
  histogram.record(10s);
  EXPECT_LT(histogram.quantile(0.999), Duration(2ms));
  EXPECT_EQ(histogram.quantile(1.0), Duration(10s));
}

TEST(LatencyHistogram, TakesWhatIsOutOfRange) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), Duration::zero());
  histogram.record(-1s);
  histogram.record(std::chrono::hours(10'000));
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.quantile(0.5), Duration::zero());
}

}  // namespace
}  // namespace sallyport::client
