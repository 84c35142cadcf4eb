// SessionCache: what a client remembers of the servers it met, so that the next connection starts sooner: TLS
// tickets, QUIC address tokens (RFC 9000 §8.1.3), and what 0-RTT needs (transport parameters, HTTP/3
// settings).
#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::tls {

/// One thread's. Keeps the `capacity` origins that were stored last. Holds secrets: a file of it must be
/// private.
class SessionCache {
 public:
  static constexpr std::size_t capacity = 256;

  struct Entry {
    std::vector<std::uint8_t> ticket;                ///< as on_ticket gave it; opaque
    std::vector<std::uint8_t> transport_parameters;  ///< ngtcp2_conn_encode_0rtt_transport_params
    std::vector<std::uint8_t> http_settings;         ///< of HTTP/3, for 0-RTT requests
  };

  /// Replaces what was there under `origin`; its address token stays.
  void store(const std::string& origin, Entry entry);
  std::optional<Entry> find(const std::string& origin) const;
  void store_token(const std::string& origin, std::vector<std::uint8_t> token);
  /// Empty when there is none. Takes it out: a token is used once, lest paths be linked by it (RFC 9000
  /// §8.1.3).
  std::vector<std::uint8_t> take_token(const std::string& origin);

  /// Adds what the file at `path` holds. A missing file is an empty one; a damaged one is an error that names
  /// the line.
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
