#include "ingress/reverse_proxy.h"

#include "dial/url.h"

#include <utility>

namespace sallyport::ingress {

ReverseProxy::ReverseProxy(dial::Context context, http::Replies& replies)
    : context_(std::move(context)), replies_(replies), bury_(context_.timers(), [this](Time) {
        for (const auto forwarding : std::exchange(over_, {})) open_.erase(forwarding);
      }) {}

ReverseProxy::~ReverseProxy() = default;

void ReverseProxy::apply(const std::vector<config::Route>& routes, std::shared_ptr<const tls::Trust> trust) {
  context_.trust = std::move(trust);
  auto before = std::exchange(upstreams_, {});
  std::vector<std::shared_ptr<const RoutedTo>> made;
  for (const config::Route& route : routes) {
    std::vector<Balancer::Choice> choices;
    for (config::Backend backend : route.backends) {
      const std::uint32_t weight = std::exchange(backend.weight, 1);
      auto& upstream = upstreams_[backend.to_string()];
      if (!upstream) upstream = std::exchange(before[backend.to_string()], nullptr);
      if (!upstream) upstream = std::make_shared<Upstream>(context_, backend);
      choices.push_back({upstream, weight});
    }
    auto& counters = counters_[route.name()];
    if (!counters) counters = std::make_shared<RouteCounters>();
    made.push_back(std::make_shared<const RoutedTo>(route.name(), Balancer(std::move(choices)), counters));
  }
  routes_ = std::move(made);
  table_ = RouteTable(routes);
}

bool ReverseProxy::serve(const http::Incoming& in) {
  const http::Request& request = in.exchange.request();
  const auto found = table_.find(request.authority, request.path);
  if (!found) return false;
  // A backend may resolve them, and so be asked for what another route is for.
  if (dial::has_dot_segments(std::string_view(request.path).substr(0, request.path.find('?')))) {
    replies_.sentence(in, 400, "bad request: the path has segments . or .., which clients remove");
    return true;
  }
  Forwarding::Owner& owner = *this;
  const auto forwarding = open_.emplace(open_.end(), owner, context_, replies_, in, routes_[*found]);
  forwarding->self = forwarding;
  forwarding->start();
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
