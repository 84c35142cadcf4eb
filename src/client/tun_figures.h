// TunFigures: what `sallyport tun` counts and measures, taken at one moment: for its status line, its JSON
// events, its metrics and its last line.
#pragma once

#include "base/time.h"
#include "dial/link_figures.h"
#include "net/address.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::client {

/// Packets that were not carried.
struct TunDrop {
  std::string_view direction;  ///< "up": into the tunnel; "down": out of it
  std::string_view reason;     ///< as docs/tun.md names it
  std::uint64_t packets = 0;
};

struct TunDeviceFigures {
  std::string device;
  bool open = false;  ///< the proxy answered 2xx
  std::vector<net::IpAddress> addresses;
  std::vector<net::IpPrefix> routes;
  std::size_t mtu = 0;          ///< of the device
  std::size_t path_budget = 0;  ///< the largest IP packet that the tunnel carries now
  /// Super-packets of the kernel's count as one packet each.
  std::uint64_t packets_up = 0, packets_down = 0, bytes_up = 0, bytes_down = 0;
  std::size_t flows = 0;       ///< of CONNECT-UDP: open, or being opened
  std::vector<TunDrop> drops;  ///< each direction and reason that there is, also where nothing was dropped
};

struct TunFigures {
  Duration open_for{};                   ///< since the first tunnel was open; 0: none was
  std::vector<dial::LinkFigures> links;  ///< the hops, the nearest first
  std::vector<TunDeviceFigures> devices;

  std::uint64_t bytes_up() const;
  std::uint64_t bytes_down() const;
  /// Over all devices, those that did not occur left out.
  std::vector<TunDrop> drops() const;
};

/// The number of each link's hop, from 1 on. Over HTTP/1.1 a hop may have several connections.
std::vector<std::size_t> hop_numbers(const std::vector<dial::LinkFigures>& links);

}  // namespace sallyport::client
