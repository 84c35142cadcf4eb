// Certificates: what the gateway shows to its clients: read from the files that the settings name, or made,
// at the start; read again on SIGHUP. Their dates are told to the operator, by a warning and by a metric.
// Owned by the Gateway, on its thread.
#pragma once

#include "gateway/metric_set.h"
#include "gateway/settings.h"
#include "tls/credentials.h"
#include "tls/validity.h"

#include <memory>
#include <string>
#include <vector>

namespace sallyport::gateway {

class Certificates {
 public:
  explicit Certificates(Settings settings);

  /// Reads the files, or makes a self-signed certificate. On an error, which names the file and what is wrong
  /// with it, what was there before stays.
  Result<> load();
  /// Says that a certificate expired, is not valid yet or expires soon, if one did.
  void warn_of_dates() const;
  /// Of what was loaded last; null before.
  const std::shared_ptr<const tls::ServerCredentials>& credentials() const { return credentials_; }
  void collect(MetricSet& out) const;

 private:
  bool is_self_signed() const { return !settings_.self_signed.empty(); }

  const Settings settings_;
  const std::string label_;
  std::shared_ptr<const tls::ServerCredentials> credentials_;
  std::vector<tls::Validity> chain_;
};

}  // namespace sallyport::gateway
