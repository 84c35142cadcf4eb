#include "masque/target_resolution.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {

ReachableTargets reachable_targets(const TargetPolicy& policy, const std::vector<net::IpAddress>& addresses,
                                   std::uint16_t port) {
  std::vector<net::SocketAddress> targets;
  std::optional<Error> denied;
  for (const net::IpAddress& address : addresses) {
    if (targets.size() == max_targets) break;
    if (auto allowed = policy.check(address, port); allowed) {
      targets.emplace_back(address.unmapped(), port);
    } else if (!denied) {
      denied = std::move(allowed.error());
    }
  }
  if (targets.empty() && denied) return std::unexpected(refusal_for(*denied));
  if (targets.empty()) return std::unexpected(Refusal{502, "dns_error", "the name has no address"});
  return targets;
}

TargetResolution::TargetResolution(net::Timers& timers, net::Resolver& resolver, const TargetPolicy& policy,
                                   const Target& target, const net::IpAddress& client, Duration timeout,
                                   Done done)
    : timeout_(timers,
               [this, host = target.host, timeout](Time) {
                 question_.reset();
                 finish(std::unexpected(Refusal{504, "dns_timeout",
                                                fmt::format("resolving {} timed out after {} s", host,
                                                            timeout / std::chrono::seconds(1))}));
               }),
      done_(std::move(done)),
      question_(resolver.resolve(
          target.host, client, [this, &policy, target](Result<std::vector<net::IpAddress>> answer) {
            if (!answer) return finish(std::unexpected(refusal_for(answer.error())));
            auto targets =
                reachable_targets(policy, net::interleave_families(std::move(*answer)), target.port);
            // What a name means in here is not for those outside.
            if (!targets && targets.error().status == 403)
              targets.error().details = fmt::format(
                  "{} resolves to no address that this proxy allows without --allow", target.host);
            finish(std::move(targets));
          })) {
  timeout_.arm(timers.now() + timeout);
}

void TargetResolution::finish(ReachableTargets targets) {
  timeout_.disarm();
  done_(std::move(targets));
}

}  // namespace sallyport::masque
