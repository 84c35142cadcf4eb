#include "masque/proxy.h"

#include "masque/capsule_rules.h"
#include "masque/exchange_sink.h"
#include "masque/proxy_group.h"
#include "masque/tcp_flow.h"
#include "masque/udp_flow.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

constexpr std::string_view connect_udp = "connect-udp";

ClientKey key_of(const http::Exchange& exchange, const Identity& identity) {
  if (identity.is_known()) return {identity.name, {}};
  return {{}, client_block(exchange.connection().info().path.remote.ip())};
}

Refusal bad_request(std::string details) {
  return {400, "http_request_error", std::move(details)};
}

/// The target of a request that is ours, or what is wrong with it.
std::expected<Target, Refusal> target_of(const http::Request& request) {
  if (request.protocol.empty()) {
    auto target = parse_authority(request.authority);
    if (!target) return std::unexpected(bad_request(std::move(target.error().message)));
    return *std::move(target);
  }
  if (const auto field = field_against_capsules(request.fields))
    return std::unexpected(bad_request(fmt::format("{} is not allowed with the Capsule Protocol", *field)));
  auto target = match_udp_path(request.path);
  if (target) return *std::move(target);
  if (target.error().kind == ErrorKind::closed)
    return std::unexpected(Refusal{404, "http_request_error", std::move(target.error().message)});
  return std::unexpected(bad_request(std::move(target.error().message)));
}

}  // namespace

struct Proxy::Impl final : FlowContext {
  Impl(net::Timers& its_timers, Outbound& its_outbound, ProxyOptions its_options)
      : FlowContext(its_timers, its_outbound, std::move(its_options)),
        authenticator(options.tokens, group->failures) {}
  ~Impl();

  /// Null when the request was answered.
  std::unique_ptr<Flow> admit(http::Exchange& exchange, Target& target);
  /// One more tunnel of this client's; null when that is too many, and `why` says of whom.
  FlowClient* take_tunnel(const ClientKey& key, std::string_view& why);
  void give_tunnels_back(FlowClient& client, std::size_t count);
  /// Whether a client without a tunnel is kept for its figures.
  bool keeps(const ClientKey& key) const {
    return !key.identity.empty() && authenticator.tokens()->has_name(key.identity);
  }
  /// Adds what it counted to the counters of all.
  static void add_figures(ProxyCounters& to, const FlowClient& client);
  void on_flow_gone(Flow& flow) override;
  void set_tokens(std::shared_ptr<const TokenTable> tokens);

  Authenticator authenticator;
  std::map<ClientKey, FlowClient> clients;
  std::unordered_map<const Flow*, std::unique_ptr<Flow>> flows;  // which refer to their clients
};

Proxy::Impl::~Impl() {
  flows.clear();
  for (auto& [address, client] : clients) give_tunnels_back(client, client.tunnels);
}

FlowClient* Proxy::Impl::take_tunnel(const ClientKey& key, std::string_view& why) {
  const auto take = [](std::atomic<std::size_t>& counter, std::size_t limit) {
    if (counter.fetch_add(1, std::memory_order_relaxed) < limit) return true;
    counter.fetch_sub(1, std::memory_order_relaxed);
    return false;
  };
  if (!take(group->tunnels, options.limits.tunnels_all)) {
    why = "tunnel limit of the proxy reached";
    return nullptr;
  }
  auto [at, added] = clients.try_emplace(key);
  if (added) at->second = {.key = key, .account = group->account_of(key)};
  FlowClient& client = at->second;
  if (take(client.account->tunnels, options.limits.tunnels)) {
    ++client.tunnels;
    return &client;
  }
  why = "tunnel limit of this client reached";
  group->tunnels.fetch_sub(1, std::memory_order_relaxed);
  if (added) clients.erase(at);
  return nullptr;
}

void Proxy::Impl::give_tunnels_back(FlowClient& client, std::size_t count) {
  client.tunnels -= count;
  client.account->tunnels.fetch_sub(count, std::memory_order_relaxed);
  group->tunnels.fetch_sub(count, std::memory_order_relaxed);
}

void Proxy::Impl::add_figures(ProxyCounters& to, const FlowClient& client) {
  to.bytes_up += client.bytes_up;
  to.bytes_down += client.bytes_down_tcp + client.downlink.bytes;
  to.datagrams_down += client.downlink.datagrams;
  to.dropped_size += client.downlink.dropped_size;
  to.dropped_queue += client.downlink.dropped_queue;
}

