// Forwarding: one request on its way to a backend, and the response on its way back: two exchanges, and a
// Pump for each direction, so that either side is held back by the other. What was cut short on one side is
// cut short on the other, never made to look complete (docs/threat-model.md, "failing upstream"). Owned by
// ReverseProxy.
#pragma once

#include "http/exchange.h"
#include "http/replies.h"
#include "ingress/balancer.h"
#include "ingress/upstream.h"
#include "masque/idle_timer.h"
#include "masque/pump.h"

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::ingress {

/// Figures of one route.
struct RouteCounters {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;  ///< answered by the gateway because no backend did
  std::uint64_t cut = 0;       ///< responses that broke off
  std::uint64_t retries = 0;
  std::size_t open = 0;
  std::size_t retrying = 0;  ///< of those that are open, sent again after a backend had them
};

/// A route as a worker has it; shared with the requests that took it.
struct RoutedTo {
  config::Route config;
  std::string name;
  Balancer balancer;
  Balancer for_websockets;
  std::shared_ptr<RouteCounters> counters;
};

/// How long a WebSocket may be silent, as a tunnel of the proxy may.
inline constexpr Duration websocket_idle = 600s;

class Forwarding final : public http::ExchangeHandler, Upstream::User {
 public:
  class Owner {
   public:
    /// Neither exchange is there any more: to be destroyed in a later turn.
    virtual void on_over(Forwarding& forwarding) = 0;

   protected:
    ~Owner() = default;
  };

  /// What all of a worker have in common.
  struct World {
    dial::Context& context;
    http::Replies& replies;
    std::string pseudonym;                  ///< see ForwardedBy
    std::vector<net::IpPrefix> trusted;     ///< proxies whose fields about their clients are believed
    bool client_certificate_chain = false;  ///< likewise
  };

  Forwarding(Owner& owner, const World& world, const http::Incoming& in,
             std::shared_ptr<const RoutedTo> route);
  ~Forwarding();
  void start();

  std::list<Forwarding>::iterator self;  ///< its owner's

 private:
  // ExchangeHandler, of both: the client's is a server's exchange.
  void on_informational(http::Exchange& backend, const http::Response& head) override;
  void on_response(http::Exchange& backend, const http::Response& head) override;
  void on_body(http::Exchange& exchange, Bytes body) override;
  void on_trailers(http::Exchange& exchange, const http::Fields& trailers) override;
  void on_end(http::Exchange& exchange) override;
  void on_writable(http::Exchange& exchange) override;
  void on_closed(http::Exchange& exchange, const Error* why) override;
  // Upstream::User
  void on_connection(Upstream::Lease& lease) override;
  void on_no_connection(const Error& why) override;

  bool find_backend();
  std::shared_ptr<Upstream> pick() const;
  Time now() const { return world_.context.timers().now(); }
  void touch();
  void on_idle();
  void client_closed(const Error* why);
  void backend_closed(const Error* why);
  bool may_try_again(const Error& why, bool connection_is_gone);
  bool may_retry(unsigned status);
  bool claim_retry();
  Time next_deadline() const { return std::min({deadline_, head_deadline_, continue_deadline_}); }
  void arm();
  void on_deadline(Time now);
  /// `sent`: the request was, so that the connection was established.
  void refuse(const Error& why, bool sent);
  void note_upstream(std::string_view error);
  http::Request make_request();
  void check_over();
  http::Incoming incoming() const { return {*client_, alt_svc_, clear_}; }
  void begin();

  Owner& owner_;
  const World& world_;
  const std::string alt_svc_;
  const bool trusts_client_;
  const std::string request_id_;
  const std::shared_ptr<const RoutedTo> route_;
  http::Exchange* client_;
  http::Exchange* backend_ = nullptr;
  std::shared_ptr<Upstream> upstream_;  // that is used, or was last
  std::vector<const Upstream*> tried_;
  Upstream::Lease* lease_ = nullptr;
  masque::ExchangeEnd client_end_{http::ResetCode::internal_error};
  masque::ExchangeEnd backend_end_{http::ResetCode::cancelled};
  masque::Pump request_{client_end_, backend_end_};
  masque::Pump response_{backend_end_, client_end_};
  std::optional<masque::IdleTimer> idle_;  // of a WebSocket that is open
  std::optional<net::Timer> timer_;        // the earliest of the next three
  Time deadline_ = never;                  // of the whole response
  Time head_deadline_ = never;             // of its head, for this try
  Time continue_deadline_ = never;         // then the gateway says 100 (Continue)
  std::uint64_t hash_ = 0;                 // of what the route chooses a backend by
  unsigned tries_ = 0;
  const bool clear_;
  bool expects_continue_ = false;
  bool begun_ = false;          // a backend is looked for, or more
  bool waits_ = false;          // for a connection to upstream_
  bool has_body_ = false;       // of the request, as far as is known
  bool request_ended_ = false;  // it came whole
  bool is_sent_once_ = false;   // with a body, which is not kept: no other backend can have it
  bool is_retry_ = false;       // counted among the route's
  bool timed_out_ = false;      // it is not tried again
  bool tries_again_ = false;    // the response that the backend gives is none
  bool was_idle_ = false;       // the connection was, on which it was sent
  bool heard_ = false;          // something of a response came
  bool responded_ = false;      // the client has the head of the response
  bool response_ended_ = false;
  bool over_ = false;
};

}  // namespace sallyport::ingress
