// Balancer: which backend of a route a request goes to: of two that are drawn by weight, the one with fewer
// requests for its weight ("power of two choices"). Those that could not be reached lately are left out while
// there are others.
#pragma once

#include "base/random.h"
#include "ingress/upstream.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace sallyport::ingress {

class Balancer {
 public:
  struct Choice {
    std::shared_ptr<Upstream> upstream;
    std::uint32_t weight = 1;
  };
  /// The weights sum up to more than 0.
  explicit Balancer(std::vector<Choice> choices);

  /// None of `tried`; null: there is no other.
  std::shared_ptr<Upstream> pick(Random& random, Time now, std::span<const Upstream* const> tried) const;

 private:
  std::vector<Choice> choices_;
};

}  // namespace sallyport::ingress
