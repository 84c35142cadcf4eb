// Certificates: what a gateway shows to its clients: read from the files that the flags name, or made, at the
// start; read again when the files changed or the operator asks. Their dates are told to the operator, by a
// warning and by a metric. Owned by the ConfigurationSource, on the Gateway's thread.
#pragma once

#include "config/serving_flags.h"
#include "gateway/metric_set.h"
#include "gateway/watched_file.h"
#include "tls/credentials.h"
#include "tls/validity.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::gateway {

class Certificates {
 public:
  /// By the ID of the listener that shows them, as in config::Material.
  using ByListener = std::map<std::string, std::shared_ptr<const tls::ServerCredentials>>;

  explicit Certificates(config::ServingFlags flags);

  /// Reads the files, or, the first time, makes a self-signed certificate. On an error, which names the file
  /// and what is wrong with it, all that was there before stays.
  Result<> load();
  /// Whether a file changed since load(), as WatchedFile sees it. To be called every second or so.
  bool has_changed();
  /// Says that a certificate expired, is not valid yet or expires soon, if one did.
  void warn_of_dates() const;
  /// Of what was loaded last; empty before.
  const ByListener& credentials() const { return credentials_; }
  bool is_self_signed() const { return !flags_.self_signed.empty(); }
  void collect(MetricSet& out) const;

 private:
  struct Chain {
    std::string label;  ///< for metrics
    std::string place;  ///< for a sentence
    std::vector<tls::Validity> validity;
  };

  const config::ServingFlags flags_;
  std::vector<WatchedFile> files_;
  ByListener credentials_;
  std::vector<Chain> chains_;
};

}  // namespace sallyport::gateway
