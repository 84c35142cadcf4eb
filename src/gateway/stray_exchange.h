// StrayExchange: carries datagrams that reached the wrong worker of this process to the one that owns their
// connection. One ring for each pair of workers, with one producer and one consumer, so nothing is locked;
// the consumer is woken once for all that waits. Shared by the workers of a process.
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

/// A datagram for a connection of another worker. A view: valid during the call.
struct Stray {
  net::SocketAddress listener;  ///< as the Configuration has it
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

  /// How worker `to` is told to call receive() soon: may be called from any worker's thread. To be set before
  /// any worker runs.
  void set_wake(unsigned to, std::function<void()> wake) { inboxes_[to]->wake = std::move(wake); }
  /// On the thread of worker `from`. Where too much waits already, the datagram is dropped and counted.
  void send(unsigned from, unsigned to, const Stray& stray);
  /// On the thread of worker `to`: visits all that waits.
  void receive(unsigned to, const std::function<void(const Stray&)>& visit);
  /// Of what was sent to worker `to`. From any thread.
  Counters counters(unsigned to) const;

 private:
  struct Inbox {
    explicit Inbox(unsigned senders) : rings(senders) {}
    std::vector<std::atomic<Ring*>> rings;  // by sender; made by the first one that it sends
    std::atomic<bool> woken = false;
    std::atomic<std::uint64_t> taken = 0, dropped = 0;
    std::function<void()> wake;
  };
  Ring& ring(unsigned from, Inbox& to);

  std::vector<std::unique_ptr<Inbox>> inboxes_;
};

}  // namespace sallyport::gateway
