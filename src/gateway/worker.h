// Worker: one thread's share of a gateway: its listeners, connections, proxy and file server, all used by
// this thread only. Built over Inbound, Outbound and Timers, so a simulation runs the same Worker. The
// Configuration enters only by apply().
#pragma once

#include "admin/metric_set.h"
#include "base/random.h"
#include "config/configuration.h"
#include "files/file_server.h"
#include "gateway/access_log.h"
#include "gateway/ip_service.h"
#include "gateway/listener.h"
#include "gateway/router.h"
#include "gateway/stray_exchange.h"
#include "http/connection_log.h"
#include "ingress/reverse_proxy.h"
#include "masque/ip_switch.h"
#include "masque/proxy.h"
#include "masque/proxy_group.h"
#include "net/file_reader.h"
#include "net/inbound.h"
#include "net/outbound.h"
#include "net/tun_queue.h"
#include "tls/replay_guard.h"

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <vector>

namespace sallyport::gateway {

/// Shared by the workers of a process; immutable while they run, except where documented.
struct WorkerSetup {
  unsigned workers = 1;
  std::uint16_t server_id = 0;  ///< of this gateway in its deployment
  tls::ServerSecret secret = tls::ServerSecret::random();
  std::shared_ptr<tls::ReplayRecord> replay_record = std::make_shared<tls::ReplayRecord>();
  std::shared_ptr<tls::ReplayRecord> used_tokens = std::make_shared<tls::ReplayRecord>();
  std::shared_ptr<masque::ProxyGroup> proxies = std::make_shared<masque::ProxyGroup>();
  std::size_t max_tunnels_all = 65536;  ///< over all clients and workers
  std::shared_ptr<trace::KeyLog> key_log;
  std::shared_ptr<trace::RecorderFactory> recorders;
  std::shared_ptr<AccessLog> access_log;  ///< null: none
  unsigned leave_descriptors = 0;         ///< reserved for the operator, not used for clients
  std::shared_ptr<StrayExchange> strays;  ///< null: there is one worker
  std::shared_ptr<IpService> ip;          ///< null: no CONNECT-IP

  /// Of this gateway, in Via (RFC 9110 §7.6.3): the same for all workers and after every start.
  std::string pseudonym() const;
};

/// Optional parts of a worker, and parts that a simulation replaces. Outlives the worker.
struct WorkerExtras {
  Random& random = system_random();        ///< of its thread
  net::FileReader* file_reader = nullptr;  ///< null: files are read on the worker's own thread
  net::PacketPort* packets = nullptr;      ///< the worker's queue of the TUN device; null: no CONNECT-IP
  const net::TunQueue* tun = nullptr;      ///< the same queue, for its figures; null: it has none
  http::Content* content = nullptr;        ///< answers instead of the files; null: files
  WallTime (*wall_clock)() = nullptr;      ///< for address tokens; null: the timers' time
};

class Worker : private masque::IpElsewhere {
 public:
  /// Has no listeners yet. `number`: from 0, in the order in which workers apply the first Configuration, as
  /// steering counts them.
  Worker(net::Inbound& inbound, net::Outbound& outbound, net::Timers& timers,
         std::shared_ptr<const WorkerSetup> setup, unsigned number, WorkerExtras extras = {});
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Serves by `next` from now on. A listener whose address is gone is drained, and so are the connections
  /// over TCP of one that has TCP no more. Open connections and tunnels continue with their certificate, the
  /// `quic` and `limits` that they were accepted with, except tunnels whose token was removed. On an error
  /// nothing has changed. After drain() nothing new is opened.
  Result<> apply(std::shared_ptr<const config::Configuration> next);
  /// Receives strays from other workers.
  void receive_strays();
  /// Receives IP packets from other workers, which have read them for tunnels of this one.
  void receive_packets();
  /// A tunnel of worker `other` has this prefix, or no more.
  void note_prefix(const net::IpPrefix& prefix, unsigned other, bool there);
  /// The open CONNECT-IP tunnels of this worker.
  std::vector<masque::IpTunnelFigures> ip_tunnels() const;
  /// Ends the one that was assigned `address`, for the operator. False: none here has it.
  bool end_ip_tunnel(const net::IpAddress& address);
  /// Graceful shutdown: refuses new connections, sends GOAWAY on open ones; `drained` is called when all have
  /// ended.
  void drain(std::function<void()> drained);
  /// Closes all remaining connections; run one more turn of the loop to send the closes.
  void close_all();
  /// Adds this worker's metrics.
  void collect(admin::MetricSet& out) const;

  const std::list<std::unique_ptr<Listener>>& listeners() const { return listeners_; }
  /// Null before there was one.
  masque::Proxy* proxy() { return proxy_.get(); }
  const RouterCounters& requests() const { return router_.counters(); }

 private:
  using Listeners = std::list<std::unique_ptr<Listener>>;
  /// What a Configuration adds.
  struct Opened {
    Listeners listeners;
    std::map<const Listener*, std::unique_ptr<http::TcpFront>> tcp;  ///< of listeners that had none
  };

  Result<> listen(const config::Listener& what, const ListenerOptions& options, Listeners& to);
  void apply_listeners(const config::Configuration& next, const ListenerOptions& options, Opened opened);
  void apply_masque(const config::Configuration& next);
  void apply_routes(const config::Configuration& next);
  void apply_files(const config::Configuration& next);
  void apply_ip(const masque::TargetPolicy& policy);
  void tell(const net::IpPrefix& prefix, bool here) override;
  void hand_over(unsigned worker, const net::Packet& packet) override;
  masque::ProxyOptions proxy_options(const config::Masque& masque);
  ListenerOptions listener_options(const config::Configuration& configuration);
  Listener* find(const net::SocketAddress& address) const;
  void retire(Listeners::iterator listener);
  void bury();
  void report_drained();
  void sample(Time now);
  // worker_metrics.cpp
  void collect_requests(admin::MetricSet& out) const;
  void collect_connections(admin::MetricSet& out, const Listener& listener, const QuicTotals& totals) const;
  void collect_quic(admin::MetricSet& out, const Listener& listener, const QuicTotals& totals) const;
  void collect_routes(admin::MetricSet& out) const;
  void collect_masque(admin::MetricSet& out) const;
  void collect_ip(admin::MetricSet& out) const;

  net::Inbound& inbound_;
  net::Outbound& outbound_;
  net::Timers& timers_;
  const std::shared_ptr<const WorkerSetup> setup_;
  const unsigned number_;
  const WorkerExtras extras_;
  std::shared_ptr<const config::Configuration> configuration_;
  http::Replies replies_;
  Router router_{replies_};
  std::unique_ptr<masque::IpSwitch> ip_switch_;  // null: no CONNECT-IP. Outlives the proxy's tunnels.
  std::unique_ptr<masque::Proxy> proxy_;
  std::unique_ptr<ingress::ReverseProxy> routes_;
  std::unique_ptr<files::FileServer> files_;
  std::unique_ptr<WorkerAccessLog> access_log_;          // null: none
  std::unique_ptr<http::ConnectionLog> connection_log_;  // null: the log's level is above debug
  // Destroyed first: their exchanges refer to the members above.
  Listeners listeners_;
  Listeners leaving_;  // removed from the Configuration; kept until their last connection is closed
  std::vector<std::unique_ptr<Listener>> gone_;
  admin::MetricSet past_;  // of removed listeners
  net::Timer sampling_;
  net::Deferred bury_;
  bool is_draining_ = false;
  std::size_t draining_ = 0;  // listeners that are not empty yet
  std::function<void()> drained_;
};

}  // namespace sallyport::gateway
