#include "admin/metric_set.h"

#include <algorithm>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace sallyport::admin {

void Histogram::observe(double value) {
  const auto* end = bounds_ + counts_.size() - 1;
  ++counts_[static_cast<std::size_t>(std::lower_bound(bounds_, end, value) - bounds_)];
  sum_ += value;
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  sum_ += other.sum_;
}

void MetricSet::counter(std::string_view name, std::string_view help, double value, Labels labels) {
  auto& family = families_[name];
  family.help = help;
  family.counter = true;
  family.values[std::move(labels)] += value;
}

void MetricSet::gauge(std::string_view name, std::string_view help, double value, Labels labels) {
  auto& family = families_[name];
  family.help = help;
  family.values[std::move(labels)] += value;
}

void MetricSet::histogram(std::string_view name, std::string_view help, const Histogram& value) {
  auto& family = families_[name];
  family.help = help;
  if (family.histogram.empty())
    family.histogram.push_back(value);
  else
    family.histogram[0].add(value);
}

void MetricSet::add(const MetricSet& other) {
  for (const auto& [name, theirs] : other.families_) {
    auto& ours = families_[name];
    ours.help = theirs.help;
    ours.counter = theirs.counter;
    for (const auto& [labels, value] : theirs.values) ours.values[labels] += value;
    if (!theirs.histogram.empty()) histogram(name, theirs.help, theirs.histogram[0]);
  }
}

void MetricSet::forget_gauges() {
  std::erase_if(families_,
                [](const auto& family) { return !family.second.counter && family.second.histogram.empty(); });
}

std::string MetricSet::to_text() const {
  std::vector<prometheus::MetricFamily> out;
  for (const auto& [name, family] : families_) {
    auto& text = out.emplace_back();
    text.name = "sallyport_" + std::string(name);
    text.help = family.help;
    text.type = !family.histogram.empty() ? prometheus::MetricType::Histogram
                : family.counter          ? prometheus::MetricType::Counter
                                          : prometheus::MetricType::Gauge;
    for (const auto& [labels, value] : family.values) {
      auto& metric = text.metric.emplace_back();
      for (const auto& [label, given] : labels) metric.label.push_back({std::string(label), given.text});
      (family.counter ? metric.counter.value : metric.gauge.value) = value;
    }
    for (const auto& histogram : family.histogram) {
      auto& to = text.metric.emplace_back().histogram;
      to.sample_sum = histogram.sum_;
      for (std::size_t i = 0; i + 1 < histogram.counts_.size(); ++i) {
        to.sample_count += histogram.counts_[i];
        to.bucket.push_back({to.sample_count, histogram.bounds_[i]});
      }
      to.sample_count += histogram.counts_.back();
    }
  }
  return prometheus::TextSerializer().Serialize(out);
}

}  // namespace sallyport::admin
