// SimGateway: the gateway's own workers on a Host of the simulated network, with content that is made up in
// place of files. GET /bytes/N answers with N bytes; POST /sink takes a body and tells what came of it.
// Serves as hop and as origin.
#pragma once

#include "gateway/settings.h"
#include "gateway/worker.h"
#include "network.h"
#include "packet_router.h"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace sallyport::sim {

class SimGateway final : private http::Content {
 public:
  static constexpr std::uint16_t port = 443;
  /// Fields of the answer to POST /sink.
  static constexpr const char* received_field = "sim-received";  ///< bytes
  static constexpr const char* intact_field = "sim-intact";  ///< "yes" when they were the content, in order

  /// What it serves; the listener is made from `credentials` where there is none.
  struct Options : config::Configuration {
    /// A proxy for UDP and TCP that reaches the simulation's addresses.
    Options();
    std::shared_ptr<const tls::ServerCredentials> credentials;  ///< null: server_credentials()
    /// With a pool it proxies IP as well, by one worker and a PacketRouter, or by `ip_ports`.
    gateway::IpSettings ip;
    /// In place of the PacketRouter: the queue of the TUN device of each worker. They outlive the gateway.
    std::vector<net::PacketPort*> ip_ports;
    unsigned workers = 1;
  };

  SimGateway(Network& network, Host& host, Options options);
  ~SimGateway() override;

  Host& host() { return host_; }
  /// As Gateway does it: all workers, one after the other.
  Result<> apply(std::shared_ptr<const config::Configuration> next);
  std::shared_ptr<const config::Configuration> configuration() const { return configuration_; }
  /// `drained` comes when all workers have.
  void drain(std::function<void()> drained);

  gateway::Worker& worker(std::size_t number = 0) { return *workers_.at(number); }
  /// Of the first worker's first listener.
  quic::Endpoint& endpoint() { return workers_[0]->listeners().front()->quic()->endpoint(); }
  /// Of all workers.
  masque::ProxyCounters proxy() const;
  quic::EndpointStats endpoint_stats() const;
  const gateway::StrayExchange* strays() const { return setup_->strays.get(); }
  const gateway::WorkerSetup& setup() const { return *setup_; }
  /// Answers, from the moment the request came until all of it was said.
  std::size_t open_answers() const { return answers_.size(); }
  std::uint64_t requests() const;
  std::size_t open_connections() const;
  /// Nothing is left of what clients did: no connection, tunnel, answer or socket of a tunnel.
  bool is_idle() const;

 private:
  class Answer;
  class Download;
  class Upload;

  void serve(const http::Incoming& in) override;
  static void answer_by(http::Exchange& exchange, SimGateway& gateway, std::unique_ptr<Answer> answer);
  void open_ip(const Options& options);
  void tell_notes(Time now);

  /// What a worker tells another one of a prefix.
  struct Note {
    unsigned to, from;
    net::IpPrefix prefix;
    bool here;
  };

  Network& network_;
  Host& host_;
  http::Replies replies_;
  std::map<const http::Exchange*, std::unique_ptr<Answer>> answers_;
  std::unique_ptr<PacketRouter> router_;  // null: no CONNECT-IP
  std::shared_ptr<gateway::WorkerSetup> setup_ = std::make_shared<gateway::WorkerSetup>();
  std::shared_ptr<const config::Configuration> configuration_;
  std::vector<std::unique_ptr<net::Deferred>> wakes_;
  std::multimap<Time, Note> notes_;  // on their way
  std::vector<Time> last_note_;      // to each worker
  net::Timer notes_due_;
  std::size_t undrained_ = 0;
  std::function<void()> drained_;
  std::vector<std::unique_ptr<gateway::Worker>> workers_;  // go first: their connections tell this
};

}  // namespace sallyport::sim
