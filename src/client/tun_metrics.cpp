#include "client/tun_metrics.h"

#include "admin/process_figures.h"

#include <string>

namespace sallyport::client {
namespace {

double figure(auto value) {
  return static_cast<double>(value);
}

void collect_device(const TunDeviceFigures& device, admin::MetricSet& out) {
  constexpr std::string_view packets = "IP packets of the device; a super-packet of the kernel's is one.",
                             bytes = "Bytes of IP packets of the device.",
                             dropped = "IP packets of the device that were not carried.";
  const std::string_view name = device.device;
  out.gauge("tun_open", "1 while the device's tunnel is open.", device.open ? 1 : 0, {{"device", name}});
  out.gauge("tun_mtu_bytes", "The device's MTU.", figure(device.mtu), {{"device", name}});
  out.gauge("tun_path_budget_bytes", "The largest IP packet that the tunnel carries.",
            figure(device.path_budget), {{"device", name}});
  out.gauge("tun_addresses", "The device's addresses.", figure(device.addresses.size()), {{"device", name}});
  out.gauge("tun_routes", "Routes into the tunnel.", figure(device.routes.size()), {{"device", name}});
  out.gauge("tun_flows", "CONNECT-UDP flows, with --mode udp.", figure(device.flows), {{"device", name}});
  out.counter("tun_packets_total", packets, figure(device.packets_up),
              {{"device", name}, {"direction", "up"}});
  out.counter("tun_packets_total", packets, figure(device.packets_down),
              {{"device", name}, {"direction", "down"}});
  out.counter("tun_bytes_total", bytes, figure(device.bytes_up), {{"device", name}, {"direction", "up"}});
  out.counter("tun_bytes_total", bytes, figure(device.bytes_down), {{"device", name}, {"direction", "down"}});
  for (const TunDrop& drop : device.drops)
    out.counter("tun_dropped_total", dropped, figure(drop.packets),
                {{"device", name}, {"direction", drop.direction}, {"reason", drop.reason}});
}

/// `newest`: of the connections to this hop, whose round-trip times cannot be added up.
void collect_hop(std::string_view hop, const dial::LinkFigures& link, bool newest, admin::MetricSet& out) {
  const quic::Stats& q = link.quic;
  if (newest && !link.version.empty())
    out.gauge("hop_info", "The HTTP version with each hop; always 1.", 1,
              {{"hop", hop}, {"version", std::string_view(link.version)}});
  if (!link.over_quic || !link.quic_was_established()) return;
  if (newest) {
    if (q.latest_rtt != Duration::zero())
      out.gauge("hop_rtt_seconds", "Smoothed RTT.", in_seconds(q.smoothed_rtt), {{"hop", hop}});
    out.gauge("hop_congestion_window_bytes", "Bytes that may be in flight.", figure(q.congestion_window),
              {{"hop", hop}});
    out.gauge("hop_path_budget_bytes",
              "The largest UDP payload that is known to fit inside; 0: carries none.",
              figure(link.path_budget), {{"hop", hop}});
  }
  constexpr std::string_view packets = "QUIC packets.", bytes = "UDP payload bytes.",
                             dropped = "DATAGRAM frames dropped or lost.";
  out.gauge("hop_queue_bytes", "DATAGRAM payload waiting for congestion control.",
            figure(q.datagram_queue_bytes), {{"hop", hop}});
  out.counter("hop_packets_total", packets, figure(q.packets_received), {{"hop", hop}, {"direction", "in"}});
  out.counter("hop_packets_total", packets, figure(q.packets_sent), {{"hop", hop}, {"direction", "out"}});
  out.counter("hop_packets_lost_total", "QUIC packets sent and declared lost.", figure(q.packets_lost),
              {{"hop", hop}});
  out.counter("hop_bytes_total", bytes, figure(q.bytes_received), {{"hop", hop}, {"direction", "in"}});
  out.counter("hop_bytes_total", bytes, figure(q.bytes_sent), {{"hop", hop}, {"direction", "out"}});
  out.counter("hop_datagrams_dropped_total", dropped, figure(q.datagrams_dropped_size),
              {{"hop", hop}, {"reason", "size"}});
  out.counter("hop_datagrams_dropped_total", dropped, figure(q.datagrams_lost),
              {{"hop", hop}, {"reason", "lost"}});
  constexpr std::string_view tunnel = "Datagrams dropped by the CONNECT-UDP tunnel that leads to the hop.";
  out.counter("hop_tunnel_dropped_total", tunnel, figure(link.tunnel.dropped_context),
              {{"hop", hop}, {"reason", "context"}});
  out.counter("hop_tunnel_dropped_total", tunnel, figure(link.tunnel.dropped_size),
              {{"hop", hop}, {"reason", "size"}});
  out.counter("hop_tunnel_dropped_total", tunnel, figure(link.tunnel.dropped_queue),
              {{"hop", hop}, {"reason", "queue"}});
}

}  // namespace

void collect_tun(const TunFigures& figures, admin::MetricSet& out) {
  for (const TunDeviceFigures& device : figures.devices) collect_device(device, out);
  const auto numbers = hop_numbers(figures.links);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const bool newest = i + 1 == numbers.size() || numbers[i + 1] != numbers[i];
    collect_hop(std::to_string(numbers[i]), figures.links[i], newest, out);
  }
}

void TunMetrics::make_metrics(std::function<void(std::string)> done) {
  admin::MetricSet out;
  out.gauge("build_info", "Which build this is; always 1.", 1, {{"version", SALLYPORT_VERSION}});
  collect_tun(tun_.figures(), out);
  service_.collect(out);
  admin::collect_process_figures(out);
  done(out.to_text());
}

}  // namespace sallyport::client
