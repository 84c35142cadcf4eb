#include "client/range_plan.h"

#include <algorithm>
#include <cassert>

namespace sallyport::client {

RangePlan::Wanted RangePlan::take() {
  assert(!empty());
  const Wanted wanted = waiting_.front();
  waiting_.pop_front();
  return wanted;
}

void RangePlan::give_up_ranges() {
  whole_only_ = true;
  clear();
}

/// The first part tells the size, and whether ranges are known there at all.
void RangePlan::ask_first(bool splittable) {
  const bool split = splittable && at_once_ > 1 && !whole_only_;
  waiting_.push_back({{0, split ? smallest_part_ : 0}});
}

void RangePlan::ask_missing(const std::vector<ByteRange>& claimed, std::uint64_t size) {
  clear();
  const auto missing = missing_ranges(claimed, size);
  const std::uint64_t total = total_size(missing);
  const std::uint64_t each = std::max(smallest_part_, total / at_once_ + (total % at_once_ != 0));
  for (ByteRange range : missing)
    for (; range.begin < range.end; range.begin = std::min(range.begin + each, range.end))
      waiting_.push_back({{range.begin, std::min(range.begin + each, range.end)}});
}

void RangePlan::ask_rest(const Wanted& asked, std::uint64_t answered_end) {
  if (answered_end < asked.range.end) waiting_.push_back({{answered_end, asked.range.end}});
}

void RangePlan::ask_again(Wanted asked) {
  ++asked.tries;
  waiting_.push_front(asked);
}

void RangePlan::ask_later(Wanted asked) {
  ++asked.refusals;
  waiting_.push_front(asked);
  if (at_once_ > 1) --at_once_;
}

}  // namespace sallyport::client
