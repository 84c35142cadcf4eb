// Route: which requests go where: to backends, to another URL, or nowhere. Part of the Configuration.
#pragma once

#include "base/time.h"
#include "config/route_filters.h"
#include "config/route_match.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::config {

/// How requests travel to a backend.
enum class BackendProtocol : std::uint8_t {
  http1,  ///< http://: HTTP/1.1 in the clear
  h2c,    ///< h2c://: HTTP/2 in the clear, with prior knowledge (RFC 9113 §3.3)
  https,  ///< https://: HTTP/2 or HTTP/1.1 over TLS, as ALPN decides
  h3,     ///< h3://: HTTP/3
};
std::string_view to_string(BackendProtocol protocol);  ///< "http", "h2c", "https", "h3"
inline bool is_secured(BackendProtocol protocol) {
  return protocol == BackendProtocol::https || protocol == BackendProtocol::h3;
}

struct Backend {
  BackendProtocol protocol = BackendProtocol::http1;
  std::string host;  ///< as net::parse_host() has it
  std::uint16_t port = 80;
  std::uint32_t weight = 1;  ///< its share of the requests; 0: none

  /// "http://127.0.0.1:8080": names it in logs and metrics.
  std::string to_string() const;
  bool operator==(const Backend&) const = default;
};

/// How one of several backends is chosen.
struct Balancing {
  enum class Kind : std::uint8_t {
    least_requests,  ///< one that is drawn by weight, or a second one that is less busy for its weight
    round_robin,     ///< in turn, by weight
    client_hash,     ///< the same for all requests of one client address, as long as it is there
    header_hash,     ///< the same for all requests with the same value of one header field
  };
  Kind kind = Kind::least_requests;
  std::string header;  ///< of header_hash, in lower case

  bool operator==(const Balancing&) const = default;
};

/// How long is waited, and what is tried again.
struct Patience {
  Duration request = Duration::zero();  ///< from the request's head to the end of its response; 0: for ever
  Duration backend = Duration::zero();  ///< of each try, to the head of the response; 0: for ever
  Duration silence = 60s;               ///< while nothing comes from the backend; 0: for ever
  unsigned retries = 2;                 ///< tries after the first
  std::vector<unsigned> retry_status;  ///< statuses that are no response while another try is left; ascending

  bool operator==(const Patience&) const = default;
};

struct Route {
  /// "example.org"; "*.example.org" for every name below it; empty for every host. In lower case.
  std::string host;
  std::string path = "/";
  PathMatch path_match = PathMatch::prefix;
  Conditions conditions;

  // One of three.
  std::vector<Backend> backends;
  std::optional<Redirect> redirect;
  std::optional<DirectResponse> response;

  Filters filters;  ///< `path` and `host` are for backends only
  Balancing balancing;
  Patience patience;

  /// "example.org/api", "*/;method=POST", as --route has it: names it in logs and metrics.
  std::string name() const;
  bool operator==(const Route&) const = default;
};

}  // namespace sallyport::config
