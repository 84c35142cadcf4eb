// Alt-Svc (RFC 7838): how a server says over TCP that it is there over HTTP/3 too, and how a client reads it.
#pragma once

#include "base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::http {

struct AltService {
  std::string protocol;  ///< an ALPN name: "h3"
  std::string host;      ///< empty: the origin's own
  std::uint16_t port = 0;
  Duration max_age = std::chrono::hours(24);
  bool persist = false;  ///< survives a change of network
  friend bool operator==(const AltService&, const AltService&) = default;
};

struct AltServices {
  bool clear = false;  ///< forget what was known of this origin
  std::vector<AltService> services;
};

/// `h3=":443"; ma=86400`
std::string format_alt_svc(const AltService& service);
/// Reads at most 16 alternatives; nullopt when the value is malformed.
std::optional<AltServices> parse_alt_svc(std::string_view value);

}  // namespace sallyport::http
