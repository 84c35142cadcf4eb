#include "ingress/balancer.h"

#include "http/connection.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

namespace sallyport::ingress {
namespace {

/// FNV-1a, 64 bits.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

/// Spreads similar numbers (the finalizer of SplitMix64).
std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

/// Whether `one` would have fewer requests for its weight, with the one that is to come, than `other` has
/// without it. While few are on their way it mostly would not, and requests are shared by the weights.
bool is_less_busy(const Balancer::Choice& one, const Balancer::Choice& other) {
  return (one.upstream->active() + 1) * std::uint64_t{other.weight} <
         other.upstream->active() * std::uint64_t{one.weight};
}

}  // namespace

std::uint64_t balancing_hash(const http::Exchange& exchange, const config::Balancing& balancing) {
  using Kind = config::Balancing::Kind;
  if (balancing.kind == Kind::client_hash)
    return hash_of(exchange.connection().info().path.remote.ip().unmapped().to_string());
  if (balancing.kind != Kind::header_hash) return 0;
  const auto value = exchange.request().fields.find(balancing.header);
  return value ? hash_of(*value) : 0;
}

Balancer::Balancer(std::vector<Choice> choices, const config::Balancing& balancing) : kind_(balancing.kind) {
  for (Choice& choice : choices) {
    if (choice.weight == 0) continue;
    const std::uint64_t hash = hash_of(choice.upstream->name());
    backends_.push_back({.choice = std::move(choice), .hash = hash});
  }
}

/// Smooth weighted round robin: each is owed its weight a turn, and who is owed most has the request.
template <class Takes>
const Balancer::Backend& Balancer::by_turns(std::uint64_t total, const Takes& takes) const {
  const Backend* chosen = nullptr;
  for (const Backend& each : backends_) {
    if (!takes(each)) continue;
    each.turn += each.choice.weight;
    if (chosen == nullptr || each.turn > chosen->turn) chosen = &each;
  }
  chosen->turn -= static_cast<std::int64_t>(total);
  return *chosen;
}

/// Weighted rendezvous hashing: where a backend comes or goes, no request moves but from it or to it.
template <class Takes>
const Balancer::Backend& Balancer::by_hash(std::uint64_t hash, const Takes& takes) const {
  const Backend* chosen = nullptr;
  double best = 0;
  for (const Backend& each : backends_) {
    if (!takes(each)) continue;
    // Uniform over (0, 1), by 52 bits, so that adding a half is exact.
    const double uniform = (static_cast<double>(mixed(hash ^ each.hash) >> 12) + 0.5) * 0x1p-52;
    const double score = each.choice.weight / -std::log(uniform);
    if (chosen != nullptr && score <= best) continue;
    chosen = &each;
    best = score;
  }
  return *chosen;
}

/// `total`: the sum of the weights of those that `takes` says yes to, which is not 0.
template <class Takes>
const Balancer::Backend& Balancer::pick_of(const Asking& asking, std::uint64_t total,
                                           const Takes& takes) const {
  if (asking.hash != 0) return by_hash(asking.hash, takes);
  if (kind_ == config::Balancing::Kind::round_robin) return by_turns(total, takes);
  const auto drawn = [&]() -> const Backend& {
    std::uint64_t at = asking.random.below(total);
    return *std::ranges::find_if(backends_, [&](const Backend& each) {
      if (!takes(each)) return false;
      if (at < each.choice.weight) return true;
      at -= each.choice.weight;
      return false;
    });
  };
  const Backend& one = drawn();
  const Backend& other = drawn();
  return is_less_busy(other.choice, one.choice) ? other : one;
}

std::shared_ptr<Upstream> Balancer::pick(const Asking& asking) const {
  const auto is_untried = [&](const Backend& each) {
    return std::ranges::find(asking.tried, each.choice.upstream.get()) == asking.tried.end();
  };
  const auto is_up = [&](const Backend& each) {
    return is_untried(each) && !each.choice.upstream->is_down(asking.now);
  };
  std::uint64_t up = 0, untried = 0;
  for (const Backend& each : backends_) {
    up += is_up(each) ? each.choice.weight : 0;
    untried += is_untried(each) ? each.choice.weight : 0;
  }
  if (untried == 0) return nullptr;
  if (backends_.size() == 1) return backends_.front().choice.upstream;
  return (up > 0 ? pick_of(asking, up, is_up) : pick_of(asking, untried, is_untried)).choice.upstream;
}

}  // namespace sallyport::ingress
