// Endpoint: a worker's QUIC server. It finds the Connection of each datagram, accepts new connections, and
// answers datagrams of no connection as RFC 9000 requires (Version Negotiation, Retry, stateless reset, or
// nothing). Owns its connections. Sans-I/O like Connection.
#pragma once

#include "quic/connection.h"
#include "quic/connection_id.h"
#include "tls/replay_guard.h"
#include "tls/server_secret.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

namespace sallyport::quic {

enum class RetryPolicy : std::uint8_t { under_load, always, never };

inline constexpr std::array all_retry_policies{RetryPolicy::under_load, RetryPolicy::always,
                                               RetryPolicy::never};

/// "auto" (under_load), "always", "never": as flags and printed configurations have it.
constexpr std::string_view to_string(RetryPolicy policy) {
  switch (policy) {
    case RetryPolicy::under_load:
      return "auto";
    case RetryPolicy::always:
      return "always";
    case RetryPolicy::never:
      break;
  }
  return "never";
}

/// Observes the connections of an endpoint, for a log. May read a connection's state, must not change it.
class ConnectionWatcher {
 public:
  virtual void on_accepted(const Connection& connection) = 0;
  /// The handshake is complete.
  virtual void on_established(const Connection& connection) = 0;
  /// path() has changed, and is validated.
  virtual void on_moved(const Connection& connection) = 0;
  /// Called once for each accepted connection. `established`: on_established() was called before.
  virtual void on_ended(const Connection& connection, const Closed& why, bool established) = 0;

 protected:
  ~ConnectionWatcher() = default;
};

struct ServerOptions {
  Config config;
  std::shared_ptr<const tls::ServerCredentials> credentials;
  std::vector<std::string> alpn{"h3"};
  tls::ServerSecret secret = tls::ServerSecret::random();
  ConnectionIdOwner owner;
  RetryPolicy retry = RetryPolicy::under_load;
  std::size_t retry_above_half_open =
      256;  ///< half-open connections of this worker at which `under_load` sends Retry
  std::size_t max_half_open = 4096;  ///< more Initials than this are dropped
  std::size_t max_connections = 200'000;
  bool early_data = true;
  ConnectionWatcher* watcher = nullptr;  ///< not owned, outlives the endpoint; null: none
  /// Replay protection for 0-RTT, shared by the workers of a process; null: this endpoint keeps its own.
  std::shared_ptr<tls::ReplayRecord> replay_record;
  /// Likewise for address tokens.
  std::shared_ptr<tls::ReplayRecord> used_tokens;
  /// The clock of address tokens, common to all that share `secret`; null: the timers' time.
  WallTime (*wall_clock)() = nullptr;
};

struct EndpointStats {
  std::uint64_t accepted = 0, retries_sent = 0, version_negotiations_sent = 0, stateless_resets_sent = 0;
  std::uint64_t dropped_short_initial = 0, dropped_unknown = 0, dropped_half_open = 0, dropped_token = 0,
                dropped_malformed = 0;
  std::uint64_t ignored_tokens = 0;  ///< address tokens not accepted: as if there had been none
  std::uint64_t handshakes_completed = 0, handshakes_failed = 0;
  std::size_t connections = 0, half_open = 0;
  std::size_t connection_ids = 0;  ///< connection IDs in the table
};

class Endpoint final : public net::DatagramReceiver {
 public:
  /// Makes the Application of a new connection; it may keep a reference to the connection. The endpoint owns
  /// the Application and destroys it after on_closed. Called before the end of the handshake.
  using Accept = std::function<std::unique_ptr<Application>(Connection&)>;

  /// Becomes the receiver of `path`, which is not owned and must outlive the endpoint.
  Endpoint(const Environment& environment, net::DatagramPath& path, ServerOptions options, Accept accept);
  ~Endpoint();

  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time now) override;
  void on_path_writable(Time now) override;
  void on_max_datagram_size(std::size_t bytes) override;
  void on_path_closed(const Error& why) override;

  /// Credentials for new connections; open connections keep theirs.
  void set_credentials(std::shared_ptr<const tls::ServerCredentials> credentials);
  /// For new connections; open connections keep theirs.
  void set_config(const Config& config, RetryPolicy retry);
  /// Refuses new connections (CONNECTION_REFUSED); open connections continue.
  void stop_accepting();
  /// Closes all connections with this application error code.
  void close_all(std::uint64_t application_code);
  EndpointStats stats() const;
  /// Visits every open connection.
  void for_each(const std::function<void(Connection&)>& visit);
  /// A datagram for a connection ID that names another owner; null drops it.
  using StrayHandler =
      std::function<void(const ConnectionIdOwner&, const net::NetPath&, Bytes datagram, net::Ecn)>;
  void set_stray_handler(StrayHandler handler);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::quic
