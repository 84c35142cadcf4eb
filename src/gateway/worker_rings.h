// WorkerRings: carries records of bytes between the workers of a process, without a lock: one
// single-producer, single-consumer ring for each pair of workers. The consumer is woken once for all waiting
// records. Under StrayExchange (datagrams) and PacketExchange (IP packets), which say what a record is.
#pragma once

#include "base/bytes.h"
#include "base/ring.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace sallyport::gateway {

class WorkerRings {
 public:
  struct Counters {
    std::uint64_t taken = 0, dropped = 0;
  };

  /// `ring_bytes`: of each pair that passes something on.
  WorkerRings(unsigned workers, std::size_t ring_bytes);
  ~WorkerRings();
  WorkerRings(const WorkerRings&) = delete;
  WorkerRings& operator=(const WorkerRings&) = delete;

  /// `wake` makes worker `to` call receive() soon; it is called from any worker's thread. Set it before any
  /// worker runs.
  void set_wake(unsigned to, std::function<void()> wake) { inboxes_[to]->wake = std::move(wake); }
  /// On the thread of worker `from`: a record of both parts. When the ring is full, it is dropped and
  /// counted.
  void send(unsigned from, unsigned to, Bytes head, Bytes rest);
  /// On the thread of worker `to`: visits the waiting records, at most `most` of them; where more are left,
  /// it wakes itself again.
  void receive(unsigned to, std::size_t most, const std::function<void(Bytes)>& visit);
  /// Of records sent to worker `to`. From any thread.
  Counters counters(unsigned to) const;

 private:
  struct Inbox {
    explicit Inbox(unsigned senders) : rings(senders) {}
    std::vector<std::atomic<Ring*>> rings;  // by sender; made with its first record
    std::atomic<bool> woken = false;
    std::size_t first = 0;  // the receiver's alone: the ring that it begins with
    std::atomic<std::uint64_t> taken = 0, dropped = 0;
    std::function<void()> wake;
  };
  Ring& ring(unsigned from, Inbox& to);

  const std::size_t ring_bytes_;
  std::vector<std::unique_ptr<Inbox>> inboxes_;
};

}  // namespace sallyport::gateway
