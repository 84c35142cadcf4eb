#include "admin/metric_set.h"

#include <gtest/gtest.h>

namespace sallyport::admin {
namespace {

constexpr std::array<double, 3> bounds{0.1, 1, 10};

TEST(MetricSet, AddsUpOverWorkers) {
  MetricSet one, two;
  Histogram values(bounds);
  for (const double value : {0.05, 0.1, 0.5, 100.0}) values.observe(value);
  for (auto* set : {&one, &two}) {
    set->counter("requests_total", "Requests.", 3, {{"version", "h2"}});
    set->counter("requests_total", "Requests.", 4, {{"version", "h3"}});
    set->gauge("open", "Open.", 2);
    set->counter("bytes_total", "Bytes.", 5, {{"identity", std::string_view(std::string("al") + "ice")}});
    set->histogram("rtt_seconds", "RTT.", values);
  }
  one.add(two);
  const auto text = one.to_text();
  for (const auto* line :
       {"# HELP sallyport_requests_total Requests.\n", "# TYPE sallyport_requests_total counter\n",
        "sallyport_requests_total{version=\"h2\"} 6\n", "sallyport_requests_total{version=\"h3\"} 8\n",
        "# TYPE sallyport_open gauge\n", "sallyport_open 4\n",
        "sallyport_bytes_total{identity=\"alice\"} 10\n", "# TYPE sallyport_rtt_seconds histogram\n",
        "sallyport_rtt_seconds_bucket{le=\"0.1\"} 4\n", "sallyport_rtt_seconds_bucket{le=\"1\"} 6\n",
        "sallyport_rtt_seconds_bucket{le=\"10\"} 6\n", "sallyport_rtt_seconds_bucket{le=\"+Inf\"} 8\n",
        "sallyport_rtt_seconds_count 8\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << "in\n" << text;
}

}  // namespace
}  // namespace sallyport::admin
