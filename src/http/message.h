// Request and Response heads, the same for HTTP/1.1, /2 and /3 (RFC 9110). What each version calls control
// data (pseudo-headers, the request line) is in named members; everything else is in `fields`.
#pragma once

#include "http/fields.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::http {

enum class Version : std::uint8_t { http1_0, http1_1, http2, http3 };
std::string_view to_string(Version version);  ///< "HTTP/1.1", "HTTP/2", "HTTP/3"

/// Urgency and incremental (RFC 9218 §4).
struct Priority {
  std::uint8_t urgency = 3;
  bool incremental = false;
  friend bool operator==(const Priority&, const Priority&) = default;
};

struct Request {
  std::string method = "GET";
  std::string scheme = "https";
  std::string authority;   ///< host[:port]; of a CONNECT request, its target
  std::string path = "/";  ///< with the query; empty for a plain CONNECT
  /// Extended CONNECT (RFC 8441, 9220): "connect-udp", "websocket". Over HTTP/1.1 this is Upgrade, and method
  /// reads CONNECT here all the same, so that callers see one thing.
  std::string protocol;
  Fields fields;
  Priority priority;
  bool early_data = false;  ///< arrived in 0-RTT (RFC 8470)

  bool is_connect() const { return method == "CONNECT"; }
  /// Back to a fresh one, keeping the memory.
  void clear();
  /// Drops the fields, and of everything else what is behind `most` bytes, with the memory.
  void cut(std::size_t most);
  /// Bytes that are allocated for it.
  std::size_t memory() const;
};

struct Response {
  unsigned status = 200;
  Fields fields;
};

/// RFC 9110 §9.2: safe methods ask for nothing to change; idempotent ones may be sent again. Both of the
/// methods known here.
bool is_safe(std::string_view method);
bool is_idempotent(std::string_view method);

/// "1234" as a number; nullopt when it is none or does not fit.
std::optional<std::uint64_t> parse_content_length(std::string_view value);

}  // namespace sallyport::http
