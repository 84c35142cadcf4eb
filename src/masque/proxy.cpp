#include "masque/proxy.h"

#include "masque/capsule_rules.h"
#include "masque/exchange_sink.h"
#include "masque/ip_flow.h"
#include "masque/tcp_flow.h"
#include "masque/udp_flow.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

/// What the tunnel that is asked for would carry; nothing: the request is not ours.
std::optional<Protocol> protocol_of(const http::Request& request) {
  if (!request.is_connect()) return {};
  if (request.protocol.empty()) return Protocol::tcp;
  if (request.protocol == "connect-udp") return Protocol::udp;
  if (request.protocol == "connect-ip") return Protocol::ip;
  return {};
}

TunnelRefusal unsupported(std::string details) {
  return {.what = RefusedFor::uncounted, .answer = {501, "proxy_configuration_error", std::move(details)}};
}

TunnelRefusal malformed(std::string details, unsigned status = 400) {
  return {.what = RefusedFor::malformed, .answer = {status, "http_request_error", std::move(details)}};
}

/// What is wrong with a request that names its target in the path.
TunnelRefusal malformed_path(Error why) {
  return malformed(std::move(why.message), why.kind == ErrorKind::closed ? 404 : 400);
}

/// The target of a request that is ours, or what is wrong with it.
std::expected<Target, TunnelRefusal> target_of(const http::Request& request) {
  auto target = request.protocol.empty() ? parse_authority(request.authority) : match_udp_path(request.path);
  if (target) return *std::move(target);
  if (request.protocol.empty()) return std::unexpected(malformed(std::move(target.error().message)));
  return std::unexpected(malformed_path(std::move(target.error())));
}

std::string_view method_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::udp:
      return "CONNECT-UDP";
    case Protocol::ip:
      return "CONNECT-IP";
    case Protocol::tcp:
      break;
  }
  return "CONNECT";
}

}  // namespace

struct Proxy::Impl final : FlowContext {
  using FlowContext::FlowContext;

  /// Makes and starts the flow that `exchange` asks for; else why there is none.
  std::expected<void, TunnelRefusal> open(http::Exchange& exchange);
  std::expected<void, TunnelRefusal> open_to_target(http::Exchange& exchange, Identity identity,
                                                    Protocol protocol);
  std::expected<void, TunnelRefusal> open_ip(http::Exchange& exchange, Identity identity);
  void on_flow_gone(Flow& flow) override { flows.erase(&flow); }
  void set_tokens(std::shared_ptr<const TokenTable> tokens);

  std::unordered_map<const Flow*, std::unique_ptr<Flow>> flows;
};

std::expected<void, TunnelRefusal> Proxy::Impl::open(http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  const auto protocol = protocol_of(request);
  if (!protocol)
    return std::unexpected(unsupported("only CONNECT, connect-udp and connect-ip are supported"));
  if (!options.protocols.contains(*protocol) || (protocol == Protocol::ip && ip_switch == nullptr))
    return std::unexpected(unsupported(fmt::format("{} is disabled", method_of(*protocol))));
  auto identity = admission.identify(exchange, *protocol, timers.now());
  if (!identity) return std::unexpected(std::move(identity.error()));
  if (const auto field = protocol == Protocol::tcp ? std::nullopt : field_against_capsules(request.fields))
    return std::unexpected(malformed(fmt::format("{} is not allowed with the Capsule Protocol", *field)));
  return protocol == Protocol::ip ? open_ip(exchange, *std::move(identity))
                                  : open_to_target(exchange, *std::move(identity), *protocol);
}

std::expected<void, TunnelRefusal> Proxy::Impl::open_ip(http::Exchange& exchange, Identity identity) {
  auto scope = match_ip_path(exchange.request().path);
  if (!scope) return std::unexpected(malformed_path(std::move(scope.error())));
  auto account = admission.admit(exchange, std::move(identity), Protocol::ip);
  if (!account) return std::unexpected(std::move(account.error()));
  auto flow = std::make_unique<IpFlow>(*this, exchange, *std::move(account), *ip_network, *ip_switch);
  IpFlow& started = *flow;
  flows.emplace(&started, std::move(flow));
  started.start(*scope);
  return {};
}

std::expected<void, TunnelRefusal> Proxy::Impl::open_to_target(http::Exchange& exchange, Identity identity,
                                                               Protocol protocol) {
  const auto target = target_of(exchange.request());
  if (!target) return std::unexpected(target.error());
  if (auto allowed = options.policy.check_port(target->port); !allowed)
    return std::unexpected(
        TunnelRefusal{.what = RefusedFor::policy,
                      .answer = {403, "http_request_denied", std::move(allowed.error().message)}});
  auto account = admission.admit(exchange, std::move(identity), protocol);
  if (!account) return std::unexpected(std::move(account.error()));
  std::unique_ptr<TargetFlow> flow;
  if (protocol == Protocol::udp)
    flow = std::make_unique<UdpFlow>(*this, exchange, *std::move(account));
  else
    flow = std::make_unique<TcpFlow>(*this, exchange, *std::move(account));
  TargetFlow& started = *flow;
  flows.emplace(&started, std::move(flow));
  started.start(*target);
  return {};
}

void Proxy::Impl::set_tokens(std::shared_ptr<const TokenTable> tokens) {
  admission.set_tokens(std::move(tokens));
  // An exchange that is ended says so in a later turn, so none of them goes in here.
  for (const auto& [raw, flow] : flows)
    if (!admission.may_stay(flow->identity())) flow->revoke();
}

Duration quic_idle_timeout(const ProxyOptions& options, Duration plain) {
  constexpr Duration time_to_say_so = 10s;
  Duration longest = plain;
  if (options.protocols.contains(Protocol::udp))
    longest = std::max(longest, options.udp_idle + time_to_say_so);
  if (options.protocols.contains(Protocol::tcp))
    longest = std::max(longest, options.tcp_idle + time_to_say_so);
  return longest;
}

Proxy::Proxy(net::Timers& timers, Outbound& outbound, ProxyOptions options)
    : impl_(std::make_unique<Impl>(timers, outbound, std::move(options))) {}

Proxy::~Proxy() = default;

void Proxy::serve_ip(std::shared_ptr<const IpNetwork> network, IpSwitch& ip_switch) {
  impl_->ip_network = std::move(network);
  impl_->ip_switch = &ip_switch;
}

bool Proxy::wants(const http::Request& request) {
  return protocol_of(request).has_value();
}

void Proxy::on_request(http::Exchange& exchange) {
  const auto opened = impl_->open(exchange);
  if (opened) return;
  exchange.set_handler(&exchange_sink());
  refuse(exchange, impl_->options.name, opened.error(), impl_->counters);
}

void Proxy::apply(ProxyOptions options) {
  options.group = impl_->group;
  auto tokens = std::exchange(options.tokens, nullptr);
  impl_->options = std::move(options);
  impl_->admission.set_limits(impl_->options.limits);
  impl_->set_tokens(std::move(tokens));
}

void Proxy::set_tokens(std::shared_ptr<const TokenTable> tokens) {
  impl_->set_tokens(std::move(tokens));
}

ProxyCounters Proxy::counters() const {
  ProxyCounters counters = impl_->counters;
  counters.dropped_size += impl_->uplink_drops.size;
  counters.dropped_queue += impl_->uplink_drops.queue;
  impl_->admission.add_to(counters);
  return counters;
}

}  // namespace sallyport::masque
