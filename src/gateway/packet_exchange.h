// PacketExchange: passes IP packets that came to one worker, out of its queue of the TUN device or of a
// tunnel, to the worker that has the tunnel of their destination. Shared by the workers of a process.
#pragma once

#include "gateway/worker_rings.h"
#include "net/packet_port.h"

#include <functional>
#include <utility>

namespace sallyport::gateway {

class PacketExchange {
 public:
  using Counters = WorkerRings::Counters;

  explicit PacketExchange(unsigned workers);

  /// See WorkerRings.
  void set_wake(unsigned to, std::function<void()> wake) { rings_.set_wake(to, std::move(wake)); }
  void send(unsigned from, unsigned to, const net::Packet& packet);
  /// The packet's bytes may be changed, and are valid during the call.
  void receive(unsigned to, const std::function<void(net::Packet&)>& visit);
  Counters counters(unsigned to) const { return rings_.counters(to); }

 private:
  WorkerRings rings_;
};

}  // namespace sallyport::gateway
