// A worker's metrics. The names are documented in docs/metrics.md.
#include "gateway/worker.h"

namespace sallyport::gateway {
namespace {

constexpr std::array<std::string_view, http::ReplyCounters::versions> version_names{"http/1", "http/2",
                                                                                    "http/3"};
constexpr std::array<std::string_view, 6> class_names{"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"};

constexpr std::string_view shortages = "Refusals because file descriptors or memory ran out.";

double figure(auto value) {
  return static_cast<double>(value);
}

}  // namespace

void Worker::collect(admin::MetricSet& out) const {
  out.gauge("workers", "Worker threads.", 1);
  collect_requests(out);
  out.add(past_);
  for (const auto* all : {&listeners_, &leaving_})
    for (const auto& listener : *all) {
      const QuicTotals totals = listener->quic_totals();
      collect_connections(out, *listener, totals);
      collect_quic(out, *listener, totals);
    }
  collect_routes(out);
  collect_masque(out);
}

void Worker::collect_requests(admin::MetricSet& out) const {
  const auto& requests = router_.counters();
  for (std::size_t version = 0; version < version_names.size(); ++version) {
    const auto name = version_names[version];
    out.counter("requests_total", "Requests received, tunnels included.", figure(requests.requests[version]),
                {{"version", name}});
    for (std::size_t i = 1; i < class_names.size(); ++i)
      out.counter("responses_total", "Responses of the file server, of backends and of the gateway itself.",
                  figure(replies_.counters().by_class[version][i]),
                  {{"version", name}, {"class", class_names[i]}});
    out.counter("response_body_bytes_total", "Response body bytes handed over for sending.",
                figure(replies_.counters().body_bytes[version]), {{"version", name}});
  }
  constexpr std::string_view refused = "Requests refused before they were routed (421, 425).";
  out.counter("requests_refused_total", refused, figure(requests.misdirected), {{"reason", "misdirected"}});
  out.counter("requests_refused_total", refused, figure(requests.too_early), {{"reason", "too_early"}});

  if (!files_) return;
  out.counter("resource_shortages_total", shortages, figure(files_->shortages()), {{"what", "file"}});
  out.gauge("file_transfers_open", "Large files being sent.", figure(files_->transfers().open));
  out.gauge("file_queued_bytes", "Bytes of large files queued for clients.",
            figure(files_->transfers().queued_bytes));
  out.counter("file_transfers_cut_total", "Responses reset because the file changed or could not be read.",
              figure(files_->transfers().cut));
  out.gauge("file_loads_open", "Files and folders being read from disk for requests.",
            figure(files_->loading()));
  out.gauge("file_cache_entries", "Files kept in memory or open.", figure(files_->cached()));
}

void Worker::collect_connections(admin::MetricSet& out, const Listener& listener,
                                 const QuicTotals& totals) const {
  constexpr std::string_view open = "Open connections.", total = "Connections accepted.",
                             exchanges = "Open requests and tunnels.",
                             handshakes = "TLS handshakes by result.", resets = "Streams reset.",
                             abusive = "Connections closed because the abuse limit was exceeded.",
                             datagrams = "HTTP datagrams (RFC 9297).", dropped = "HTTP datagrams dropped.";
  if (const QuicFront* const quic = listener.quic()) {
    const auto endpoint = quic->endpoint().stats();
    out.gauge("connections_open", open, figure(quic->open()), {{"version", "http/3"}});
    out.counter("connections_total", total, figure(quic->total()), {{"version", "http/3"}});
    out.gauge("requests_open", exchanges, figure(totals.exchanges_open), {{"transport", "quic"}});
    out.counter("handshakes_total", handshakes, figure(endpoint.handshakes_completed),
                {{"transport", "quic"}, {"result", "completed"}});
    out.counter("handshakes_total", handshakes, figure(endpoint.handshakes_failed),
                {{"transport", "quic"}, {"result", "failed"}});
  }

  auto http = totals.http;
  for (const auto& front : listener.tcp()) {
    const auto& tcp = front->counters();
    std::size_t requests_open = 0;
    add_counters(http, tcp.closed);
    front->for_each([&](http::Connection& connection) {
      requests_open += connection.open_exchanges();
      add_counters(http, connection.counters());
    });
    out.gauge("connections_open", open, figure(tcp.http1_open), {{"version", "http/1"}});
    out.gauge("connections_open", open, figure(tcp.http2_open), {{"version", "http/2"}});
    out.counter("connections_total", total, figure(tcp.http1_total), {{"version", "http/1"}});
    out.counter("connections_total", total, figure(tcp.http2_total), {{"version", "http/2"}});
    out.gauge("requests_open", exchanges, figure(requests_open), {{"transport", "tcp"}});
    out.counter("handshakes_total", handshakes, figure(tcp.handshakes_completed),
                {{"transport", "tcp"}, {"result", "completed"}});
    out.counter("handshakes_total", handshakes, figure(tcp.handshakes_failed),
                {{"transport", "tcp"}, {"result", "failed"}});
    constexpr std::string_view headers = "PROXY headers, and connections closed for want of one.";
    out.counter("proxy_protocol_headers_total", headers, figure(tcp.proxy_headers), {{"result", "client"}});
    out.counter("proxy_protocol_headers_total", headers, figure(tcp.proxy_headers_without_client),
                {{"result", "no_client"}});
    out.counter("proxy_protocol_headers_total", headers, figure(tcp.proxy_headers_malformed),
                {{"result", "malformed"}});
    out.counter("proxy_protocol_headers_total", headers, figure(tcp.proxy_headers_incomplete),
                {{"result", "incomplete"}});
    constexpr std::string_view bytes = "TCP bytes of the listening ports, TLS included.";
    out.counter("tcp_bytes_total", bytes, figure(front->tcp().bytes_in), {{"direction", "in"}});
    out.counter("tcp_bytes_total", bytes, figure(front->tcp().bytes_out), {{"direction", "out"}});
    out.counter("resource_shortages_total", shortages, figure(front->tcp().shortages), {{"what", "accept"}});
  }
  out.counter("stream_resets_total", resets, figure(http.resets_in), {{"direction", "in"}});
  out.counter("stream_resets_total", resets, figure(http.resets_out), {{"direction", "out"}});
  out.counter("abusive_connections_total", abusive, figure(http.budget_exceeded));
  out.counter("http_datagrams_total", datagrams, figure(http.datagrams_in), {{"direction", "in"}});
  out.counter("http_datagrams_total", datagrams, figure(http.datagrams_out), {{"direction", "out"}});
  out.counter("http_datagrams_dropped_total", dropped, figure(http.datagrams_dropped_unknown_stream),
              {{"reason", "unknown_stream"}});
  out.counter("http_datagrams_refused_total",
              "HTTP datagrams refused by a full queue; held and sent later, or counted as dropped by "
              "a tunnel.",
              figure(http.datagrams_dropped_queue));
  out.counter("http_datagrams_dropped_total", dropped, figure(http.datagrams_dropped_size),
              {{"reason", "size"}});
  out.counter("http_datagrams_dropped_total", dropped, figure(http.datagrams_dropped_sojourn),
              {{"reason", "sojourn"}});
  out.counter("http_datagrams_dropped_total", dropped, figure(http.datagrams_dropped_full),
              {{"reason", "queue"}});
}

void Worker::collect_quic(admin::MetricSet& out, const Listener& listener, const QuicTotals& totals) const {
  if (listener.quic() == nullptr) return;
  const QuicFront& front = *listener.quic();
  constexpr std::string_view packets = "QUIC packets.", bytes = "UDP payload bytes of QUIC connections.",
                             datagrams = "DATAGRAM frames (RFC 9221).",
                             gone = "DATAGRAM frames dropped or lost.";
  out.counter("quic_packets_total", packets, figure(totals.packets_received), {{"direction", "in"}});
  out.counter("quic_packets_total", packets, figure(totals.packets_sent), {{"direction", "out"}});
  out.counter("quic_packets_lost_total", "QUIC packets sent and declared lost.", figure(totals.packets_lost));
  out.counter("quic_bytes_total", bytes, figure(totals.bytes_received), {{"direction", "in"}});
  out.counter("quic_bytes_total", bytes, figure(totals.bytes_sent), {{"direction", "out"}});
  out.counter("quic_datagrams_total", datagrams, figure(totals.datagrams_received), {{"direction", "in"}});
  out.counter("quic_datagrams_total", datagrams, figure(totals.datagrams_sent), {{"direction", "out"}});
  out.counter("quic_datagrams_refused_total",
              "DATAGRAM frames refused by a full queue; held and sent later, or counted as dropped by "
              "a tunnel.",
              figure(totals.datagrams_dropped_queue));
  out.counter("quic_datagrams_dropped_total", gone, figure(totals.datagrams_dropped_size),
              {{"reason", "size"}});
  out.counter("quic_datagrams_dropped_total", gone, figure(totals.datagrams_dropped_sojourn),
              {{"reason", "sojourn"}});
  out.counter("quic_datagrams_dropped_total", gone, figure(totals.datagrams_dropped_full),
              {{"reason", "queue"}});
  out.counter("quic_datagrams_dropped_total", gone, figure(totals.datagrams_lost), {{"reason", "lost"}});
  out.gauge("quic_connections_resting", "Idle connections kept in compact form.", figure(totals.resting));
  out.gauge("quic_datagram_queue_bytes", "DATAGRAM payload waiting for congestion control.",
            figure(totals.datagram_queue_bytes));
  out.counter("quic_resumed_total", "Connections that resumed an earlier session.", figure(totals.resumed));
  out.counter("quic_early_data_total", "Connections whose 0-RTT data was accepted.",
              figure(totals.early_data_accepted));
  out.counter("quic_path_changes_total", "Connection migrations to another client address.",
              figure(totals.path_changes));
  out.counter("quic_key_updates_total", "Key updates.", figure(totals.key_updates));
  out.histogram("quic_rtt_seconds", "Smoothed round-trip time, taken every 10 s and when a connection ends.",
                front.rtt());
  out.histogram("quic_loss_ratio", "Packets lost of packets sent, taken when a connection ends.",
                front.loss());

  const auto endpoint = front.endpoint().stats();
  constexpr std::string_view unanswered = "Dropped datagrams that belong to no connection.";
  out.counter("quic_unmatched_total", unanswered, figure(endpoint.dropped_short_initial),
              {{"reason", "short_initial"}});
  out.counter("quic_unmatched_total", unanswered, figure(endpoint.dropped_unknown), {{"reason", "unknown"}});
  out.counter("quic_unmatched_total", unanswered, figure(endpoint.dropped_half_open),
              {{"reason", "half_open"}});
  out.counter("quic_unmatched_total", unanswered, figure(endpoint.dropped_token), {{"reason", "token"}});
  out.counter("quic_unmatched_total", unanswered, figure(endpoint.dropped_malformed),
              {{"reason", "malformed"}});
  out.counter("quic_tokens_ignored_total",
              "Address validation tokens that were not accepted; the connections went on as without one.",
              figure(endpoint.ignored_tokens));
  out.counter("quic_retries_total", "Retry packets sent.", figure(endpoint.retries_sent));
  out.counter("quic_version_negotiations_total", "Version Negotiation packets sent.",
              figure(endpoint.version_negotiations_sent));
  out.counter("quic_stateless_resets_total", "Stateless resets sent.",
              figure(endpoint.stateless_resets_sent));
  out.gauge("quic_half_open", "Handshakes in progress.", figure(endpoint.half_open));

  const auto socket = front.socket().stats();
  constexpr std::string_view
      udp = "UDP datagrams of the listening sockets.",
      udp_bytes = "UDP payload bytes of the listening sockets.",
      calls = "System calls of the listening sockets; datagrams per call: GRO and GSO batch size.",
      lost = "UDP datagrams dropped by the listening sockets.";
  out.counter("udp_datagrams_total", udp, figure(socket.datagrams_in), {{"direction", "in"}});
  out.counter("udp_datagrams_total", udp, figure(socket.datagrams_out), {{"direction", "out"}});
  out.counter("udp_bytes_total", udp_bytes, figure(socket.bytes_in), {{"direction", "in"}});
  out.counter("udp_bytes_total", udp_bytes, figure(socket.bytes_out), {{"direction", "out"}});
  out.counter("udp_calls_total", calls, figure(socket.receive_calls), {{"direction", "in"}});
  out.counter("udp_calls_total", calls, figure(socket.send_calls), {{"direction", "out"}});
  out.counter("udp_dropped_total", lost, figure(socket.dropped_backlog), {{"reason", "send_queue"}});
  out.counter("udp_dropped_total", lost, figure(socket.dropped_too_large), {{"reason", "too_large"}});
  out.counter("udp_dropped_total", lost, figure(socket.dropped_error), {{"reason", "error"}});
  out.counter("udp_dropped_total", lost, figure(socket.dropped_kernel), {{"reason", "receive_buffer"}});
  out.counter("udp_dropped_total", lost, figure(socket.dropped_truncated), {{"reason", "truncated"}});
}

void Worker::collect_routes(admin::MetricSet& out) const {
  if (!routes_) return;
  for (const auto& [name, counters] : routes_->routes()) {
    const admin::MetricSet::Labels labels{{"route", std::string_view(name)}};
    out.counter("route_requests_total", "Requests passed on, by route.", figure(counters->requests), labels);
    out.counter("route_failures_total", "Requests that no backend responded to.", figure(counters->failures),
                labels);
    out.counter("route_cut_total", "Responses that a backend cut short.", figure(counters->cut), labels);
    out.counter("route_retries_total", "Requests sent once more.", figure(counters->retries), labels);
    out.gauge("route_requests_open", "Requests on their way.", figure(counters->open), labels);
  }
  for (const auto& [name, counters] : routes_->upstreams()) {
    const admin::MetricSet::Labels labels{{"upstream", std::string_view(name)}};
    out.counter("upstream_requests_total", "Requests sent to a backend.", figure(counters->requests), labels);
    out.counter("upstream_connections_total", "Connections made to a backend.", figure(counters->connections),
                labels);
    out.counter("upstream_connect_failures_total", "Connections to a backend that could not be made.",
                figure(counters->connect_failures), labels);
    out.counter("upstream_ejections_total",
                "Times that a backend was left out because it failed several requests in a row.",
                figure(counters->ejections), labels);
  }
  routes_->each_upstream([&out](const ingress::Upstream& upstream) {
    const admin::MetricSet::Labels labels{{"upstream", std::string_view(upstream.name())}};
    out.gauge("upstream_connections_open", "Connections to a backend, those being made included.",
              figure(upstream.connections()), labels);
    out.gauge("upstream_requests_active", "Requests sent to a backend or waiting for a connection.",
              figure(upstream.active()), labels);
  });
}

void Worker::collect_masque(admin::MetricSet& out) const {
  if (!proxy_) return;
  const auto counters = proxy_->counters();
  constexpr std::string_view open = "Open tunnels.", total = "Tunnels opened.",
                             refused = "Tunnels refused or failed to open.",
                             datagrams = "UDP datagrams through tunnels: up to targets, down to clients.",
                             bytes = "Bytes through tunnels: up to targets, down to clients.",
                             dropped = "Datagrams of tunnels dropped.";
  for (const auto protocol : masque::all_protocols) {
    if (protocol == masque::Protocol::ip && !ip_switch_) continue;
    const admin::MetricSet::Labels labels{{"protocol", to_string(protocol)}};
    out.gauge("masque_tunnels_open", open, figure(counters.open[protocol]), labels);
    out.counter("masque_tunnels_total", total, figure(counters.tunnels[protocol]), labels);
  }
  out.counter("masque_refused_total", refused, figure(counters.refused_policy), {{"reason", "policy"}});
  out.counter("masque_refused_total", refused, figure(counters.refused_limit), {{"reason", "limit"}});
  const auto& denied = counters.authentication;
  out.counter("masque_refused_total", refused, figure(denied.no_token), {{"reason", "no_token"}});
  out.counter("masque_refused_total", refused, figure(denied.wrong_token), {{"reason", "wrong_token"}});
  out.counter("masque_refused_total", refused, figure(denied.throttled), {{"reason", "throttled"}});
  out.counter("masque_refused_total", refused, figure(counters.refused_malformed), {{"reason", "malformed"}});
  out.counter("masque_refused_total", refused, figure(counters.refused_loop), {{"reason", "loop"}});
  out.counter("masque_refused_total", refused, figure(counters.failed), {{"reason", "failed"}});
  out.counter("masque_datagrams_total", datagrams, figure(counters.datagrams_up), {{"direction", "up"}});
  out.counter("masque_datagrams_total", datagrams, figure(counters.datagrams_down), {{"direction", "down"}});
  out.counter("masque_bytes_total", bytes, figure(counters.bytes_up), {{"direction", "up"}});
  out.counter("masque_bytes_total", bytes, figure(counters.bytes_down), {{"direction", "down"}});
  out.counter("masque_datagrams_dropped_total", dropped, figure(counters.dropped_context),
              {{"reason", "context"}});
  out.counter("masque_datagrams_dropped_total", dropped, figure(counters.dropped_size), {{"reason", "size"}});
  out.counter("masque_datagrams_dropped_total", dropped, figure(counters.dropped_queue),
              {{"reason", "queue"}});
  out.counter("masque_datagrams_dropped_total", dropped, figure(counters.dropped_sojourn),
              {{"reason", "sojourn"}});
  out.counter("masque_datagrams_dropped_total", dropped, figure(counters.dropped_early),
              {{"reason", "early"}});

  for (const auto& [name, identity] : counters.identities) {
    out.gauge("masque_identity_tunnels_open", "Open tunnels, by identity.", figure(identity.open),
              {{"identity", std::string_view(name)}});
    out.counter("masque_identity_tunnels_total", "Tunnels opened, by identity.", figure(identity.tunnels),
                {{"identity", std::string_view(name)}});
    constexpr std::string_view carried = "Bytes through tunnels, by identity.";
    out.counter("masque_identity_bytes_total", carried, figure(identity.bytes_up),
                {{"identity", std::string_view(name)}, {"direction", "up"}});
    out.counter("masque_identity_bytes_total", carried, figure(identity.bytes_down),
                {{"identity", std::string_view(name)}, {"direction", "down"}});
  }

  const auto outbound = outbound_.stats();
  constexpr std::string_view lost = "UDP datagrams dropped by the sockets of tunnels.",
                             calls = "System calls for the UDP sockets of tunnels.";
  out.counter("masque_socket_dropped_total", lost, figure(outbound.udp.dropped_kernel),
              {{"reason", "receive_buffer"}});
  out.counter("masque_socket_dropped_total", lost, figure(outbound.udp.dropped_backlog),
              {{"reason", "send_queue"}});
  out.counter("masque_socket_dropped_total", lost, figure(outbound.udp.dropped_too_large),
              {{"reason", "too_large"}});
  out.counter("masque_socket_dropped_total", lost, figure(outbound.udp.dropped_error), {{"reason", "error"}});
  out.counter("masque_socket_dropped_total", lost, figure(outbound.udp.dropped_truncated),
              {{"reason", "truncated"}});
  out.counter("masque_socket_calls_total", calls, figure(outbound.udp.receive_calls), {{"direction", "in"}});
  out.counter("masque_socket_calls_total", calls, figure(outbound.udp.send_calls), {{"direction", "out"}});
  out.counter("resource_shortages_total", shortages, figure(outbound.shortages), {{"what", "tunnel"}});
  if (ip_switch_) collect_ip(out);
}

void Worker::collect_ip(admin::MetricSet& out) const {
  const auto figures = ip_switch_->figures();
  constexpr std::string_view packets = "IP packets through tunnels: up out of them, down to clients.",
                             bytes = "Bytes of these packets.", dropped = "IP packets of tunnels dropped.";
  out.counter("masque_ip_packets_total", packets, figure(figures.packets_up), {{"direction", "up"}});
  out.counter("masque_ip_packets_total", packets, figure(figures.packets_down), {{"direction", "down"}});
  out.counter("masque_ip_bytes_total", bytes, figure(figures.bytes_up), {{"direction", "up"}});
  out.counter("masque_ip_bytes_total", bytes, figure(figures.bytes_down), {{"direction", "down"}});
  for (std::size_t i = 0; i < masque::ip_drops; ++i)
    out.counter("masque_ip_dropped_total", dropped, figure(figures.dropped[i]),
                {{"reason", masque::to_string(static_cast<masque::IpDrop>(i))}});
  out.counter("masque_ip_icmp_total", "ICMP errors sent about packets of tunnels.",
              figure(figures.icmp_sent));
  out.counter("masque_ip_icmp_suppressed_total", "ICMP errors that the limit left out.",
              figure(figures.icmp_suppressed));
  if (extras_.tun != nullptr) {
    const auto device = extras_.tun->stats();
    constexpr std::string_view passed =
                                   "Packets from the TUN device (in) and to it (out), joined ones as one.",
                               calls = "System calls for the TUN device.",
                               lost = "Packets dropped at the TUN device.";
    out.counter("masque_ip_device_packets_total", passed, figure(device.packets_in), {{"direction", "in"}});
    out.counter("masque_ip_device_packets_total", passed, figure(device.packets_out), {{"direction", "out"}});
    out.counter("masque_ip_device_calls_total", calls, figure(device.read_calls), {{"direction", "in"}});
    out.counter("masque_ip_device_calls_total", calls, figure(device.write_calls), {{"direction", "out"}});
    out.counter("masque_ip_device_dropped_total", lost, figure(device.dropped_backlog),
                {{"reason", "backlog"}});
    out.counter("masque_ip_device_dropped_total", lost, figure(device.dropped_invalid),
                {{"reason", "invalid"}});
    out.counter("masque_ip_device_dropped_total", lost, figure(device.dropped_unknown),
                {{"reason", "unknown"}});
    out.counter("masque_ip_device_dropped_total", lost, figure(device.dropped_error), {{"reason", "error"}});
  }
  if (number_ != 0) return;  // of all workers
  for (const bool v4 : {true, false}) {
    const auto pool = setup_->ip->network()->pool->figures(v4);
    const admin::MetricSet::Labels labels{{"ip_version", v4 ? "4" : "6"}};
    out.gauge("masque_ip_addresses_leased", "Addresses that tunnels have.", figure(pool.leased), labels);
    out.gauge("masque_ip_addresses", "Addresses that can be leased.", figure(pool.capacity), labels);
  }
}

}  // namespace sallyport::gateway
