// StrayExchange: passes datagrams that reached the wrong worker of this process (strays) to the worker that
// owns their connection. Shared by the workers of a process.
#pragma once

#include "gateway/worker_rings.h"
#include "net/address.h"
#include "net/datagram_path.h"

#include <functional>
#include <utility>

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
  using Counters = WorkerRings::Counters;

  explicit StrayExchange(unsigned workers);

  /// See WorkerRings.
  void set_wake(unsigned to, std::function<void()> wake) { rings_.set_wake(to, std::move(wake)); }
  void send(unsigned from, unsigned to, const Stray& stray);
  void receive(unsigned to, const std::function<void(const Stray&)>& visit);
  Counters counters(unsigned to) const { return rings_.counters(to); }

 private:
  WorkerRings rings_;
};

}  // namespace sallyport::gateway
