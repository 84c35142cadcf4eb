// Balancer: which backend of a route a request goes to (config::Balancing). Backends that could not be
// reached lately, or failed, are left out while there are others. Used by one thread.
#pragma once

#include "base/random.h"
#include "config/route.h"
#include "http/exchange.h"
#include "ingress/upstream.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sallyport::ingress {

/// Of what `balancing` chooses a backend by, the same in every worker and after every start; 0: nothing, also
/// where the request lacks it.
std::uint64_t balancing_hash(const http::Exchange& exchange, const config::Balancing& balancing);

class Balancer {
 public:
  struct Choice {
    std::shared_ptr<Upstream> upstream;
    std::uint32_t weight = 1;
  };
  /// Who asks.
  struct Asking {
    Random& random;
    Time now;
    std::uint64_t hash = 0;                    ///< see balancing_hash()
    std::span<const Upstream* const> tried{};  ///< not to be chosen again
  };
  /// The weights sum up to more than 0.
  explicit Balancer(std::vector<Choice> choices, const config::Balancing& balancing = {});

  /// Null: all were tried.
  std::shared_ptr<Upstream> pick(const Asking& asking) const;

 private:
  struct Backend {
    Choice choice;
    std::uint64_t hash = 0;         // of its name
    mutable std::int64_t turn = 0;  // of round robin: how much it is owed
  };
  template <class Takes>
  const Backend& pick_of(const Asking& asking, std::uint64_t total, const Takes& takes) const;
  template <class Takes>
  const Backend& by_turns(std::uint64_t total, const Takes& takes) const;
  template <class Takes>
  const Backend& by_hash(std::uint64_t hash, const Takes& takes) const;

  std::vector<Backend> backends_;
  config::Balancing::Kind kind_;
};

}  // namespace sallyport::ingress
