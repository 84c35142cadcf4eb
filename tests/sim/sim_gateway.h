// SimGateway: a server of the simulated network, on one Host: QUIC, HTTP/3 and the MASQUE proxy as `sallyport
// gateway` runs them, with content that is made up in place of files. GET /bytes/N answers with N bytes; POST
// /sink takes a body and tells what came of it. Serves as hop and as origin.
#pragma once

#include "gateway/dispatcher.h"
#include "http/h3_connection.h"
#include "masque/proxy.h"
#include "network.h"
#include "quic/endpoint.h"

#include <cstdint>
#include <map>
#include <memory>
#include <set>

namespace sallyport::sim {

class SimGateway final : private http::RequestHandler, private http::ConnectionHandler {
 public:
  static constexpr std::uint16_t port = 443;
  /// Fields of the answer to POST /sink.
  static constexpr const char* received_field = "sim-received";  ///< bytes
  static constexpr const char* intact_field = "sim-intact";  ///< "yes" when they were the content, in order

  struct Options {
    quic::ServerOptions quic;  ///< without credentials: they are filled in
    http::Limits limits;
    masque::ProxyOptions proxy;  ///< without policy: the simulation's addresses are allowed
  };

  SimGateway(Network& network, Host& host, Options options);
  ~SimGateway();

  Host& host() { return host_; }
  quic::Endpoint& endpoint() { return *endpoint_; }
  masque::ProxyCounters proxy() const { return proxy_.counters(); }
  /// Answers, from the moment the request came until all of it was said.
  std::size_t open_answers() const { return answers_.size(); }
  std::uint64_t requests() const { return requests_; }
  std::size_t open_connections() const { return connections_.size(); }
  /// Nothing is left of what clients did: no connection, tunnel, answer or socket of a tunnel.
  bool is_idle() const;

 private:
  class Answer;
  class Download;
  class Upload;

  void on_request(http::Exchange& exchange) override;
  void on_connection_closed(http::Connection& connection, const Error* why) override;
  void answer_by(http::Exchange& exchange, std::unique_ptr<Answer> answer);

  Network& network_;
  Host& host_;
  std::unique_ptr<Socket> socket_;
  masque::Proxy proxy_;
  http::Replies replies_;
  gateway::Dispatcher dispatcher_;
  std::map<const http::Exchange*, std::unique_ptr<Answer>> answers_;
  std::set<const http::Connection*> connections_;
  std::uint64_t requests_ = 0;
  std::unique_ptr<quic::Endpoint> endpoint_;  // goes first: its connections tell this
};

}  // namespace sallyport::sim
