// Router: decides who answers a request: the proxy, the content (files), or nobody. Checks first what holds
// for all of them: that the certificate of the request's connection covers the host (421, RFC 9110 §7.4),
// that it is asked for as what it is here and not as a proxy's (501), and that nothing unsafe came in early
// data (425, RFC 8470 §5.2). One a worker.
#pragma once

#include "http/connection.h"
#include "http/replies.h"
#include "masque/proxy_status.h"

#include <array>
#include <cstdint>
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
  /// Where requests go from now on; null: nowhere. Not owned.
  void set_content(http::Content* content) { content_ = content; }
  void set_proxy(http::RequestHandler* proxy) { proxy_ = proxy; }
  void route(const http::Incoming& in);
  const RouterCounters& counters() const { return counters_; }

 private:
  void answer_connect(const http::Incoming& in);
  void refuse_to_proxy(const http::Incoming& in, const masque::Refusal& refusal);

  http::Replies& replies_;
  http::Content* content_ = nullptr;
  http::RequestHandler* proxy_ = nullptr;
  RouterCounters counters_;
};

/// The way in of one listener: what differs between listeners, in front of what they share.
class Entrance final : public http::RequestHandler {
 public:
  /// `log` is not owned; null: nobody keeps a record.
  Entrance(Router& router, std::string alt_svc, http::ExchangeLog* log = nullptr)
      : router_(router), alt_svc_(std::move(alt_svc)), log_(log) {}
  void on_request(http::Exchange& exchange) override { router_.route({exchange, alt_svc_}); }
  http::ExchangeLog* log() override { return log_; }
  void set_alt_svc(std::string alt_svc) { alt_svc_ = std::move(alt_svc); }

 private:
  Router& router_;
  std::string alt_svc_;
  http::ExchangeLog* const log_;
};

/// The host of an authority: no port, no brackets.
std::string_view host_of(std::string_view authority);

}  // namespace sallyport::gateway
