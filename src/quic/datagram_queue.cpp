#include "quic/datagram_queue.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

namespace sallyport::quic {
namespace {

/// What a flow may send before the next one's turn: a packet.
constexpr std::int64_t quantum = 1500;
/// What a datagram counts as, beyond its payload: about its frame's header, its share of a packet's, and the
/// work that it is.
constexpr std::int64_t overhead = 32;
/// A queue of less than this is not standing, however long it takes.
constexpr std::size_t one_packet = 1500;

constexpr std::size_t record_size(std::size_t payload) {
  constexpr std::size_t alignment = alignof(DatagramRecord);
  return (sizeof(DatagramRecord) + payload + alignment - 1) / alignment * alignment;
}

std::uint8_t* payload_of(DatagramRecord* record) {
  return reinterpret_cast<std::uint8_t*>(record + 1);
}

}  // namespace

bool DatagramQueue::push(StreamId id, WhenFull when_full, Bytes prefix, Bytes payload, Time now) {
  const std::size_t size = prefix.size() + payload.size();
  if (size > max_payload) return false;
  const Index index = flows_.find_or_add(id);
  Flow& flow = flows_[index];
  flow.when_full = when_full;
  if (!make_room(flow, size, now)) return refuse(index);
  DatagramRecord* const record = store(size);
  if (record == nullptr) return refuse(index);
  record->queued = now;
  copy_bytes(payload, copy_bytes(prefix, payload_of(record)));
  if (flow.last != nullptr)
    flow.last->next = record;
  else
    flow.first = record;
  flow.last = record;
  flow.bytes += size;
  bytes_ += size;
  ++count_;
  if (!flow.listed) {
    flow.listed = true;
    flow.deficit = quantum;
    chosen_ = chosen_ && !fresh_.empty();  // a flow that begins is served before those that go on
    append(fresh_, index);
  }
  return true;
}

/// False: the flow is to be refused.
bool DatagramQueue::make_room(Flow& flow, std::size_t size, Time now) {
  const Duration age = flow.empty() ? Duration::zero() : now - flow.first->queued;
  if (flow.when_full == WhenFull::refuse) return fits(flow, size) && age <= options_.patience;
  while (!fits(flow, size)) {
    if (flow.empty() || age < options_.fresh) return false;
    drop(flow, DatagramDrop::full);
  }
  return true;
}

bool DatagramQueue::refuse(Index index) {
  Flow& flow = flows_[index];
  if (flow.refused) return false;
  flow.refused = true;
  ++refused_count_;
  if (refused_.empty())
    refused_.first = index;
  else
    flows_[refused_.last].next_refused = index;
  refused_.last = index;
  return false;
}

/// Null: nothing may be held any more. Datagrams that wait for long in one block each can hold many blocks.
DatagramRecord* DatagramQueue::store(std::size_t size) {
  const std::size_t needed = record_size(size);
  if (held_blocks_ == 0 || blocks_[filling_].chunk.empty() ||
      Chunk::pooled_size - blocks_[filling_].end < needed) {
    if (held_bytes() > 2 * options_.bytes + Chunk::pooled_size) return nullptr;
    const auto free = std::ranges::find_if(blocks_, [](const Block& block) { return block.chunk.empty(); });
    filling_ = static_cast<std::size_t>(free - blocks_.begin());
    if (free == blocks_.end()) blocks_.emplace_back();
    blocks_[filling_] = {.chunk = Chunk::allocate(Chunk::pooled_size)};
    ++held_blocks_;
  }
  Block& block = blocks_[filling_];
  std::uint8_t* const at = block.chunk.mutable_bytes().data() + block.end;
  assert(reinterpret_cast<std::uintptr_t>(at) % alignof(DatagramRecord) == 0);
  block.end += needed;
  ++block.live;
  return new (at) DatagramRecord{.next = nullptr,
                                 .queued = {},
                                 .size = static_cast<std::uint16_t>(size),
                                 .block = static_cast<std::uint16_t>(filling_)};
}

void DatagramQueue::remove_head(Flow& flow) {
  DatagramRecord* const record = flow.first;
  flow.first = record->next;
  if (flow.first == nullptr) {
    flow.last = nullptr;
    flow.codel.on_short();
  }
  flow.bytes -= record->size;
  bytes_ -= record->size;
  --count_;
  chosen_ = false;
  Block& block = blocks_[record->block];
  if (--block.live > 0) return;
  block = {};
  --held_blocks_;
}

void DatagramQueue::drop(Flow& flow, DatagramDrop why) {
  remove_head(flow);
  dropped_.on_datagram_dropped(flow.id, why);
}

void DatagramQueue::drop_due(Flow& flow, Time now) {
  if (flow.empty() || flow.when_full == WhenFull::refuse) return;
  if (now - flow.first->queued < options_.target) return flow.codel.on_short();
  const Duration limit = std::max(options_.sojourn_limit, round_trip_),
                 interval = std::max(options_.interval, round_trip_);
  while (!flow.empty() && now - flow.first->queued > limit) drop(flow, DatagramDrop::sojourn);
  while (!flow.empty() &&
         flow.codel.drops(now - flow.first->queued, flow.bytes > one_packet, options_.target, interval, now))
    drop(flow, DatagramDrop::sojourn);
}

std::optional<Bytes> DatagramQueue::front(Time now) {
  while (!chosen_ || chosen_at_ != now) {
    FlowList& list = fresh_.empty() ? served_ : fresh_;
    if (list.empty()) return std::nullopt;
    Flow& flow = flows_[list.first];
    if (flow.deficit <= 0) {
      flow.deficit += quantum;
      append(served_, take_first(list));
      continue;
    }
    drop_due(flow, now);
    if (flow.empty()) {
      leave(list);
      continue;
    }
    chosen_ = true;
    chosen_at_ = now;
  }
  DatagramRecord* const record = flows_[(fresh_.empty() ? served_ : fresh_).first].first;
  return Bytes(payload_of(record), record->size);
}

void DatagramQueue::pop() {
  assert(chosen_);
  FlowList& list = fresh_.empty() ? served_ : fresh_;
  Flow& flow = flows_[list.first];
  const std::int64_t cost = flow.first->size + overhead;
  flow.deficit -= cost;
  remove_head(flow);
  if (count_ > 0) return;
  // With nobody to be fair to, no flow is remembered.
  for (FlowList* const each : {&fresh_, &served_})
    while (!each->empty()) remove_if_unused(take_first(*each));
}

/// A flow that begins and has no more goes on behind the others once, or it could be first again and again
/// (RFC 8290 §4.2).
void DatagramQueue::leave(FlowList& list) {
  const bool begins = &list == &fresh_;
  const Index index = take_first(list);
  if (begins && !served_.empty())
    append(served_, index);
  else
    remove_if_unused(index);
}

void DatagramQueue::append(FlowList& list, Index index) {
  flows_[index].next = none;
  flows_[index].listed = true;
  if (list.empty())
    list.first = index;
  else
    flows_[list.last].next = index;
  list.last = index;
}

FlowTable::Index DatagramQueue::take_first(FlowList& list) {
  const Index index = list.first;
  list.first = flows_[index].next;
  if (list.first == none) list.last = none;
  flows_[index].listed = false;
  return index;
}

void DatagramQueue::remove_if_unused(Index index) {
  const Flow& flow = flows_[index];
  if (!flow.listed && !flow.refused) flows_.remove(index);
}

bool DatagramQueue::has_room(const Flow& flow, Time now) const {
  const std::size_t room = options_.bytes - std::min(bytes_, options_.bytes);
  if (room < options_.bytes / 8 || flow.bytes > room / 2) {
    // It is no longer refused, but loses its oldest.
    return flow.when_full == WhenFull::drop && !flow.empty() && now - flow.first->queued >= options_.fresh;
  }
  return flow.empty() || flow.when_full == WhenFull::drop || now - flow.first->queued <= options_.patience;
}

std::optional<StreamId> DatagramQueue::take_writable(Time now) {
  Index before = none;
  for (Index index = refused_.first; index != none; before = index, index = flows_[index].next_refused) {
    Flow& flow = flows_[index];
    if (!has_room(flow, now)) continue;
    (before == none ? refused_.first : flows_[before].next_refused) = flow.next_refused;
    if (refused_.last == index) refused_.last = before;
    flow.next_refused = none;
    flow.refused = false;
    --refused_count_;
    const StreamId id = flow.id;
    remove_if_unused(index);
    return id;
  }
  return std::nullopt;
}

void DatagramQueue::rotate_refused(StreamId first) {
  if (refused_.first == refused_.last || flows_[refused_.first].id != first) return;
  const Index index = refused_.first;
  refused_.first = std::exchange(flows_[index].next_refused, none);
  flows_[refused_.last].next_refused = index;
  refused_.last = index;
}

Duration DatagramQueue::sojourn(Time now) const {
  const FlowList& list = fresh_.empty() ? served_ : fresh_;
  if (list.empty() || flows_[list.first].empty()) return Duration::zero();
  return now - flows_[list.first].first->queued;
}

void DatagramQueue::clear() {
  flows_.clear();
  blocks_ = {};
  fresh_ = served_ = refused_ = {};
  refused_count_ = bytes_ = count_ = held_blocks_ = 0;
  chosen_ = false;
}

void DatagramQueue::release() {
  if (count_ > 0 || flows_.size() > 0) return;
  flows_.release();
  blocks_ = {};
}

}  // namespace sallyport::quic
