// ConfigurationSource: makes the gateway's Configuration from its flags and from the files that they name,
// again whenever one of these changed: certificates, tokens, and the folder that --files leads to. Owned by
// the Gateway, on its loop's thread.
#pragma once

#include "config/serving_flags.h"
#include "files/folder_watch.h"
#include "gateway/certificates.h"
#include "gateway/metric_set.h"
#include "gateway/token_file.h"
#include "net/event_loop.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::gateway {

class ConfigurationSource {
 public:
  /// Reads all files. The error names the flag or file and the mend. `changed` is told of each Configuration
  /// that differs from the one before, from watch() on.
  using Changed = std::function<void(std::shared_ptr<const config::Configuration>)>;
  static Result<std::unique_ptr<ConfigurationSource>> open(config::ServingFlags flags, Changed changed);

  /// Where it listens, with the ports that were chosen.
  void set_addresses(std::vector<net::SocketAddress> addresses);
  /// Which tunnels never reach.
  void set_admin(const net::SocketAddress& address);
  const std::shared_ptr<const config::Configuration>& current() const { return current_; }
  /// Looks at the files every second from now on.
  void watch(net::EventLoop& loop);
  /// Reads all files again; what cannot be read stays as it was, and is logged as an error. `why`: begins the
  /// lines in the log.
  void reload(std::string_view why, Time now);

  const std::optional<TokenFile>& tokens() const { return tokens_; }
  void collect(MetricSet& out) const;

 private:
  ConfigurationSource(config::ServingFlags flags, Changed changed);
  void make();
  void publish();
  void look(Time now);
  void reload_certificates(std::string_view why);
  void reload_tokens(std::string_view why, Time now);

  config::ServingFlags flags_;
  const Changed changed_;
  config::Material material_;
  Certificates certificates_;
  std::string certificates_said_;    // the error that was logged last
  std::optional<TokenFile> tokens_;  // nothing: no --token-file
  std::shared_ptr<const config::Configuration> current_;
  std::unique_ptr<files::FolderWatch> folder_;  // null: no --files, or not watched yet
  std::optional<net::Timer> look_;
};

}  // namespace sallyport::gateway
