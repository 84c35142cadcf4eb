// Proxy-Status (RFC 9209): how a proxy tells a client why, and how a client reads it.
#pragma once

#include "base/result.h"
#include "http/fields.h"
#include "http/message.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::masque {

/// The HTTP status and Proxy-Status error type (RFC 9209 §2.3) that tell of a failure to reach a target.
struct Refusal {
  unsigned status = 502;
  std::string_view type = "proxy_internal_error";
  std::string details;
};

Refusal refusal_for(const Error& error);
/// `sallyport; error=dns_error; details="..."`
std::string format_proxy_status(std::string_view proxy, const Refusal& refusal);
/// Its status, and Proxy-Status as above.
http::Response refusal_head(std::string_view proxy, const Refusal& refusal);
/// `sallyport; next-hop="192.0.2.1:443"` for an open tunnel (RFC 9298 §3.5 allows it).
std::string format_next_hop(std::string_view proxy, std::string_view next_hop);

struct ProxyStatus {
  std::string proxy, error, details, next_hop;
};
/// The last member of the list: the proxy nearest to us speaks last. nullopt when malformed.
std::optional<ProxyStatus> parse_proxy_status(std::string_view value);
/// What the tunnel that a response opened is connected to, as its proxy says; empty: it does not.
std::string next_hop_of(const http::Fields& response);

}  // namespace sallyport::masque
