// ConfigurationSource: makes the gateway's Configuration from its flags and the files they name, and again
// whenever one of these changes: certificates, authorities of clients, tokens, and the folder that --files
// leads to. Owned by the Gateway, on its loop's thread.
#pragma once

#include "admin/metric_set.h"
#include "admin/token_file.h"
#include "config/serving_flags.h"
#include "files/folder_watch.h"
#include "gateway/certificates.h"
#include "net/event_loop.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::gateway {

class ConfigurationSource {
 public:
  /// Reads all files. `flags`: as check_flags() lets pass. The error names the flag or file and the remedy.
  /// From watch() on, `changed` is called with each new Configuration that differs from the last.
  using Changed = std::function<void(std::shared_ptr<const config::Configuration>)>;
  static Result<std::unique_ptr<ConfigurationSource>> open(config::ServingFlags flags, Changed changed);

  /// The listening addresses, with the chosen ports.
  void set_addresses(std::vector<net::SocketAddress> addresses);
  /// The admin port: never the target of a tunnel.
  void set_admin(const net::SocketAddress& address);
  const std::shared_ptr<const config::Configuration>& current() const { return current_; }
  /// Hands a self-signed certificate out to clients, as Certificates does, once all listen.
  Result<> hand_out_certificate() const { return certificates_.hand_out(); }
  /// Checks the files every second from now on.
  void watch(net::EventLoop& loop);
  /// Reads all files again. A file that cannot be read is logged as an error, and its previous content stays
  /// in use. `why`: the prefix of the log lines.
  void reload(std::string_view why, Time now);

  const std::optional<admin::TokenFile>& tokens() const { return tokens_; }
  void collect(admin::MetricSet& out) const;

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
  std::string certificates_said_;           // the error that was logged last
  std::optional<admin::TokenFile> tokens_;  // nothing: no --token-file
  std::shared_ptr<const config::Configuration> current_;
  std::unique_ptr<files::FolderWatch> folder_;  // null: no --files, or not watched yet
  std::optional<net::Timer> look_;
};

}  // namespace sallyport::gateway
