#include "gateway/stray_exchange.h"

#include <cstring>
#include <type_traits>

namespace sallyport::gateway {
namespace {

constexpr std::size_t ring_bytes = 256 * 1024;
// Datagrams that one call of receive() hands over: others wait for the worker's turn, too.
constexpr std::size_t most_a_turn = 1024;

/// Before the datagram in each record.
struct Head {
  net::SocketAddress listener;
  net::NetPath path;
  net::Ecn ecn{};
};
static_assert(std::is_trivially_copyable_v<Head>);

}  // namespace

StrayExchange::StrayExchange(unsigned workers) {
  for (unsigned i = 0; i < workers; ++i) inboxes_.push_back(std::make_unique<Inbox>(workers));
}

StrayExchange::~StrayExchange() {
  for (const auto& inbox : inboxes_)
    for (auto& ring : inbox->rings) delete ring.load();
}

Ring& StrayExchange::ring(unsigned from, Inbox& to) {
  // Most pairs never need one.
  Ring* made = to.rings[from].load(std::memory_order_relaxed);
  if (made == nullptr) {
    made = new Ring(ring_bytes);
    to.rings[from].store(made, std::memory_order_release);
  }
  return *made;
}

void StrayExchange::send(unsigned from, unsigned to, const Stray& stray) {
  Inbox& inbox = *inboxes_[to];
  Ring& queue = ring(from, inbox);
  const std::size_t size = sizeof(Head) + stray.datagram.size();
  std::uint8_t* const room = queue.reserve(size);
  if (room == nullptr) {
    inbox.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const Head head{stray.listener, stray.path, stray.ecn};
  std::memcpy(room, &head, sizeof head);
  if (!stray.datagram.empty()) std::memcpy(room + sizeof head, stray.datagram.data(), stray.datagram.size());
  queue.commit(size);
  inbox.taken.fetch_add(1, std::memory_order_relaxed);
  // Sequentially consistent on both sides: either the receiver sees the record, or we see that it sleeps.
  if (!inbox.woken.exchange(true)) inbox.wake();
}

void StrayExchange::receive(unsigned to, const std::function<void(const Stray&)>& visit) {
  Inbox& inbox = *inboxes_[to];
  inbox.woken.exchange(false);
  std::size_t left = most_a_turn;
  const std::size_t first = inbox.first++;  // no sender is always the last one
  for (std::size_t i = 0; i < inbox.rings.size(); ++i) {
    Ring* const queue = inbox.rings[(first + i) % inbox.rings.size()].load(std::memory_order_acquire);
    if (queue == nullptr) continue;
    for (Bytes record = queue->front(); !record.empty(); record = queue->front()) {
      if (left-- == 0) {
        if (!inbox.woken.exchange(true)) inbox.wake();
        return;
      }
      Head head;
      std::memcpy(static_cast<void*>(&head), record.data(), sizeof head);
      visit({head.listener, head.path, record.subspan(sizeof head), head.ecn});
      queue->pop();
    }
  }
}

StrayExchange::Counters StrayExchange::counters(unsigned to) const {
  const Inbox& inbox = *inboxes_[to];
  return {.taken = inbox.taken.load(std::memory_order_relaxed),
          .dropped = inbox.dropped.load(std::memory_order_relaxed)};
}

}  // namespace sallyport::gateway
