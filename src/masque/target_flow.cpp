#include "masque/target_flow.h"

#include "http/connection.h"

#include <utility>

namespace sallyport::masque {

void TargetFlow::start(const Target& target) {
  const auto found = [this](ReachableTargets targets) {
    if (targets)
      on_targets(*targets);
    else
      refuse_target(std::move(targets.error()));
  };
  if (const auto address = net::IpAddress::parse(target.host)) {
    found(reachable_targets(context_.options.policy, {*address}, target.port));
  } else {
    resolution_ = std::make_unique<TargetResolution>(
        context_.timers, context_.outbound.resolver(), context_.options.policy, target,
        client_block(exchange()->connection().info().path.remote.ip()), context_.options.connect_timeout,
        found);
  }
}

void TargetFlow::accept_target(const net::NetPath& socket, const net::SocketAddress& next_hop) {
  change_exit(socket);
  http::Fields fields;
  if (protocol() == Protocol::udp) fields.add("capsule-protocol", "?1");
  fields.add("proxy-status", format_next_hop(context_.options.name, next_hop.to_string()));
  accept_tunnel(std::move(fields));
}

}  // namespace sallyport::masque
