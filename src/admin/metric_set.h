// MetricSet: metrics by name and labels, summed over workers, and formatted as Prometheus text. The names are
// documented in docs/metrics.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::admin {

/// A histogram with fixed bounds. For one thread.
class Histogram {
 public:
  /// `bounds`: ascending, with static lifetime.
  template <std::size_t Size>
  explicit Histogram(const std::array<double, Size>& bounds) : bounds_(bounds.data()), counts_(Size + 1) {}
  void observe(double value);
  void add(const Histogram& other);

 private:
  friend class MetricSet;
  const double* bounds_;
  std::vector<std::uint64_t> counts_;  // the last one counts values above all bounds
  double sum_ = 0;
};

class MetricSet {
 public:
  /// A label's value: a literal, or a name from the operator's files. Never text from a peer: each value
  /// makes a new time series.
  struct LabelValue {
    LabelValue(const char* literal) : text(literal) {}
    LabelValue(std::string_view value) : text(value) {}
    std::string text;
    friend auto operator<=>(const LabelValue&, const LabelValue&) = default;
  };
  /// For example version="h3",direction="in"; names are literals.
  using Labels = std::vector<std::pair<std::string_view, LabelValue>>;

  // Values of calls with the same name and labels are summed. `name` without the prefix "sallyport_".
  void counter(std::string_view name, std::string_view help, double value, Labels labels = {});
  void gauge(std::string_view name, std::string_view help, double value, Labels labels = {});
  void histogram(std::string_view name, std::string_view help, const Histogram& value);
  void add(const MetricSet& other);
  /// Keeps what only ever grows.
  void forget_gauges();
  /// The text exposition format, sorted by name.
  std::string to_text() const;

 private:
  struct Family {
    std::string_view help;
    bool counter = false;
    std::map<Labels, double> values;
    std::vector<Histogram> histogram;  // none or one
  };
  std::map<std::string_view, Family> families_;
};

}  // namespace sallyport::admin
