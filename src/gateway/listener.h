// Listener: one configured address of one worker: HTTP/3 on its UDP port, HTTP/2 and HTTP/1.1 on its TCP
// port, and what differs between listeners in front of the Router that they share. Owned by a Worker.
#pragma once

#include "config/configuration.h"
#include "gateway/quic_front.h"
#include "gateway/router.h"
#include "gateway/tcp_front.h"

#include <functional>
#include <memory>

namespace sallyport::gateway {

/// What all listeners of a worker have in common. What it points to outlives them.
struct ListenerWorld {
  net::Inbound& inbound;
  net::Timers& timers;
  Router& router;
  http::ExchangeLog* exchange_log = nullptr;
  ConnectionLog* connection_log = nullptr;
};

/// How the transports of a listener are set up; without credentials, which come with its configuration.
struct ListenerOptions {
  quic::Environment environment;
  quic::ServerOptions quic;
  tls::ServerOptions tls;
  http::Limits limits;
  bool reuse_port = false;  ///< other workers listen at the same address
  unsigned leave_descriptors = 0;
};

class Listener {
 public:
  static Result<std::unique_ptr<Listener>> open(const ListenerWorld& world, const config::Listener& what,
                                                ListenerOptions options);

  const config::Listener& configuration() const { return configuration_; }
  /// Where it listens, with the port that was chosen.
  net::SocketAddress address() const { return quic_->socket().net_path().local; }
  QuicFront& quic() { return *quic_; }
  const QuicFront& quic() const { return *quic_; }
  /// Null where the configuration wants no TCP.
  TcpFront* tcp() { return tcp_.get(); }
  const TcpFront* tcp() const { return tcp_.get(); }

  /// For connections from now on: another certificate, or another port for Alt-Svc.
  void apply(const config::Listener& what);
  /// No new connections; those that are open end in order. `drained` comes when all are gone, perhaps at
  /// once.
  void drain(std::function<void()> drained);
  /// Closes all at once.
  void close_all();

 private:
  Listener(const ListenerWorld& world, config::Listener what);

  config::Listener configuration_;
  Entrance quic_entrance_, tcp_entrance_;
  std::unique_ptr<QuicFront> quic_;
  std::unique_ptr<TcpFront> tcp_;
  unsigned draining_ = 0;  // fronts that are not empty yet
};

}  // namespace sallyport::gateway
