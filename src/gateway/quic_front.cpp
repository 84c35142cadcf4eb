#include "gateway/quic_front.h"

#include "http/tcp_front.h"

#include <array>
#include <utility>
#include <vector>

namespace sallyport::gateway {
namespace {

constexpr std::array rtt_bounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5};
constexpr std::array loss_bounds{0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5};

}  // namespace

void QuicTotals::add(const quic::Stats& stats) {
  packets_sent += stats.packets_sent;
  packets_received += stats.packets_received;
  packets_lost += stats.packets_lost;
  bytes_sent += stats.bytes_sent;
  bytes_received += stats.bytes_received;
  datagrams_sent += stats.datagrams_sent;
  datagrams_received += stats.datagrams_received;
  datagrams_lost += stats.datagrams_lost;
  datagrams_dropped_queue += stats.datagrams_dropped_queue;
  datagrams_dropped_sojourn += stats.datagrams_dropped_sojourn;
  datagrams_dropped_full += stats.datagrams_dropped_full;
  datagrams_dropped_size += stats.datagrams_dropped_size;
  resumed += stats.resumed;
  early_data_accepted += stats.early_data_accepted;
  path_changes += stats.path_changes;
  key_updates += stats.key_updates;
}

Result<std::unique_ptr<QuicFront>> QuicFront::listen(net::Inbound& inbound, const net::SocketAddress& local,
                                                     const net::UdpSocketOptions& socket,
                                                     const quic::Environment& environment,
                                                     quic::ServerOptions options,
                                                     http::RequestHandler& requests,
                                                     const http::Limits& limits) {
  auto bound = inbound.listen_udp(local, socket);
  if (!bound) return std::unexpected(std::move(bound.error()));
  return std::unique_ptr<QuicFront>(
      new QuicFront(std::move(*bound), environment, std::move(options), requests, limits));
}

QuicFront::QuicFront(std::unique_ptr<net::UdpListener> socket, const quic::Environment& environment,
                     quic::ServerOptions options, http::RequestHandler& requests, const http::Limits& limits)
    : socket_(std::move(socket)),
      limits_(limits),
      rtt_(rtt_bounds),
      loss_(loss_bounds),
      report_drained_(environment.timers, [this](Time) { report_drained(); }) {
  auto accept = [this, &requests](quic::Connection& quic) -> std::unique_ptr<quic::Application> {
    auto connection = http::make_h3_server(quic, requests, this, limits_);
    connections_.insert(connection.get());
    ++total_;
    return connection;
  };
  endpoint_ = std::make_unique<quic::Endpoint>(environment, *socket_, std::move(options), std::move(accept));
}

void QuicFront::on_connection_closed(http::Connection& connection, const Error*) {
  if (connections_.erase(&connection) == 0) return;
  const auto stats = connection.quic()->stats();
  closed_.add(stats);
  add_counters(closed_.http, connection.counters());
  if (stats.established != Time{}) rtt_.observe(in_seconds(stats.smoothed_rtt));
  if (stats.packets_sent > 0)
    loss_.observe(static_cast<double>(stats.packets_lost) / static_cast<double>(stats.packets_sent));
  if (drained_) report_drained_.request();
}

QuicTotals QuicFront::totals() const {
  auto totals = closed_;
  for (const auto* connection : connections_) {
    const auto stats = connection->quic()->stats();
    totals.add(stats);
    totals.datagram_queue_bytes += stats.datagram_queue_bytes;
    totals.exchanges_open += connection->open_exchanges();
    totals.resting += stats.resting;
    add_counters(totals.http, connection->counters());
  }
  return totals;
}

void QuicFront::sample() {
  for (const auto* connection : connections_)
    if (connection->quic()->is_established())
      rtt_.observe(in_seconds(connection->quic()->stats().smoothed_rtt));
}

void QuicFront::drain(std::function<void()> drained) {
  drained_ = std::move(drained);
  endpoint_->stop_accepting();
  // Some may close at once, and leave the set.
  const std::vector<http::Connection*> open(connections_.begin(), connections_.end());
  for (auto* connection : open)
    if (connections_.contains(connection)) connection->shutdown();
  report_drained_.request();
}

void QuicFront::report_drained() {
  if (connections_.empty() && drained_) std::exchange(drained_, nullptr)();
}

}  // namespace sallyport::gateway
