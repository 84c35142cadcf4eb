#include "gateway/router.h"

#include "http/validation.h"
#include "ingress/message_filters.h"
#include "masque/proxy.h"
#include "masque/proxy_status.h"
#include "tls/served_certificate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

/// Whether the target belongs to this HTTPS server. A forward proxy gets http:// targets (RFC 9112 §3.2.2;
/// :scheme in HTTP/2 and HTTP/3). An http:// target with this server's own port is accepted: some clients
/// behind a TLS terminator send it.
bool is_served_here(const http::Incoming& in) {
  const http::Exchange& exchange = in.exchange;
  const auto& request = exchange.request();
  if (in.clear) return request.scheme == "http";
  if (request.scheme == "https") return true;
  if (request.scheme != "http") return false;
  return request.authority.ends_with(fmt::format(":{}", exchange.connection().info().path.local.port()));
}

}  // namespace

bool Router::is_covered(const http::Exchange& exchange) {
  const auto& authority = exchange.request().authority;
  const auto& certificate = exchange.connection().info().certificate;
  // HTTP/1.0 may omit the host; for other versions it was checked before.
  if (authority.empty() || certificate == nullptr) return true;
  if (certificate != last_certificate_ || authority != last_authority_) {
    last_covered_ = certificate->covers(http::without_brackets(http::host_of(authority)));
    last_certificate_ = certificate;
    last_authority_ = authority;
  }
  return last_covered_;
}

void Router::route(const http::Incoming& in) {
  const auto& request = in.exchange.request();
  ++counters_.requests[http::ReplyCounters::index(in.exchange.version())];
  // Safe methods (RFC 9110 §9.2.1) do no harm when a 0-RTT request is replayed.
  if (request.early_data && !http::is_safe(request.method)) {
    ++counters_.too_early;
    constexpr std::string_view why =
        "too early: this request is not accepted in 0-RTT (early data); send it again";
    return request.is_connect() ? refuse_to_proxy(in, {425, "http_request_error", std::string(why)})
                                : replies_.sentence(in, 425, why);
  }
  // The authority of a CONNECT request is its target; that of an extended CONNECT for the proxy may be any
  // name that users gave it.
  const bool is_websocket = routes_ != nullptr && request.protocol == "websocket";
  if (request.is_connect() && !is_websocket) return answer_connect(in);
  if (!is_served_here(in))
    return refuse_to_proxy(in, {501, "proxy_configuration_error",
                                "requests for http:// and other schemes are not forwarded; this server has "
                                "https:// only, and proxies "
                                "by CONNECT"});
  if (!is_covered(in.exchange)) {
    ++counters_.misdirected;
    return replies_.sentence(
        in, 421, "misdirected request: the certificate of this connection does not cover the requested host");
  }
  if (routes_ != nullptr && routes_->serve(in)) return;
  if (request.is_connect()) return answer_connect(in);
  if (content_ == nullptr)
    return replies_.sentence(in, 404,
                             routes_ == nullptr ? "not found: this server has no files"
                                                : "not found: no route takes this request");
  content_->serve(in);
}

void Router::redirect(const http::Incoming& in, std::uint16_t port) {
  const http::Request& request = in.exchange.request();
  ++counters_.requests[http::ReplyCounters::index(in.exchange.version())];
  if (request.is_connect()) return answer_connect(in);
  if (request.authority.empty())
    return replies_.sentence(in, 400, "bad request: without a host there is nothing to redirect to");
  http::Response head{.status = 308};
  const config::Redirect to{.scheme = "https", .host = {}, .port = port, .path = {}};
  head.fields.add("location", ingress::location_of(to, "/", request, in.clear));
  replies_.sentence(in, std::move(head), "this server is at https://");
}

void Router::answer_connect(const http::Incoming& in) {
  const auto& request = in.exchange.request();
  if (in.clear)
    return refuse_to_proxy(in, {501, "proxy_configuration_error", "this port is no proxy: it has no TLS"});
  if (proxy_ != nullptr && masque::Proxy::wants(request)) return proxy_->on_request(in.exchange);
  // RFC 9220 §3, RFC 8441 §4: a protocol that is not known.
  std::string_view why = "this server does not support the requested :protocol";
  if (proxy_ == nullptr)
    why = "this server is not a proxy";
  else if (http::equal_ignoring_case(request.protocol, "connect-udp"))
    why = ":protocol is case-sensitive, and connect-udp is lowercase";
  refuse_to_proxy(in, {501, "proxy_configuration_error", std::string(why)});
}

void Router::refuse_to_proxy(const http::Incoming& in, const masque::Refusal& refusal) {
  replies_.sentence(in, masque::refusal_head(masque::ProxyOptions{}.name, refusal), refusal.details);
}

}  // namespace sallyport::gateway
