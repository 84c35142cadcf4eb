// Proxy: the server's side of CONNECT-UDP (RFC 9298), CONNECT-IP (RFC 9484) and CONNECT (RFC 9110 §9.3.6). A
// RequestHandler over Exchange of any version, given the means to resolve and to open sockets; it does no I/O
// itself. One a worker.
//
// Loops (docs/threat-model.md, "proxy loop"): the policy refuses the proxy's own host as a target. Where a
// prefix allows it, a request for a tunnel that comes out of a tunnel of the same ProxyGroup is answered with
// 508 and proxy_loop_detected: it is known by the socket that it came from. What a tunnel carries is
// encrypted and cannot be marked, so a chain that comes back by way of another proxy, or of a NAT that
// changes the source, shows as any client's; each turn of it takes a handshake of the client's own, some
// bytes of its path and one of the tunnels that the address it comes back from may have, so it ends.
#pragma once

#include "http/connection.h"
#include "masque/policy.h"
#include "masque/protocol.h"
#include "masque/proxy_counters.h"
#include "net/outbound.h"

#include <memory>
#include <string>

namespace sallyport::masque {

using net::Outbound;

class IpSwitch;
class ProxyGroup;
struct IpNetwork;

struct ProxyOptions {
  Protocols protocols{Protocol::udp, Protocol::tcp};  ///< what it opens tunnels for
  std::string name = "sallyport";                     ///< in Proxy-Status
  TargetPolicy policy;
  ClientLimits limits;
  std::shared_ptr<ProxyGroup> group;         ///< with whom `limits` are shared; null: a group of its own
  std::shared_ptr<const TokenTable> tokens;  ///< who may use it; null: everybody
  Duration udp_idle = 120s;                  ///< RFC 9298 §3.1 asks for two minutes at least
  Duration tcp_idle = 600s;
  Duration connect_timeout = 10s;
};

/// The idle timeout to announce for QUIC connections that carry tunnels, so that an idle tunnel ends by its
/// own time and not by that of the connection around it. `plain`: where there are none. (A connection without
/// requests ends earlier, by http::Limits.)
Duration quic_idle_timeout(const ProxyOptions& options, Duration plain);

class Proxy final : public http::RequestHandler {
 public:
  Proxy(net::Timers& timers, Outbound& outbound, ProxyOptions options);
  ~Proxy();
  /// Whether this request is ours: CONNECT, or extended CONNECT with protocol connect-udp or connect-ip.
  static bool wants(const http::Request& request);
  /// From here on CONNECT-IP is served, where the options' protocols have it. `ip_switch` must outlive this.
  void serve_ip(std::shared_ptr<const IpNetwork> network, IpSwitch& ip_switch);
  void on_request(http::Exchange& exchange) override;
  /// Replaces the options, but not their `group`, for requests from now on. Tunnels that are open go on as
  /// they are, with the idle timeout that they had, except those of a token that is no longer there, which
  /// are ended. A target's name that is being resolved is checked by the new policy.
  void apply(ProxyOptions options);
  /// The same for the tokens alone.
  void set_tokens(std::shared_ptr<const TokenTable> tokens);
  ProxyCounters counters() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::masque
