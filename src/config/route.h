// Route: which requests go to which backends. Part of the Configuration.
#pragma once

#include <cstdint>
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

struct Route {
  /// "example.org"; "*.example.org" for every name below it; empty for every host. In lower case.
  std::string host;
  std::string path = "/";  ///< a prefix of whole segments: "/a" takes /a and /a/b, and not /ab
  std::vector<Backend> backends;

  /// "example.org/api", "*/": names it in logs and metrics.
  std::string name() const;
  bool operator==(const Route&) const = default;
};

}  // namespace sallyport::config
