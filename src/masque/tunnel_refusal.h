// How a proxy refuses a request for a tunnel, whatever the tunnel would carry: status, Proxy-Status (RFC
// 9209) and what it is counted as. Where a target is looked for, and where CONNECT-IP has none, it is the
// same.
#pragma once

#include "http/exchange.h"
#include "masque/proxy_status.h"

#include <cstdint>
#include <string_view>

namespace sallyport::masque {

/// Requests that got no tunnel.
struct RefusalCounters {
  std::uint64_t refused_policy = 0, refused_limit = 0, refused_malformed = 0, refused_loop = 0;
  std::uint64_t failed = 0;  ///< the target was not reached, or was lost later
};

/// What a refusal is counted as. `uncounted`: the request was for nothing that this proxy does, or its sender
/// is not known, which Authenticator counts.
enum class RefusedFor : std::uint8_t { uncounted, policy, limit, malformed, loop, failure };

struct TunnelRefusal {
  RefusedFor what = RefusedFor::uncounted;
  Refusal answer;
  http::Fields fields;  ///< what else the response has: a challenge, say
};

/// Of a target: the policy forbids it (403), or it cannot be reached.
TunnelRefusal target_refusal(Refusal answer);

/// Answers `exchange` as `proxy`, reads no more of it, and counts it. Its handler stays.
void refuse(http::Exchange& exchange, std::string_view proxy, const TunnelRefusal& refusal,
            RefusalCounters& counters);

}  // namespace sallyport::masque
