#include "gateway/worker_rings.h"

#include <utility>

namespace sallyport::gateway {

WorkerRings::WorkerRings(unsigned workers, std::size_t ring_bytes) : ring_bytes_(ring_bytes) {
  for (unsigned i = 0; i < workers; ++i) inboxes_.push_back(std::make_unique<Inbox>(workers));
}

WorkerRings::~WorkerRings() {
  for (const auto& inbox : inboxes_)
    for (auto& ring : inbox->rings) delete ring.load();
}

Ring& WorkerRings::ring(unsigned from, Inbox& to) {
  // Most pairs never need one.
  Ring* made = to.rings[from].load(std::memory_order_relaxed);
  if (made == nullptr) {
    made = new Ring(ring_bytes_);
    to.rings[from].store(made, std::memory_order_release);
  }
  return *made;
}

void WorkerRings::send(unsigned from, unsigned to, Bytes head, Bytes rest) {
  Inbox& inbox = *inboxes_[to];
  Ring& queue = ring(from, inbox);
  std::uint8_t* const room = queue.reserve(head.size() + rest.size());
  if (room == nullptr) {
    inbox.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  copy_bytes(rest, copy_bytes(head, room));
  queue.commit(head.size() + rest.size());
  inbox.taken.fetch_add(1, std::memory_order_relaxed);
  // Sequentially consistent on both sides: either the receiver sees the record, or we see that it sleeps.
  if (!inbox.woken.exchange(true)) inbox.wake();
}

void WorkerRings::receive(unsigned to, std::size_t most, const std::function<void(Bytes)>& visit) {
  Inbox& inbox = *inboxes_[to];
  inbox.woken.exchange(false);
  std::size_t left = most;
  const std::size_t first = inbox.first++;  // no sender is always the last one
  for (std::size_t i = 0; i < inbox.rings.size(); ++i) {
    Ring* const queue = inbox.rings[(first + i) % inbox.rings.size()].load(std::memory_order_acquire);
    if (queue == nullptr) continue;
    for (Bytes record = queue->front(); !record.empty(); record = queue->front()) {
      if (left-- == 0) {
        if (!inbox.woken.exchange(true)) inbox.wake();
        return;
      }
      visit(record);
      queue->pop();
    }
  }
}

WorkerRings::Counters WorkerRings::counters(unsigned to) const {
  const Inbox& inbox = *inboxes_[to];
  return {.taken = inbox.taken.load(std::memory_order_relaxed),
          .dropped = inbox.dropped.load(std::memory_order_relaxed)};
}

}  // namespace sallyport::gateway
