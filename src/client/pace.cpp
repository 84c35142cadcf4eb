#include "client/pace.h"

#include <algorithm>
#include <utility>

namespace sallyport::client {

Pace::Pace(net::Timers& timers, std::uint64_t bytes_per_second, std::function<void()> go_on)
    : timers_(timers), rate_(bytes_per_second), wait_(timers, [call = std::move(go_on)](Time) { call(); }) {}

void Pace::moved(std::size_t bytes) {
  if (rate_ == 0) return;
  const double seconds = static_cast<double>(bytes) / static_cast<double>(rate_);
  free_at_ = std::max(free_at_, timers_.now()) +
             std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

bool Pace::holds_back() {
  if (rate_ == 0 || free_at_ <= timers_.now()) return false;
  wait_.arm(free_at_);
  return true;
}

}  // namespace sallyport::client
