// LinkFigures: what a connection that was dialled measured, for `get --json`, `-v` and pools.
#pragma once

#include "http/connection.h"
#include "masque/udp_tunnel.h"
#include "quic/connection.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace sallyport::dial {

/// What it costs in bytes to carry datagrams inside a link, in one direction: of each, on average, what its
/// packet (a UDP payload) has more than the UDP payload inside, counted from what was sent or received.
struct TunnelCost {
  std::uint64_t datagrams = 0;  ///< in DATAGRAM frames; 0: nothing is known, and the rest is 0
  double quic = 0;              ///< packet header, tag, the frame's head, and what else travelled with it
  double http = 0;              ///< quarter stream ID and context ID
  double ip = 0;                ///< IP and UDP headers inside a CONNECT-IP tunnel
  double total() const { return quic + http + ip; }
};

/// What a link measured; of the hop before it as well, where it runs inside one.
struct LinkFigures {
  std::string title;
  std::string version, tls, cipher;  ///< as http::ConnectionInfo has them; empty: never established
  /// That it is connected to, of one inside a hop as the hop says; empty: nobody says it, or there is none.
  std::string address;
  quic::Stats quic;               ///< zero for TCP
  masque::TunnelCounters tunnel;  ///< of the flow it runs in; zero for the first link
  http::ConnectionCounters http;
  std::size_t path_budget =
      0;  ///< largest UDP payload that is known to fit inside this link now; 0 where it carries none
  TunnelCost cost_sent, cost_received;  ///< of what runs inside it
  /// In CONNECT-IP: bytes of the IP and UDP headers in front of each of its packets.
  std::size_t tunnel_headers = 0;
  Time started{}, ready{};
  bool over_quic = false;

  bool quic_was_established() const { return quic.established != Time{}; }
};

}  // namespace sallyport::dial
