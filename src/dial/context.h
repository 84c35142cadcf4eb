// Context: what connections that are dialled have in common. Made once by a client command, for all of its
// connections, by a simulation, or by a pool of upstream connections.
#pragma once

#include "dial/origin_memory.h"
#include "dial/pinned_addresses.h"
#include "http/limits.h"
#include "net/outbound.h"
#include "quic/connection.h"
#include "tls/credentials.h"

#include <memory>

namespace sallyport::dial {

/// Which HTTP version to speak. `automatic` races HTTP/3 against TCP after 300 ms.
enum class HttpChoice : std::uint8_t { automatic, h3, h2, h1 };

/// What a hop carries to the origin, or to the next hop: QUIC in CONNECT-UDP, TLS in CONNECT, or whichever is
/// established first; QUIC in CONNECT-IP.
enum class TunnelMode : std::uint8_t { automatic, udp, tcp, ip };

struct Context {
  net::Outbound& outbound;
  quic::Environment quic;
  quic::Config config;
  http::Limits limits;
  std::shared_ptr<const tls::Trust> trust;
  /// Offered to an origin or a backend that asks for one, never to a hop; null: none.
  std::shared_ptr<const tls::OfferedCertificate> certificate = nullptr;
  tls::SessionCache* sessions = nullptr;
  OriginMemory* memory = nullptr;  ///< of which origins speak HTTP/3; null: none
  std::int64_t unix_time = 0;      ///< seconds, when the command started; for `memory`
  bool early_data = false;
  Duration connect_timeout = 10s;  ///< for each connection of a chain, name resolution included
  PinnedAddresses pinned;
  AddressFamily family = AddressFamily::any;  ///< of what this machine connects to

  net::Timers& timers() const { return quic.timers; }
};

}  // namespace sallyport::dial
