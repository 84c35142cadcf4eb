// TunMetrics: the metrics of `sallyport tun` on its admin pages (docs/metrics.md).
#pragma once

#include "admin/service.h"
#include "client/tun.h"

#include <functional>
#include <string>

namespace sallyport::client {

class TunMetrics final : public admin::Pages::Source {
 public:
  /// Both must outlive this.
  TunMetrics(Tun& tun, const admin::Service& service) : tun_(tun), service_(service) {}
  bool is_ready() const override { return tun_.is_ready(); }
  void make_metrics(std::function<void(std::string)> done) override;

 private:
  Tun& tun_;
  const admin::Service& service_;
};

void collect_tun(const TunFigures& figures, admin::MetricSet& out);

}  // namespace sallyport::client
