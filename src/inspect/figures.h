// Small accumulators behind trace summaries: each takes any number of values in bounded memory.
#pragma once

#include "inspect/summary.h"

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace sallyport::inspect {

/// Round-trip times. Percentiles are exact up to `max_samples` values; beyond that every 2nd, 4th ... value
/// is kept.
class RttFigures {
 public:
  void add(double milliseconds);
  std::optional<RttSummary> summary() const;

 private:
  static constexpr std::size_t max_samples = 1 << 18;
  std::vector<float> samples_;
  std::uint64_t stride_ = 1;
  std::uint64_t count_ = 0;
  double previous_ = 0, sum_ = 0, differences_ = 0, min_ = 0;
};

/// The congestion window over time.
class WindowFigures {
 public:
  void add(double time, std::uint64_t bytes);
  /// `end` is when the trace ends.
  std::optional<WindowSummary> summary(double end) const;

 private:
  bool any_ = false;
  double start_ = 0, since_ = 0;  ///< of the first value; of the last one
  double area_ = 0;               ///< byte-milliseconds until `since_`
  WindowSummary values_;
};

/// Bytes carried by streams, without retransmissions.
class StreamBytes {
 public:
  void add(std::uint64_t stream_id, std::uint64_t offset, std::uint64_t length);
  std::uint64_t total() const { return total_; }

 private:
  static constexpr std::size_t max_streams = 1 << 17;
  std::unordered_map<std::uint64_t, std::uint64_t> ends_;  ///< highest offset seen by stream
  std::uint64_t total_ = 0;
  bool forgot_ = false;  ///< too many streams: retransmissions on earlier ones are counted again
};

/// Times from requests to the first bytes of their responses.
class FirstBytes {
 public:
  void request(std::uint64_t stream_id, double time);
  void response(std::uint64_t stream_id, double time);
  std::uint64_t answered() const { return answered_; }
  std::optional<double> first() const { return first_; }
  std::optional<double> mean() const;

 private:
  static constexpr std::size_t max_waiting = 1 << 17;
  struct Request {
    double time = 0;
    bool is_first = false;
    bool answered = false;
  };
  std::unordered_map<std::uint64_t, Request> requests_;
  std::uint64_t answered_ = 0;
  double sum_ = 0;
  std::optional<double> first_;
};

}  // namespace sallyport::inspect
