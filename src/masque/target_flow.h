// TargetFlow: a Flow whose tunnel leads to a target, CONNECT-UDP's or CONNECT's: finds the target's addresses
// and keeps the tunnel's socket known to the ProxyGroup.
#pragma once

#include "masque/flow.h"
#include "masque/target_resolution.h"

#include <memory>
#include <utility>
#include <vector>

namespace sallyport::masque {

class TargetFlow : public Flow {
 public:
  /// Looks for the target and opens the tunnel or refuses it, at once where `target` is an address.
  void start(const Target& target);

 protected:
  using Flow::Flow;

  virtual void on_targets(const std::vector<net::SocketAddress>& targets) = 0;

  void refuse_target(Refusal answer) { refuse_tunnel(target_refusal(std::move(answer))); }
  /// 2xx (RFC 9110 §9.3.6, RFC 9298 §3.5). `socket`: the tunnel's, towards the target.
  void accept_target(const net::NetPath& socket, const net::SocketAddress& next_hop);
  /// The accepted tunnel goes on by another socket.
  void change_exit(const net::NetPath& socket) { exit_ = TunnelExit(*context_.group, protocol(), socket); }
  /// The socket is closed, or will be.
  void leave_exit() { exit_ = {}; }

 private:
  void stop_opening() final { resolution_.reset(); }

  std::unique_ptr<TargetResolution> resolution_;
  TunnelExit exit_;
};

}  // namespace sallyport::masque
