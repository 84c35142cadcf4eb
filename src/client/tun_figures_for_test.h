// Figures of a `sallyport tun` with two hops and two devices, for tests of what is shown of them.
#pragma once

#include "client/tun_figures.h"

namespace sallyport::client {

inline TunFigures tun_figures_for_test() {
  TunFigures figures;
  figures.open_for = 3h + 5min + 7s;
  for (const char* title : {"hop 1 (gw-a:443)", "hop 2 (gw-b:443)"}) {
    dial::LinkFigures link;
    link.title = title;
    link.version = "HTTP/3";
    link.over_quic = true;
    link.path_budget = 1400;
    link.quic.started = Time{1s};
    link.quic.established = Time{2s};
    link.quic.latest_rtt = link.quic.smoothed_rtt = 12'300us;
    link.quic.packets_sent = 1000;
    link.quic.packets_lost = 10;
    link.quic.congestion_window = 64 * 1024;
    link.quic.datagram_queue_bytes = 2048;
    figures.links.push_back(link);
  }
  for (const char* name : {"vpn0", "vpn1"}) {
    TunDeviceFigures device;
    device.device = name;
    device.open = true;
    device.addresses = {net::IpAddress::parse("10.7.0.2").value()};
    device.routes = {net::IpPrefix::parse("0.0.0.0/0").value()};
    device.mtu = device.path_budget = 1420;
    device.packets_up = 10;
    device.bytes_up = 3 << 20;
    device.bytes_down = std::uint64_t{3} << 30;
    device.drops = {{"up", "queue", 2}, {"up", "size", 0}, {"down", "destination", 1}};
    figures.devices.push_back(device);
  }
  return figures;
}

}  // namespace sallyport::client
