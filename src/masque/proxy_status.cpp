#include "masque/proxy_status.h"

#include "http/structured_field.h"

#include <utility>

namespace sallyport::masque {
namespace {

std::string format_name(std::string_view proxy) {
  if (http::is_structured_token(proxy)) return std::string(proxy);
  std::string out;
  http::append_structured_string(out, proxy);
  return out;
}

ProxyStatus to_status(const http::StructuredItem& member) {
  ProxyStatus status;
  status.proxy = member.text();
  http::StructuredParameters parameters(member);
  std::string_view key;
  http::StructuredItem value;
  while (parameters.next(key, value)) {
    if (key == "error")
      status.error = value.text();
    else if (key == "details")
      status.details = value.text();
    else if (key == "next-hop")
      status.next_hop = value.text();
  }
  return status;
}

}  // namespace

Refusal refusal_for(const Error& error) {
  // Status codes as RFC 9209 §2.3 recommends them, but for policy: 403 says better than 502 that trying again
  // is of no use.
  switch (error.kind) {
    case ErrorKind::resolve:
      return {502, "dns_error", error.message};
    case ErrorKind::denied:
      return {403, "destination_ip_prohibited", error.message};
    case ErrorKind::refused:
      return {502, "connection_refused", error.message};
    case ErrorKind::timeout:
      return {504, "connection_timeout", error.message};
    case ErrorKind::unreachable:
      return {503, "destination_unavailable", error.message};
    case ErrorKind::closed:
      return {502, "connection_terminated", error.message};
    case ErrorKind::protocol:
      return {400, "http_request_error", error.message};
    case ErrorKind::resource:
      return {503, "proxy_internal_error", error.message};
    default:
      return {502, "proxy_internal_error", error.message};
  }
}

std::string format_proxy_status(std::string_view proxy, const Refusal& refusal) {
  std::string out = format_name(proxy);
  (out += "; error=") += refusal.type;
  if (!refusal.details.empty()) http::append_structured_string(out += "; details=", refusal.details);
  return out;
}

http::Response refusal_head(std::string_view proxy, const Refusal& refusal) {
  http::Response head{.status = refusal.status, .fields = {}};
  head.fields.add("proxy-status", format_proxy_status(proxy, refusal));
  return head;
}

std::string format_next_hop(std::string_view proxy, std::string_view next_hop) {
  std::string out = format_name(proxy);
  http::append_structured_string(out += "; next-hop=", next_hop);
  return out;
}

std::optional<ProxyStatus> parse_proxy_status(std::string_view value) {
  http::StructuredField field(value);
  http::StructuredItem member, last;
  bool any = false;
  while (field.next(member)) {
    if (member.kind == http::StructuredItem::Kind::inner_list)
      return std::nullopt;  // RFC 9209 §2: items only
    last = member;
    any = true;
  }
  if (!any || field.malformed()) return std::nullopt;
  return to_status(last);
}

std::string next_hop_of(const http::Fields& response) {
  const auto field = response.joined("proxy-status");
  auto status = field ? parse_proxy_status(*field) : std::nullopt;
  return status ? std::move(status->next_hop) : std::string();
}

}  // namespace sallyport::masque
