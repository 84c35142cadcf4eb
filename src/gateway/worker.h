// Worker: one thread's share of a gateway: its loop, sockets, connections, proxy and file server, none of
// which another thread touches.
#pragma once

#include "files/file_server.h"
#include "gateway/access_log.h"
#include "gateway/connection_log.h"
#include "gateway/dispatcher.h"
#include "gateway/metric_set.h"
#include "gateway/quic_front.h"
#include "gateway/settings.h"
#include "gateway/tcp_front.h"
#include "masque/proxy.h"
#include "masque/proxy_group.h"
#include "net/event_loop.h"
#include "net/file_reader.h"
#include "net/outbound.h"
#include "net/own_addresses.h"
#include "tls/replay_guard.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::gateway {

/// A datagram that reached the wrong worker of this process.
struct Stray {
  std::size_t listener = 0;
  net::NetPath path;
  std::vector<std::uint8_t> datagram;
  net::Ecn ecn = net::Ecn::not_ect;
};

/// What the workers of a gateway share; immutable while they run, but for what says otherwise of itself.
struct WorkerSetup {
  Settings settings;  ///< listen: with the ports that were chosen; workers: how many there are
  std::shared_ptr<const tls::ServerCredentials>
      credentials;                                   ///< at the start; later ones come by set_credentials()
  std::shared_ptr<const masque::TokenTable> tokens;  ///< likewise, by set_tokens(); null: everybody may proxy
  tls::ServerSecret secret;
  std::shared_ptr<tls::ReplayRecord> replay_record = std::make_shared<tls::ReplayRecord>();
  std::shared_ptr<tls::ReplayRecord> used_tokens = std::make_shared<tls::ReplayRecord>();
  std::shared_ptr<masque::ProxyGroup> proxies = std::make_shared<masque::ProxyGroup>();
  std::size_t max_tunnels_all = 0;  ///< of all clients, in all workers
  std::shared_ptr<trace::KeyLog> key_log;
  std::shared_ptr<trace::RecorderFactory> recorders;
  std::shared_ptr<AccessLog> access_log;              ///< null: none
  std::shared_ptr<const files::ServedFolder> folder;  ///< likewise, by set_folder(); null: no files
  unsigned leave_descriptors = 0;  ///< so many of the last ones are not for clients, but for the operator
  std::function<void(unsigned worker, Stray)> hand_over;  ///< from any thread
};

class Worker {
 public:
  /// Listens. `number`: from 0, in the order in which workers start, as steering counts them.
  static Result<std::unique_ptr<Worker>> make(net::EventLoop& loop, std::shared_ptr<const WorkerSetup> setup,
                                              unsigned number);

  void set_credentials(const std::shared_ptr<const tls::ServerCredentials>& credentials);
  void set_tokens(std::shared_ptr<const masque::TokenTable> tokens);
  /// What --files leads to now.
  void set_folder(std::shared_ptr<const files::ServedFolder> folder);
  void receive_stray(const Stray& stray);
  /// Refuses the new, says GOAWAY on the rest; `drained` comes when all of it has ended.
  void drain(std::function<void()> drained);
  /// Closes what is left; to be followed by a turn of the loop, so that the closes leave.
  void close_all();
  /// Adds this worker's figures.
  void collect(MetricSet& out) const;

 private:
  struct Listener {
    Listener(Dispatcher& dispatcher, std::string alt_svc, http::ExchangeLog* log)
        : quic_entrance(dispatcher, {}, log), tcp_entrance(dispatcher, std::move(alt_svc), log) {}
    Entrance quic_entrance, tcp_entrance;
    std::unique_ptr<QuicFront> quic;
    std::unique_ptr<TcpFront> tcp;  // null: --no-tcp
  };

  Worker(net::EventLoop& loop, std::shared_ptr<const WorkerSetup> setup, unsigned number);
  Result<> listen(const net::SocketAddress& address);
  quic::ServerOptions quic_options() const;
  tls::ServerOptions tls_options() const;
  http::Limits limits() const;
  void sample(Time now);
  // worker_metrics.cpp
  void collect_requests(MetricSet& out) const;
  void collect_connections(MetricSet& out, const Listener& listener, const QuicTotals& totals) const;
  void collect_quic(MetricSet& out, const Listener& listener, const QuicTotals& totals) const;
  void collect_masque(MetricSet& out) const;

  net::EventLoop& loop_;
  const std::shared_ptr<const WorkerSetup> setup_;
  const unsigned number_;
  std::shared_ptr<const tls::ServerCredentials> credentials_;
  Duration quic_idle_timeout_;  // longer than that of a connection without requests where tunnels may idle
  http::Replies replies_;
  std::unique_ptr<net::Outbound> outbound_;
  net::OwnAddresses own_addresses_;
  std::unique_ptr<masque::Proxy> proxy_;
  std::unique_ptr<net::FileReader> file_reader_;
  std::unique_ptr<files::FileServer> files_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<WorkerAccessLog>
      access_log_;  // null: none; outlives the listeners, whose exchanges it records
  std::unique_ptr<ConnectionLog> connection_log_;  // null: the log's level is above debug
  std::vector<std::unique_ptr<Listener>> listeners_;
  net::Timer sampling_;
  std::size_t draining_ = 0;  // fronts that are not empty yet
  std::function<void()> drained_;
};

}  // namespace sallyport::gateway
