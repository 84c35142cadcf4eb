#include "masque/failed_attempts.h"

#include "masque/client_key.h"

#include <algorithm>

namespace sallyport::masque {

/// Room for one more is there while fewer than `burst` intervals are to be waited for.
Duration FailedAttempts::wait_until(Time forgiven, Duration interval, Time now) const {
  return std::max(Duration{}, forgiven - (limits_.burst - 1) * interval - now);
}

Duration FailedAttempts::wait(const net::IpAddress& client, Time now) {
  if (size() == 0) return {};
  const std::scoped_lock lock(mutex_);
  if (const auto found = forgiven_.find(client_block(client)); found != forgiven_.end())
    return wait_until(found->second, limits_.interval, now);
  if (forgiven_.size() < limits_.clients) return {};
  return wait_until(crowd_forgiven_, limits_.interval / limits_.crowd, now);
}

void FailedAttempts::add(const net::IpAddress& client, Time now) {
  const std::scoped_lock lock(mutex_);
  const net::IpAddress block = client_block(client);
  auto found = forgiven_.find(block);
  if (found == forgiven_.end()) {
    sweep(now);
    if (forgiven_.size() >= limits_.clients) {
      crowd_forgiven_ = std::max(crowd_forgiven_, now) + limits_.interval / limits_.crowd;
      return;
    }
    found = forgiven_.emplace(block, now).first;
    size_.store(forgiven_.size(), std::memory_order_relaxed);
  }
  found->second = std::max(found->second, now) + limits_.interval;
}

/// Looks at all of them at most once an interval.
void FailedAttempts::sweep(Time now) {
  if (now < sweep_at_) return;
  sweep_at_ = now + limits_.interval;
  std::erase_if(forgiven_, [now](const auto& entry) { return entry.second <= now; });
  size_.store(forgiven_.size(), std::memory_order_relaxed);
}

}  // namespace sallyport::masque
