// StrayExchange: passes datagrams that reached the wrong worker of this process (strays) to the worker that
// owns their connection. One single-producer, single-consumer ring for each pair of workers, so no locks; the
// consumer is woken once for all waiting datagrams. Shared by the workers of a process.
#pragma once

#include "base/ring.h"
#include "net/address.h"
#include "net/datagram_path.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace sallyport::gateway {

/// A datagram for another worker's connection. A view, valid during the call.
struct Stray {
  net::SocketAddress listener;  ///< as in the Configuration
  net::NetPath path;
  Bytes datagram;
  net::Ecn ecn = net::Ecn::not_ect;
};

class StrayExchange {
 public:
  struct Counters {
    std::uint64_t taken = 0, dropped = 0;
  };

  explicit StrayExchange(unsigned workers);
  ~StrayExchange();
  StrayExchange(const StrayExchange&) = delete;
  StrayExchange& operator=(const StrayExchange&) = delete;

  /// `wake` makes worker `to` call receive() soon; it is called from any worker's thread. Set it before any
  /// worker runs.
  void set_wake(unsigned to, std::function<void()> wake) { inboxes_[to]->wake = std::move(wake); }
  /// On the thread of worker `from`. When the ring is full, the datagram is dropped and counted.
  void send(unsigned from, unsigned to, const Stray& stray);
  /// On the thread of worker `to`: visits the waiting datagrams, at most a bounded number of them; where more
  /// are left, it wakes itself again.
  void receive(unsigned to, const std::function<void(const Stray&)>& visit);
  /// Of datagrams sent to worker `to`. From any thread.
  Counters counters(unsigned to) const;

 private:
  struct Inbox {
    explicit Inbox(unsigned senders) : rings(senders) {}
    std::vector<std::atomic<Ring*>> rings;  // by sender; made with its first datagram
    std::atomic<bool> woken = false;
    std::size_t first = 0;  // the receiver's alone: the ring that it begins with
    std::atomic<std::uint64_t> taken = 0, dropped = 0;
    std::function<void()> wake;
  };
  Ring& ring(unsigned from, Inbox& to);

  std::vector<std::unique_ptr<Inbox>> inboxes_;
};

}  // namespace sallyport::gateway
