// Listener: one configured address of one worker: HTTP/3 on its UDP port, HTTP/2 and HTTP/1.1 on its TCP
// port, or HTTP/1.1 without TLS there, and the listener's own settings in front of the shared Router. Owned
// by a Worker.
#pragma once

#include "config/configuration.h"
#include "gateway/quic_front.h"
#include "gateway/router.h"
#include "http/tcp_front.h"

#include <functional>
#include <memory>
#include <vector>

namespace sallyport::gateway {

/// Shared by all listeners of a worker. The objects it points to outlive them.
struct ListenerWorld {
  net::Inbound& inbound;
  net::Timers& timers;
  Router& router;
  http::ExchangeLog* exchange_log = nullptr;
  http::ConnectionLog* connection_log = nullptr;
};

/// Options of a listener's transports; its credentials come with the Configuration.
struct ListenerOptions {
  quic::Environment environment;
  quic::ServerOptions quic;
  tls::ServerOptions tls;
  http::Limits limits;
  bool reuse_port = false;  ///< other workers listen on the same address
  unsigned leave_descriptors = 0;
};

class Listener {
 public:
  static Result<std::unique_ptr<Listener>> open(const ListenerWorld& world, const config::Listener& what,
                                                const ListenerOptions& options);

  const config::Listener& configuration() const { return configuration_; }
  /// The listening address, with the chosen port.
  net::SocketAddress address() const {
    return quic_ ? quic_->socket().net_path().local : tcp_.front()->local();
  }
  /// Null: without HTTP/3.
  QuicFront* quic() { return quic_.get(); }
  const QuicFront* quic() const { return quic_.get(); }
  QuicTotals quic_totals() const { return quic_ ? quic_->totals() : QuicTotals{}; }
  /// The one that accepts connections, then those that it had before, whose connections may be open yet:
  /// none without TCP.
  const std::vector<std::unique_ptr<http::TcpFront>>& tcp() const { return tcp_; }

  /// The first step of apply() where `what` has TCP and this has none: all that can fail of it. Null where
  /// there is nothing to open.
  Result<std::unique_ptr<http::TcpFront>> open_tcp(const config::Listener& what,
                                                   const ListenerOptions& options);
  /// For new connections: `what` has the address of this listener. `opened`: by open_tcp(). Without TCP, its
  /// connections finish.
  void apply(const config::Listener& what, const ListenerOptions& options,
             std::unique_ptr<http::TcpFront> opened);
  /// Graceful shutdown: refuses new connections; open ones finish. `drained` is called when all are closed,
  /// perhaps at once.
  void drain(std::function<void()> drained);
  /// Closes all connections immediately.
  void close_all();

 private:
  Listener(const ListenerWorld& world, config::Listener what);

  const ListenerWorld world_;
  config::Listener configuration_;
  Entrance quic_entrance_, tcp_entrance_;
  std::unique_ptr<QuicFront> quic_;  // null: without HTTP/3
  std::vector<std::unique_ptr<http::TcpFront>> tcp_;
  std::size_t draining_ = 0;  // fronts that are not empty yet
};

}  // namespace sallyport::gateway
