// From a target's name to addresses that the policy lets a proxy reach (docs/threat-model.md, "DNS
// rebinding"): every address is checked after resolution, so a name that leads inside is of no use, and a
// flow connects only to what was checked here.
#pragma once

#include "masque/policy.h"
#include "masque/proxy_status.h"
#include "masque/uri_template.h"
#include "net/resolver.h"
#include "net/timers.h"

#include <functional>
#include <memory>
#include <vector>

namespace sallyport::masque {

/// More addresses of one name than this are not tried: whoever owns the name chooses them, and one tunnel
/// opens a socket to each that does not answer.
inline constexpr std::size_t max_targets = 8;

/// At least one address and max_targets at the most, best first; or what to tell the client.
using ReachableTargets = std::expected<std::vector<net::SocketAddress>, Refusal>;

/// The first of `addresses` that the policy allows.
ReachableTargets reachable_targets(const TargetPolicy& policy, const std::vector<net::IpAddress>& addresses,
                                   std::uint16_t port);

/// Asks for a name's addresses on behalf of `client`, a client_block(). `policy` must outlive this; it is
/// asked when the addresses are there. Calls back once, never from inside the constructor; it must not be
/// destroyed from inside the callback.
class TargetResolution {
 public:
  using Done = std::function<void(ReachableTargets)>;
  TargetResolution(net::Timers& timers, net::Resolver& resolver, const TargetPolicy& policy,
                   const Target& target, const net::IpAddress& client, Duration timeout, Done done);

 private:
  void finish(ReachableTargets targets);

  net::Timer timeout_;
  Done done_;
  std::unique_ptr<net::Resolution> question_;
};

}  // namespace sallyport::masque
