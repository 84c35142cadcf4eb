#include "ingress/reverse_proxy.h"

#include "http/request_path.h"
#include "ingress/forwarded_message.h"
#include "ingress/message_filters.h"
#include "masque/proxy.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::ingress {
namespace {

template <class Counters>
const std::shared_ptr<Counters>& counters_of(std::map<std::string, std::shared_ptr<Counters>>& all,
                                             const std::string& name) {
  auto& found = all[name];
  if (!found) found = std::make_shared<Counters>();
  return found;
}

}  // namespace

ReverseProxy::ReverseProxy(dial::Context context, http::Replies& replies, std::string pseudonym)
    : context_(std::move(context)),
      world_{context_, replies, std::move(pseudonym), {}},
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
  return found =
             std::make_shared<Upstream>(context_, graveyard_, backend, counters_of(upstream_counters_, name),
                                        UpstreamOptions{.http1_only = http1_only});
}

void ReverseProxy::apply(const config::Configuration& configuration) {
  const std::vector<config::Route>& routes = configuration.routes;
  context_.trust = configuration.backend_trust;
  context_.limits = configuration.limits;
  context_.config = configuration.quic;
  // Connections without requests are closed above QUIC.
  context_.config.silence_timeout = configuration.limits.idle_timeout;
  context_.config.idle_timeout = std::max(configuration.limits.idle_timeout, websocket_idle) + 10s;
  world_.trusted = configuration.trusted_proxies;
  context_.certificate = configuration.backend_certificate;
  world_.client_certificate_chain = configuration.client_certificate_chain;
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
    std::string name = route.name();
    const auto& counters = counters_of(counters_, name);
    made.push_back(
        std::make_shared<const RoutedTo>(route, std::move(name), Balancer(std::move(all), route.balancing),
                                         Balancer(std::move(for_websockets), route.balancing), counters));
  }
  routes_ = std::move(made);
  table_ = RouteTable(routes);
}

bool ReverseProxy::differ(const config::Configuration& last, const config::Configuration& next) {
  return last.routes != next.routes || last.backend_trust != next.backend_trust ||
         last.backend_certificate != next.backend_certificate ||
         last.client_certificate_chain != next.client_certificate_chain ||
         last.trusted_proxies != next.trusted_proxies || last.limits != next.limits || last.quic != next.quic;
}

bool ReverseProxy::serve(const http::Incoming& in) {
  const http::Request& request = in.exchange.request();
  const auto found = table_.find(request);
  if (!found) return false;
  const auto& route = routes_[*found];
  if (http::is_ambiguous_path(std::string_view(request.path).substr(0, request.path.find('?')))) {
    world_.replies.sentence(in, 400, "bad request: the path has segments . or .., which clients remove");
  } else if (request.method == "TRACE") {
    // It would show the client what the gateway tells backends.
    world_.replies.sentence(in, 405, "method not allowed: TRACE is not forwarded");
  } else if (is_loop(request, world_.pseudonym)) {
    world_.replies.sentence(
        in, masque::refusal_head(masque::ProxyOptions{}.name, {508, "proxy_loop_detected", {}}),
        "loop detected: the request came through this gateway before");
  } else if (route->config.redirect || route->config.response) {
    answer(in, *route);
  } else {
    Forwarding::Owner& owner = *this;
    const auto forwarding = open_.emplace(open_.end(), owner, world_, in, route);
    forwarding->self = forwarding;
    forwarding->start();
  }
  return true;
}

/// By the gateway itself, as the route says.
void ReverseProxy::answer(const http::Incoming& in, const RoutedTo& route) {
  const http::Request& request = in.exchange.request();
  ++route.counters->requests;
  in.exchange.set_upstream(route.name, {}, {});
  http::Response head;
  std::string body;
  if (const auto& redirect = route.config.redirect) {
    std::string location = location_of(*redirect, route.config.path, request, in.clear);
    if (location.empty())
      return world_.replies.sentence(in, 400, "bad request: without a host there is nothing to redirect to");
    head.status = redirect->status;
    body = fmt::format("this is at {}", location);
    head.fields.add("location", location);
  } else {
    head.status = route.config.response->status;
    // To a CONNECT it would open a tunnel.
    if (request.is_connect() && head.status < 300)
      return world_.replies.sentence(in, 501, "not implemented: nothing is behind this route");
    body = route.config.response->body;
  }
  ingress::apply(route.config.filters.response, head.fields);
  if (!body.empty()) return world_.replies.sentence(in, std::move(head), body);
  world_.replies.complete(in, head);
  world_.replies.send(in, head, {});
}

void ReverseProxy::each_upstream(const std::function<void(const Upstream&)>& visit) const {
  for (const auto& [name, upstream] : upstreams_) visit(*upstream);
}

void ReverseProxy::on_over(Forwarding& forwarding) {
  over_.push_back(forwarding.self);
  bury_.request();
}

}  // namespace sallyport::ingress
