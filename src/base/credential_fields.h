// The fields (RFC 9110 §5) whose values let somebody in. One list for whoever must not let them be seen or
// kept: header compression (http/), traces (trace/).
#pragma once

#include <string_view>

namespace sallyport {

/// Whether fields of this name (lower case) hold what lets somebody in: no compression context may remember
/// them (RFC 7541 §7.1.3, RFC 9204 §7.1.3), and no trace tells them.
constexpr bool holds_credentials(std::string_view name) {
  return name == "authorization" || name == "proxy-authorization" || name == "cookie" || name == "set-cookie";
}

}  // namespace sallyport
