#include "ingress/balancer.h"

#include <algorithm>

namespace sallyport::ingress {
namespace {

/// `total`: the sum of the weights of those that `takes` says yes to.
template <class Takes>
const Balancer::Choice& draw(Random& random, const std::vector<Balancer::Choice>& choices,
                             std::uint64_t total, const Takes& takes) {
  std::uint64_t at = random.below(total);
  const auto drawn = std::ranges::find_if(choices, [&](const Balancer::Choice& choice) {
    if (!takes(choice)) return false;
    if (at < choice.weight) return true;
    at -= choice.weight;
    return false;
  });
  return *drawn;
}

/// Whether the first has fewer requests for its weight. One more is counted for both: the one that is to
/// come.
bool is_less_busy(const Balancer::Choice& one, const Balancer::Choice& other) {
  return (one.upstream->active() + 1) * std::uint64_t{other.weight} <
         (other.upstream->active() + 1) * std::uint64_t{one.weight};
}

}  // namespace

Balancer::Balancer(std::vector<Choice> choices) : choices_(std::move(choices)) {
  std::erase_if(choices_, [](const Choice& choice) { return choice.weight == 0; });
}

std::shared_ptr<Upstream> Balancer::pick(Random& random, Time now,
                                         std::span<const Upstream* const> tried) const {
  const auto is_untried = [&](const Choice& choice) {
    return std::ranges::find(tried, choice.upstream.get()) == tried.end();
  };
  const auto is_up = [&](const Choice& choice) {
    return is_untried(choice) && !choice.upstream->is_down(now);
  };
  std::uint64_t up = 0, untried = 0;
  for (const Choice& choice : choices_) {
    up += is_up(choice) ? choice.weight : 0;
    untried += is_untried(choice) ? choice.weight : 0;
  }
  if (untried == 0) return nullptr;
  if (choices_.size() == 1) return choices_.front().upstream;
  const auto of_two = [&](std::uint64_t total, const auto& takes) {
    const Choice& one = draw(random, choices_, total, takes);
    const Choice& other = draw(random, choices_, total, takes);
    return is_less_busy(other, one) ? other.upstream : one.upstream;
  };
  return up > 0 ? of_two(up, is_up) : of_two(untried, is_untried);
}

}  // namespace sallyport::ingress
