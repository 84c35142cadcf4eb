// SessionCache: a client's cache for session resumption and 0-RTT: TLS session tickets, NEW_TOKEN tokens (RFC
// 9000 §8.1.3), and the server's transport parameters and HTTP/3 SETTINGS for 0-RTT.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::tls {

/// For one thread. Keeps the `capacity` origins stored last. Contains secrets: its file must be private.
class SessionCache {
 public:
  static constexpr std::size_t capacity = 256;

  struct Entry {
    std::vector<std::uint8_t> ticket;                ///< as on_ticket gave it; opaque
    std::vector<std::uint8_t> transport_parameters;  ///< ngtcp2_conn_encode_0rtt_transport_params
    std::vector<std::uint8_t> http_settings;         ///< of HTTP/3, for 0-RTT requests
  };

  /// Replaces the entry of `origin`, but keeps its address token.
  void store(const std::string& origin, Entry entry);
  std::optional<Entry> find(const std::string& origin) const;
  void store_token(const std::string& origin, std::vector<std::uint8_t> token);
  /// Removes and returns the token; empty when there is none. A token is used once, to avoid linkability (RFC
  /// 9000 §8.1.3).
  std::vector<std::uint8_t> take_token(const std::string& origin);

  /// Adds the entries of the file at `path`. A missing file counts as empty; a damaged one is an error that
  /// names the line.
  Result<> load(const std::string& path);
  /// Replaces the file at `path` in one step; mode 0600.
  Result<> save(const std::string& path) const;

 private:
  struct Slot {
    Entry entry;  // without a ticket: only a token is known
    std::vector<std::uint8_t> token;
  };
  using Named = std::pair<std::string, Slot>;
  std::vector<Named> slots_;  // the one stored last at the back
  Slot& slot(const std::string& origin);
};

}  // namespace sallyport::tls
