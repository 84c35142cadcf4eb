// LinkFigures: what a connection that was dialled measured, for `get --json`, `-v` and pools.
#pragma once

#include "http/connection.h"
#include "masque/udp_tunnel.h"
#include "quic/connection.h"

#include <cstddef>
#include <string>

namespace sallyport::dial {

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
  Time started{}, ready{};
  bool over_quic = false;

  bool quic_was_established() const { return quic.established != Time{}; }
};

}  // namespace sallyport::dial
