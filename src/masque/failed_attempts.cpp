#include "masque/failed_attempts.h"

#include <algorithm>
#include <utility>

namespace sallyport::masque {

/// Room for one more is there while fewer than `burst` intervals are to be waited for.
Duration FailedAttempts::wait_until(Time forgiven, Duration interval, Time now) const {
  return std::max(Duration{}, forgiven - (limits_.burst - 1) * interval - now);
}

Duration FailedAttempts::wait(const ClientKey& client, Time now) {
  if (size() == 0) return {};
  const std::scoped_lock lock(mutex_);
  if (const auto found = clients_.find(client); found != clients_.end())
    return wait_until(found->second.forgiven, limits_.interval, now);
  if (clients_.size() < limits_.clients) return {};
  return wait_until(crowd_forgiven_, limits_.interval / limits_.crowd, now);
}

void FailedAttempts::add(const ClientKey& client, std::uint64_t attempt, Time now) {
  const std::scoped_lock lock(mutex_);
  auto found = clients_.find(client);
  if (found == clients_.end()) {
    sweep(now);
    if (clients_.size() >= limits_.clients) {
      crowd_forgiven_ = std::max(crowd_forgiven_, now) + limits_.interval / limits_.crowd;
      return;
    }
    found = clients_.emplace(client, Client{now, ~attempt}).first;
    size_.store(clients_.size(), std::memory_order_relaxed);
  }
  if (std::exchange(found->second.last_attempt, attempt) == attempt) return;
  found->second.forgiven = std::max(found->second.forgiven, now) + limits_.interval;
}

void FailedAttempts::forget(Time now) {
  if (size() == 0) return;
  const std::scoped_lock lock(mutex_);
  sweep(now);
}

/// Looks at all of them at most once an interval.
void FailedAttempts::sweep(Time now) {
  if (now < sweep_at_) return;
  sweep_at_ = now + limits_.interval;
  std::erase_if(clients_, [now](const auto& entry) { return entry.second.forgiven <= now; });
  size_.store(clients_.size(), std::memory_order_relaxed);
}

}  // namespace sallyport::masque
