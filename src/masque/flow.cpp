#include "masque/flow.h"

#include "http/connection.h"
#include "masque/exchange_sink.h"

#include <utility>

namespace sallyport::masque {

void refuse(http::Exchange& exchange, std::string_view proxy, const Refusal& refusal,
            const http::Fields& fields) {
  http::Response response{.status = refusal.status, .fields = fields};
  response.fields.add("proxy-status", format_proxy_status(proxy, refusal));
  exchange.respond(response, true);
  exchange.stop_reading();
}

Flow::Flow(FlowContext& context, http::Exchange& exchange, FlowClient& client, Identity identity, bool udp)
    : is_udp(udp),
      context_(context),
      client_(client),
      identity_(std::move(identity)),
      exchange_(&exchange),
      idle_(context.timers, [this](Time) { end_tunnel({ErrorKind::timeout, "tunnel idle timeout"}); }) {
  exchange.set_handler(this);
}

Flow::~Flow() {
  if (exchange_ != nullptr) exchange_->set_handler(&exchange_sink());
}

void Flow::start(const Target& target) {
  const auto opened = [this](ReachableTargets targets) {
    if (targets)
      on_targets(*targets);
    else
      refuse_tunnel(targets.error());
  };
  if (const auto address = net::IpAddress::parse(target.host)) {
    opened(reachable_targets(context_.options.policy, {*address}, target.port));
  } else {
    resolution_ = std::make_unique<TargetResolution>(
        context_.timers, context_.outbound.resolver(), context_.options.policy, target,
        client_block(exchange_->connection().info().path.remote.ip()), context_.options.connect_timeout,
        opened);
  }
}

void Flow::on_closed(http::Exchange&, const Error* why) {
  exchange_ = nullptr;
  resolution_.reset();
  idle_.disarm();
  if (!lingers(why)) gone();
}

void Flow::revoke() {
  // Without an exchange: what the client sent last is on its way to the target.
  if (exchange_ == nullptr || state_ == State::refused) return;
  if (state_ == State::accepted)
    return end_tunnel({ErrorKind::denied, "the bearer token of the tunnel was revoked"});
  resolution_.reset();
  refuse_tunnel({403, "http_request_denied", "the bearer token was revoked"});
}

void Flow::refuse_tunnel(const Refusal& refusal) {
  state_ = State::refused;
  ++(refusal.status == 403 ? context_.counters.refused_policy : context_.counters.failed);
  refuse(*exchange_, context_.options.name, refusal);
  on_refused();
}

void Flow::accept_tunnel(const net::NetPath& socket, const net::SocketAddress& next_hop) {
  exit_ = TunnelExit(*context_.group, is_udp, socket);
  ++(is_udp ? context_.counters.udp_tunnels : context_.counters.tcp_tunnels);
  ++client_.opened;
  state_ = State::accepted;
  http::Response response;
  if (is_udp) response.fields.add("capsule-protocol", "?1");
  response.fields.add("proxy-status", format_next_hop(context_.options.name, next_hop.to_string()));
  exchange_->respond(response);
  touch();
}

}  // namespace sallyport::masque
