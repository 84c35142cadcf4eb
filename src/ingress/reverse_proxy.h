// ReverseProxy: forwards requests to the backends of their routes, or answers them as their routes say. One
// for each worker; what it forwards goes on while its routes change.
#pragma once

#include "config/configuration.h"
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

class ReverseProxy final : Forwarding::Owner {
 public:
  /// All that `context` refers to, and `replies`, must outlive this. `pseudonym`: of this gateway, see
  /// ForwardedBy.
  ReverseProxy(dial::Context context, http::Replies& replies, std::string pseudonym);
  ~ReverseProxy();

  /// Serves by its routes from now on. Requests on their way go on as they were; of backends that are gone,
  /// connections are closed when the last request on them has ended. Its trust in backends is for connections
  /// that are made from now on.
  void apply(const config::Configuration& configuration);
  /// Whether apply() has anything to do for `next` behind `last`.
  static bool differ(const config::Configuration& last, const config::Configuration& next);
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
  void answer(const http::Incoming& in, const RoutedTo& route);
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
