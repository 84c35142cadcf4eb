// ReverseProxy: passes requests on to the backends of their routes. One a worker; what it forwards goes on
// while its routes change.
#pragma once

#include "config/route.h"
#include "http/replies.h"
#include "ingress/forwarding.h"
#include "ingress/route_table.h"
#include "ingress/upstream.h"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::ingress {

/// What holds for the backends of all routes.
struct BackendPolicy {
  std::shared_ptr<const tls::Trust> trust = nullptr;  ///< verifies secured ones
  /// Offered to those that ask for one; null: none.
  std::shared_ptr<const tls::OfferedCertificate> certificate = nullptr;
  bool client_certificate_chain = false;  ///< see ForwardingGateway

  bool operator==(const BackendPolicy&) const = default;
};

class ReverseProxy final : Forwarding::Owner {
 public:
  /// All that `context` refers to, and `replies`, must outlive this. `pseudonym`: of this gateway, see
  /// ForwardingGateway.
  ReverseProxy(dial::Context context, http::Replies& replies, std::string pseudonym);
  ~ReverseProxy();

  /// Serves by these routes from now on. Requests on their way go on as they were; of backends that are gone,
  /// connections are closed when the last request on them has ended. `policy`: for requests, and for
  /// connections that are made, from now on.
  void apply(const std::vector<config::Route>& routes, BackendPolicy policy);
  /// False, and nothing was done: no route takes the request.
  bool serve(const http::Incoming& in);

  std::size_t open() const { return open_.size(); }
  /// By the name of the route, those too that are gone: counters never go back.
  const std::map<std::string, std::shared_ptr<RouteCounters>>& routes() const { return counters_; }
  /// By the name of the backend, likewise.
  const std::map<std::string, std::shared_ptr<UpstreamCounters>>& upstreams() const {
    return upstream_counters_;
  }
  /// Those of the present routes. One backend may have two: see UpstreamOptions::http1_only.
  void each_upstream(const std::function<void(const Upstream&)>& visit) const;

 private:
  using Upstreams = std::map<std::string, std::shared_ptr<Upstream>>;

  void on_over(Forwarding& forwarding) override;
  std::shared_ptr<Upstream> upstream(const config::Backend& backend, bool http1_only, Upstreams& before);

  dial::Context context_;
  Forwarding::World world_;
  dial::Graveyard graveyard_;
  Upstreams upstreams_;  // by their names, with "upgrade " in front of those of HTTP/1.1 alone
  std::map<std::string, std::shared_ptr<UpstreamCounters>> upstream_counters_;
  std::map<std::string, std::shared_ptr<RouteCounters>> counters_;
  std::vector<std::shared_ptr<const RoutedTo>> routes_;
  RouteTable table_;
  std::list<Forwarding> open_;
  std::vector<std::list<Forwarding>::iterator> over_;
  net::Deferred bury_;
};

}  // namespace sallyport::ingress
