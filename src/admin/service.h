// Service: the admin pages of a process with what belongs to them: where they are, and the file of tokens of
// those who may read /metrics, read again when it changes. Owned by Gateway, and by `sallyport tun`.
#pragma once

#include "admin/metric_set.h"
#include "admin/pages.h"
#include "admin/token_file.h"
#include "net/inbound.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::admin {

struct ServiceOptions {
  std::optional<net::SocketAddress> address;
  std::string socket;      ///< path of a Unix socket instead of `address`; empty: none
  std::string token_file;  ///< tokens for the pages; empty: no authentication

  bool is_wanted() const { return address || !socket.empty(); }
};

/// An error of kind usage where the pages are reachable from other machines and no token file is given, or
/// where the options contradict each other. The sentence names the flag and the remedy.
Result<> check_access(const ServiceOptions& options);

class Service {
 public:
  /// Checks the options and reads the token file. Errors name the flag or file and the remedy.
  static Result<std::unique_ptr<Service>> open(ServiceOptions options);
  /// All of them must outlive it. Nothing where no pages are wanted.
  Result<> listen(net::Inbound& inbound, net::Timers& timers, Pages::Source& source);

  /// Where the pages are, with the chosen port; nullopt: on a Unix socket, or nowhere.
  const std::optional<net::SocketAddress>& address() const { return options_.address; }
  /// Logs where they are, and a warning where they are not encrypted.
  void announce() const;
  /// Reads the token file again, if there is one. `why`: as TokenFile::reload().
  void reload(std::string_view why, Time now);
  /// Reads it again where it has changed. Call it about every second.
  void look(Time now);
  void collect(MetricSet& out) const;

 private:
  explicit Service(ServiceOptions options) : options_(std::move(options)) {}

  ServiceOptions options_;
  std::optional<TokenFile> tokens_;
  std::unique_ptr<Pages> pages_;
};

}  // namespace sallyport::admin
