#include "http/early_priorities.h"

#include <algorithm>
#include <cstddef>

namespace sallyport::http {
namespace {

constexpr std::size_t most_kept = 16;

}  // namespace

void EarlyPriorities::put(std::int64_t stream, const Priority& priority) {
  const auto known = std::ranges::find(known_, stream, &std::pair<std::int64_t, Priority>::first);
  if (known != known_.end()) {
    known->second = priority;
    return;
  }
  if (known_.size() == most_kept) known_.erase(known_.begin());
  known_.emplace_back(stream, priority);
}

std::optional<Priority> EarlyPriorities::take(std::int64_t stream) {
  if (known_.empty()) return std::nullopt;
  const auto known = std::ranges::find(known_, stream, &std::pair<std::int64_t, Priority>::first);
  if (known == known_.end()) return std::nullopt;
  const Priority priority = known->second;
  known_.erase(known);
  return priority;
}

}  // namespace sallyport::http
