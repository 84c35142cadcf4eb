#include "masque/tunnel_admission.h"

#include "http/connection.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <string>
#include <utility>

namespace sallyport::masque {
namespace {

/// CONNECT asks a proxy, extended CONNECT a resource of an origin server.
AskedAs asked_as(Protocol protocol) {
  return protocol == Protocol::tcp ? AskedAs::proxy : AskedAs::origin;
}

TunnelRefusal refusal_of(Denial denial) {
  const std::string_view type = denial.status == 429 ? "http_request_error" : "http_request_denied";
  return {.what = RefusedFor::uncounted,
          .answer = {denial.status, type, std::move(denial.details)},
          .fields = std::move(denial.fields)};
}

TunnelRefusal too_many(std::string details) {
  return {.what = RefusedFor::limit, .answer = {429, "http_request_error", std::move(details)}};
}

bool take(std::atomic<std::size_t>& counter, std::size_t limit) {
  if (counter.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  counter.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

/// Adds what it counted to the counters of all.
void add_figures(ProxyCounters& to, const TunnelClient& client) {
  to.bytes_up += client.bytes_up;
  to.bytes_down += client.bytes_down_tcp + client.downlink.bytes;
  to.datagrams_down += client.downlink.datagrams;
  to.dropped_size += client.downlink.dropped_size;
  to.dropped_queue += client.downlink.dropped_queue;
  to.dropped_sojourn += client.downlink.dropped_sojourn;
}

}  // namespace

TunnelAccount::TunnelAccount(TunnelAdmission& admission, Clients::iterator at, Identity identity,
                             Protocol protocol)
    : admission_(&admission), at_(at), identity_(std::move(identity)), protocol_(protocol) {}

TunnelAccount::TunnelAccount(TunnelAccount&& other) noexcept
    : admission_(std::exchange(other.admission_, nullptr)),
      at_(other.at_),
      identity_(std::move(other.identity_)),
      protocol_(other.protocol_) {}

TunnelAccount::~TunnelAccount() {
  if (admission_ != nullptr) admission_->give_back(*this);
}

void TunnelAccount::count_accepted() {
  ++admission_->counters_.tunnels[protocol_];
  ++client().opened;
}

TunnelAdmission::TunnelAdmission(ProxyCounters& counters, std::shared_ptr<ProxyGroup> group,
                                 const ClientLimits& limits, std::shared_ptr<const TokenTable> tokens)
    : counters_(counters),
      group_(std::move(group)),
      limits_(limits),
      authenticator_(std::move(tokens), group_->failures) {}

TunnelAdmission::~TunnelAdmission() {
  assert(std::ranges::all_of(clients_, [](const auto& entry) { return entry.second.tunnels == 0; }));
}

std::expected<Identity, TunnelRefusal> TunnelAdmission::identify(http::Exchange& exchange, Protocol protocol,
                                                                 Time now) {
  // Whoever repeats a first flight would open the tunnel again, and send into it again (RFC 8470 §3).
  if (exchange.request().early_data)
    return std::unexpected(TunnelRefusal{
        .what = RefusedFor::uncounted,
        .answer = {425, "http_request_error", "no tunnels in 0-RTT (early data); send the request again"}});
  auto identity = authenticator_.authenticate(exchange, asked_as(protocol), now);
  if (!identity) return std::unexpected(refusal_of(std::move(identity.error())));
  exchange.set_identity(identity->name);
  return *std::move(identity);
}

std::expected<TunnelAccount, TunnelRefusal> TunnelAdmission::admit(const http::Exchange& exchange,
                                                                   Identity identity, Protocol protocol) {
  const net::NetPath& path = exchange.connection().info().path;
  const Protocol over = exchange.version() == http::Version::http3 ? Protocol::udp : Protocol::tcp;
  if (group_->came_out_here(over, path))
    return std::unexpected(TunnelRefusal{
        .what = RefusedFor::loop,
        .answer = {508, "proxy_loop_detected", "the request came through a tunnel of this proxy"}});
  auto at = take_tunnel(ClientKey(identity, path.remote.ip()));
  if (!at) return std::unexpected(std::move(at.error()));
  ++counters_.open[protocol];
  return TunnelAccount(*this, *at, std::move(identity), protocol);
}

std::expected<TunnelAdmission::Clients::iterator, TunnelRefusal> TunnelAdmission::take_tunnel(
    const ClientKey& key) {
  if (!take(group_->tunnels, limits_.tunnels_all))
    return std::unexpected(too_many("tunnel limit of the proxy reached"));
  const auto [at, added] = clients_.try_emplace(key);
  TunnelClient& client = at->second;
  if (added) client.account = group_->account_of(key);
  if (take(client.account->tunnels, limits_.tunnels)) {
    ++client.tunnels;
    return at;
  }
  group_->tunnels.fetch_sub(1, std::memory_order_relaxed);
  if (added) clients_.erase(at);
  return std::unexpected(too_many("tunnel limit of this client reached"));
}

void TunnelAdmission::give_back(TunnelAccount& account) {
  --counters_.open[account.protocol_];
  TunnelClient& client = account.client();
  --client.tunnels;
  client.account->tunnels.fetch_sub(1, std::memory_order_relaxed);
  group_->tunnels.fetch_sub(1, std::memory_order_relaxed);
  if (client.tunnels > 0 || keeps(account.at_->first)) return;
  add_figures(counters_, client);
  clients_.erase(account.at_);
}

bool TunnelAdmission::keeps(const ClientKey& key) const {
  const TokenTable* tokens = authenticator_.tokens();
  return key.identity() != nullptr && tokens != nullptr && tokens->has_name(*key.identity());
}

void TunnelAdmission::set_tokens(std::shared_ptr<const TokenTable> tokens) {
  authenticator_.set_tokens(std::move(tokens));
  std::erase_if(clients_, [this](const auto& entry) {
    const auto& [key, client] = entry;
    if (client.tunnels > 0 || keeps(key)) return false;
    add_figures(counters_, client);
    return true;
  });
}

bool TunnelAdmission::may_stay(const Identity& identity) const {
  const TokenTable* tokens = authenticator_.tokens();
  if (tokens == nullptr || !identity.is_known()) return true;
  const Identity* found = tokens->find(identity.credential);
  return found != nullptr && found->name == identity.name;
}

void TunnelAdmission::add_to(ProxyCounters& counters) const {
  counters.authentication = authenticator_.counters();
  for (const auto& [key, client] : clients_) {
    add_figures(counters, client);
    if (key.identity() != nullptr)
      counters.identities[*key.identity()] = {client.tunnels, client.opened, client.bytes_up,
                                              client.bytes_down_tcp + client.downlink.bytes};
  }
}

}  // namespace sallyport::masque
