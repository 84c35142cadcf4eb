// EarlyDatagrams: HTTP datagrams that came before the tunnel they belong to was open (RFC 9298 §5), held for
// a moment and within a bound (docs/threat-model.md, "early datagram"). Made by an H3Connection when there is
// a first one.
#pragma once

#include "base/chunk.h"
#include "http/connection.h"
#include "http/limits.h"
#include "net/timers.h"
#include "quic/application.h"

#include <cstdint>
#include <vector>

namespace sallyport::http {

class EarlyDatagrams {
 public:
  class Receiver {
   public:
    /// False: the tunnel is gone meanwhile.
    virtual bool deliver_early(quic::StreamId id, Bytes payload) = 0;

   protected:
    ~Receiver() = default;
  };

  EarlyDatagrams(net::Timers& timers, const Limits& limits, ConnectionCounters& counters, Receiver& receiver);

  /// Copies; counts it as dropped when there are too many.
  void hold(quic::StreamId id, Bytes payload);
  bool holds(quic::StreamId id) const;
  /// The tunnel is open: those of `id` are delivered at the end of this turn, in order.
  void release(quic::StreamId id);
  /// The tunnel will never be open.
  void drop(quic::StreamId id);

 private:
  struct Held {
    quic::StreamId id;
    Time until;
    Chunk payload;
    bool released;
  };
  void deliver();
  void expire(Time now);

  net::Timers& timers_;
  const Limits& limits_;
  ConnectionCounters& counters_;
  Receiver& receiver_;
  std::vector<Held> held_;  // oldest first
  net::Deferred deliver_;
  net::Timer expire_;
};

}  // namespace sallyport::http
