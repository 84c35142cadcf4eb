// The fields (RFC 9110 §5) that carry credentials. One list for header compression (http/), which must not
// index them, and for traces (trace/), which must hide them.
#pragma once

#include <string_view>

namespace sallyport {

/// Whether fields of this name (lower case) carry credentials: sent as never-indexed literals (RFC 7541
/// §7.1.3, RFC 9204 §7.1.3), and hidden in traces.
constexpr bool holds_credentials(std::string_view name) {
  return name == "authorization" || name == "proxy-authorization" || name == "cookie" || name == "set-cookie";
}

}  // namespace sallyport
