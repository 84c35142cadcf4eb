// Router: passes each request to the proxy, to the backends of its route, or to the content (files), or
// refuses it. First it checks, for all
// requests, that the certificate of the connection covers the host (421, RFC 9110 §7.4), that the request is
// not meant for an HTTP forward proxy (501), and that early data contains safe methods only (425, RFC 8470
// §5.2). One for each worker.
#pragma once

#include "http/connection.h"
#include "http/replies.h"
#include "ingress/reverse_proxy.h"
#include "masque/proxy_status.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::gateway {

struct RouterCounters {
  std::array<std::uint64_t, http::ReplyCounters::versions> requests{};  ///< tunnels included
  std::uint64_t misdirected = 0, too_early = 0;
};

class Router {
 public:
  explicit Router(http::Replies& replies) : replies_(replies) {}
  /// The destinations of requests from now on; null: none. Not owned.
  void set_routes(ingress::ReverseProxy* routes) { routes_ = routes; }
  /// For what no route takes.
  void set_content(http::Content* content) { content_ = content; }
  void set_proxy(http::RequestHandler* proxy) { proxy_ = proxy; }
  void route(const http::Incoming& in);
  /// To https:// at this port, the rest of the URL as it is.
  void redirect(const http::Incoming& in, std::uint16_t port);
  const RouterCounters& counters() const { return counters_; }

 private:
  /// Whether the connection's certificate covers the requested host.
  bool is_covered(const http::Exchange& exchange);
  void answer_connect(const http::Incoming& in);
  void refuse_to_proxy(const http::Incoming& in, const masque::Refusal& refusal);

  http::Replies& replies_;
  ingress::ReverseProxy* routes_ = nullptr;
  http::Content* content_ = nullptr;
  http::RequestHandler* proxy_ = nullptr;
  // Most requests in a row have the same authority and certificate.
  std::shared_ptr<const tls::ServedCertificate> last_certificate_;
  std::string last_authority_;
  bool last_covered_ = false;
  RouterCounters counters_;
};

/// The request handler of one listener, with the listener's own settings.
class Entrance final : public http::RequestHandler {
 public:
  /// `log` is not owned; null: no access log.
  Entrance(Router& router, std::string alt_svc, http::ExchangeLog* log = nullptr)
      : router_(router), alt_svc_(std::move(alt_svc)), log_(log) {}
  void on_request(http::Exchange& exchange) override {
    const http::Incoming in{exchange, alt_svc_, clear_};
    redirect_to_ != 0 ? router_.redirect(in, redirect_to_) : router_.route(in);
  }
  http::ExchangeLog* log() override { return log_; }
  void set_alt_svc(std::string alt_svc) { alt_svc_ = std::move(alt_svc); }
  /// The listener has no TLS. `redirect_to`: see config::Listener.
  void set_clear(std::uint16_t redirect_to) {
    clear_ = true;
    redirect_to_ = redirect_to;
  }

 private:
  Router& router_;
  std::string alt_svc_;
  http::ExchangeLog* const log_;
  bool clear_ = false;
  std::uint16_t redirect_to_ = 0;
};

}  // namespace sallyport::gateway
