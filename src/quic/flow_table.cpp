#include "quic/flow_table.h"

#include <algorithm>
#include <utility>

namespace sallyport::quic {
namespace {

constexpr std::size_t fewest_buckets = 4;

}  // namespace

FlowTable::Index FlowTable::find_or_add(StreamId id) {
  if (!buckets_.empty())
    for (Index at = buckets_[bucket_of(id)]; at != none; at = flows_[at].next_in_bucket)
      if (flows_[at].id == id) return at;
  if (count_ >= buckets_.size()) grow();
  Index index = free_;
  if (index != none) {
    free_ = flows_[index].next_in_bucket;
    flows_[index] = {};
  } else {
    index = static_cast<Index>(flows_.size());
    flows_.emplace_back();
  }
  Flow& flow = flows_[index];
  flow.id = id;
  flow.next_in_bucket = std::exchange(buckets_[bucket_of(id)], index);
  ++count_;
  return index;
}

void FlowTable::remove(Index index) {
  Index* link = &buckets_[bucket_of(flows_[index].id)];
  while (*link != index) link = &flows_[*link].next_in_bucket;
  *link = flows_[index].next_in_bucket;
  flows_[index].next_in_bucket = std::exchange(free_, index);
  --count_;
}

void FlowTable::release() {
  flows_ = {};
  buckets_ = {};
  free_ = none;
}

void FlowTable::clear() {
  count_ = 0;
  release();
}

/// All flows that are in the table are in use here: there is no free one.
void FlowTable::grow() {
  buckets_.assign(std::max(fewest_buckets, 2 * buckets_.size()), none);
  for (Index index = 0; index < flows_.size(); ++index) {
    Flow& flow = flows_[index];
    flow.next_in_bucket = std::exchange(buckets_[bucket_of(flow.id)], index);
  }
}

}  // namespace sallyport::quic
