// QuicFront: HTTP/3 on one UDP port of one worker: the socket, the QUIC endpoint, and its HTTP/3 connections.
#pragma once

#include "admin/metric_set.h"
#include "http/connection.h"
#include "http/h3_connection.h"
#include "net/inbound.h"
#include "net/timers.h"
#include "quic/endpoint.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>

namespace sallyport::gateway {

/// quic::Stats and http::ConnectionCounters, added up.
struct QuicTotals {
  std::uint64_t packets_sent = 0, packets_received = 0, packets_lost = 0, bytes_sent = 0, bytes_received = 0;
  std::uint64_t datagrams_sent = 0, datagrams_received = 0, datagrams_lost = 0;
  std::uint64_t datagrams_dropped_queue = 0, datagrams_dropped_size = 0;
  std::uint64_t datagrams_dropped_sojourn = 0, datagrams_dropped_full = 0;
  std::uint64_t resumed = 0, early_data_accepted = 0, path_changes = 0, key_updates = 0;
  std::size_t datagram_queue_bytes = 0, exchanges_open = 0, resting = 0;  ///< of open connections
  http::ConnectionCounters http;

  void add(const quic::Stats& stats);
};

class QuicFront final : private http::ConnectionHandler {
 public:
  /// `requests` is not owned and must outlive the result.
  static Result<std::unique_ptr<QuicFront>> listen(net::Inbound& inbound, const net::SocketAddress& local,
                                                   const net::UdpSocketOptions& socket,
                                                   const quic::Environment& environment,
                                                   quic::ServerOptions options,
                                                   http::RequestHandler& requests,
                                                   const http::Limits& limits);

  quic::Endpoint& endpoint() { return *endpoint_; }
  const quic::Endpoint& endpoint() const { return *endpoint_; }
  /// Of new connections.
  void set_limits(const http::Limits& limits) { limits_ = limits; }
  net::UdpListener& socket() { return *socket_; }
  const net::UdpListener& socket() const { return *socket_; }
  /// Graceful shutdown: refuses new connections, sends GOAWAY on open ones. `drained` is called when all are
  /// closed, perhaps at once.
  void drain(std::function<void()> drained);

  /// Sums over closed and open connections.
  QuicTotals totals() const;
  std::size_t open() const { return connections_.size(); }
  std::uint64_t total() const { return total_; }
  /// Adds the smoothed RTT of each open connection to the histogram; called periodically.
  void sample();
  const admin::Histogram& rtt() const { return rtt_; }
  const admin::Histogram& loss() const { return loss_; }

 private:
  QuicFront(std::unique_ptr<net::UdpListener> socket, const quic::Environment& environment,
            quic::ServerOptions options, http::RequestHandler& requests, const http::Limits& limits);
  void on_connection_closed(http::Connection& connection, const Error* why) override;
  void report_drained();

  std::unique_ptr<net::UdpListener> socket_;
  http::Limits limits_;
  std::unordered_set<http::Connection*> connections_;  // owned by the endpoint
  QuicTotals closed_;
  std::uint64_t total_ = 0;
  admin::Histogram rtt_, loss_;
  std::function<void()> drained_;
  net::Deferred report_drained_;
  std::unique_ptr<quic::Endpoint> endpoint_;  // destroyed first: its connections call this object
};

}  // namespace sallyport::gateway
