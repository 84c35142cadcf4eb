#include "ingress/reverse_proxy.h"

#include "ingress/forwarded_message.h"
#include "ingress/request_path.h"
#include "masque/proxy.h"

#include <utility>

namespace sallyport::ingress {

ReverseProxy::ReverseProxy(dial::Context context, http::Replies& replies, std::string pseudonym)
    : context_(std::move(context)),
      world_{context_, replies, std::move(pseudonym)},
      graveyard_(context_.timers()),
      bury_(context_.timers(), [this](Time) {
        for (const auto forwarding : std::exchange(over_, {})) open_.erase(forwarding);
      }) {}

ReverseProxy::~ReverseProxy() = default;

std::shared_ptr<Upstream> ReverseProxy::upstream(const config::Backend& backend, bool http1_only,
                                                 Upstreams& before) {
  const std::string name = backend.to_string(), key = (http1_only ? "upgrade " : "") + name;
  auto& found = upstreams_[key];
  if (!found) found = std::exchange(before[key], nullptr);
  if (found) return found;
  auto& counters = upstream_counters_[name];
  if (!counters) counters = std::make_shared<UpstreamCounters>();
  return found = std::make_shared<Upstream>(context_, graveyard_, backend, counters,
                                            UpstreamOptions{.http1_only = http1_only});
}

void ReverseProxy::apply(const std::vector<config::Route>& routes, BackendPolicy policy) {
  context_.trust = std::move(policy.trust);
  context_.certificate = std::move(policy.certificate);
  world_.client_certificate_chain = policy.client_certificate_chain;
  auto before = std::exchange(upstreams_, {});
  std::vector<std::shared_ptr<const RoutedTo>> made;
  for (const config::Route& route : routes) {
    std::vector<Balancer::Choice> all, for_websockets;
    for (config::Backend backend : route.backends) {
      const std::uint32_t weight = std::exchange(backend.weight, 1);
      all.push_back({upstream(backend, false, before), weight});
      for_websockets.push_back(
          {upstream(backend, backend.protocol == config::BackendProtocol::https, before), weight});
    }
    auto& counters = counters_[route.name()];
    if (!counters) counters = std::make_shared<RouteCounters>();
    made.push_back(std::make_shared<const RoutedTo>(route.name(), Balancer(std::move(all)),
                                                    Balancer(std::move(for_websockets)), counters));
  }
  routes_ = std::move(made);
  table_ = RouteTable(routes);
}

bool ReverseProxy::serve(const http::Incoming& in) {
  const http::Request& request = in.exchange.request();
  const auto found = table_.find(request.authority, request.path);
  if (!found) return false;
  if (is_ambiguous(std::string_view(request.path).substr(0, request.path.find('?')))) {
    world_.replies.sentence(in, 400, "bad request: the path has segments . or .., which clients remove");
  } else if (request.method == "TRACE") {
    // It would show the client what the gateway tells backends.
    world_.replies.sentence(in, 405, "method not allowed: TRACE is not forwarded");
  } else if (is_loop(request, world_.pseudonym)) {
    http::Response head{.status = 508, .fields = {}};
    head.fields.add("proxy-status", masque::format_proxy_status(masque::ProxyOptions{}.name,
                                                                {508, "proxy_loop_detected", {}}));
    world_.replies.sentence(in, std::move(head),
                            "loop detected: the request came through this gateway before");
  } else {
    Forwarding::Owner& owner = *this;
    const auto forwarding = open_.emplace(open_.end(), owner, world_, in, routes_[*found]);
    forwarding->self = forwarding;
    forwarding->start();
  }
  return true;
}

void ReverseProxy::each_upstream(const std::function<void(const Upstream&)>& visit) const {
  for (const auto& [name, upstream] : upstreams_) visit(*upstream);
}

void ReverseProxy::on_over(Forwarding& forwarding) {
  over_.push_back(forwarding.self);
  bury_.request();
}

}  // namespace sallyport::ingress