std::unique_ptr<Flow> Proxy::Impl::admit(http::Exchange& exchange, Target& target) {
  const http::Request& request = exchange.request();
  const auto answer = [&](const Refusal& refusal, const http::Fields& fields = {}) {
    exchange.set_handler(&exchange_sink());
    refuse(exchange, options.name, refusal, fields);
    return nullptr;
  };
  const bool udp = request.protocol == connect_udp;
  if (!wants(request))
    return answer({501, "proxy_configuration_error", "only CONNECT and connect-udp are supported"});
  if (!(udp ? options.udp : options.tcp))
    return answer(
        {501, "proxy_configuration_error", udp ? "CONNECT-UDP is disabled" : "CONNECT is disabled"});
  // Whoever repeats a first flight would open the tunnel again, and send into it again (RFC 8470 §3).
  if (request.early_data)
    return answer({425, "http_request_error", "no tunnels in 0-RTT (early data); send the request again"});
  auto identity = authenticator.authenticate(exchange, udp ? AskedAs::origin : AskedAs::proxy, timers.now());
  if (!identity) {
    Denial& denial = identity.error();
    const std::string_view type = denial.status == 429 ? "http_request_error" : "http_request_denied";
    return answer({denial.status, type, std::move(denial.details)}, denial.fields);
  }
  exchange.set_identity(identity->name);
  auto found = target_of(request);
  if (!found) {
    ++counters.refused_malformed;
    return answer(found.error());
  }
  if (auto allowed = options.policy.check_port(found->port); !allowed) {
    ++counters.refused_policy;
    return answer({403, "http_request_denied", std::move(allowed.error().message)});
  }
  const bool over_udp = exchange.version() == http::Version::http3;
  if (group->came_out_here(over_udp, exchange.connection().info().path)) {
    ++counters.refused_loop;
    return answer({508, "proxy_loop_detected", "the request came through a tunnel of this proxy"});
  }
  std::string_view why;
  FlowClient* const client = take_tunnel(key_of(exchange, *identity), why);
  if (client == nullptr) {
    ++counters.refused_limit;
    return answer({429, "http_request_error", std::string(why)});
  }
  target = *std::move(found);
  if (udp) return std::make_unique<UdpFlow>(*this, exchange, *client, *std::move(identity));
  return std::make_unique<TcpFlow>(*this, exchange, *client, *std::move(identity));
}

void Proxy::Impl::on_flow_gone(Flow& flow) {
  --(flow.is_udp ? counters.udp_open : counters.tcp_open);
  FlowClient& client = flow.client();
  flows.erase(&flow);
  give_tunnels_back(client, 1);
  if (client.tunnels > 0 || keeps(client.key)) return;
  add_figures(counters, client);
  clients.erase(clients.find(client.key));
}

void Proxy::Impl::set_tokens(std::shared_ptr<const TokenTable> tokens) {
  authenticator.set_tokens(std::move(tokens));
  // An exchange that is ended says so in a later turn, so none of them goes in here.
  for (const auto& [raw, flow] : flows) {
    if (!flow->identity().is_known()) continue;
    const auto* const found = authenticator.tokens()->find(flow->identity().credential);
    if (found == nullptr || found->name != flow->identity().name) flow->revoke();
  }
  std::erase_if(clients, [this](const auto& entry) {
    const auto& [key, client] = entry;
    if (client.tunnels > 0 || keeps(key)) return false;
    add_figures(counters, client);
    return true;
  });
}

Duration quic_idle_timeout(const ProxyOptions& options, Duration plain) {
  constexpr Duration time_to_say_so = 10s;
  Duration longest = plain;
  if (options.udp) longest = std::max(longest, options.udp_idle + time_to_say_so);
  if (options.tcp) longest = std::max(longest, options.tcp_idle + time_to_say_so);
  return longest;
}

Proxy::Proxy(net::Timers& timers, Outbound& outbound, ProxyOptions options)
    : impl_(std::make_unique<Impl>(timers, outbound, std::move(options))) {}

Proxy::~Proxy() = default;

bool Proxy::wants(const http::Request& request) {
  return request.is_connect() && (request.protocol.empty() || request.protocol == connect_udp);
}

void Proxy::on_request(http::Exchange& exchange) {
  Target target;
  std::unique_ptr<Flow> flow = impl_->admit(exchange, target);
  if (flow == nullptr) return;
  ++(flow->is_udp ? impl_->counters.udp_open : impl_->counters.tcp_open);
  Flow& started = *flow;
  impl_->flows.emplace(&started, std::move(flow));
  started.start(target);
}

void Proxy::set_tokens(std::shared_ptr<const TokenTable> tokens) {
  impl_->set_tokens(std::move(tokens));
}

ProxyCounters Proxy::counters() const {
  ProxyCounters counters = impl_->counters;
  counters.dropped_size += impl_->uplink_drops.size;
  counters.dropped_queue += impl_->uplink_drops.queue;
  counters.authentication = impl_->authenticator.counters();
  for (const auto& [key, client] : impl_->clients) {
    Impl::add_figures(counters, client);
    if (!key.identity.empty())
      counters.identities[key.identity] = {client.tunnels, client.opened, client.bytes_up,
                                           client.bytes_down_tcp + client.downlink.bytes};
  }
  return counters;
}

}  // namespace sallyport::masque
