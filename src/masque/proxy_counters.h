// ProxyCounters: what a Proxy counted, for metrics and tests.
#pragma once

#include "masque/authenticator.h"
#include "masque/protocol.h"
#include "masque/tunnel_refusal.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace sallyport::masque {

/// What the tunnels of one identity did.
struct IdentityCounters {
  std::size_t open = 0;
  std::uint64_t tunnels = 0, bytes_up = 0, bytes_down = 0;
};

struct ProxyCounters : RefusalCounters {
  PerProtocol<std::uint64_t> tunnels;  ///< that were accepted
  PerProtocol<std::size_t> open;       ///< those too that are not accepted yet, or are about to end
  std::uint64_t datagrams_up = 0, datagrams_down = 0, bytes_up = 0, bytes_down = 0;
  std::uint64_t dropped_context = 0, dropped_size = 0, dropped_queue = 0, dropped_early = 0;
  std::uint64_t dropped_sojourn = 0;
  AuthenticationCounters authentication;
  std::map<std::string, IdentityCounters>
      identities;  ///< of those that had a tunnel, and are in the token file
};

}  // namespace sallyport::masque
