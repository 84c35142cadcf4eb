// Flow: the proxy's side of one tunnel, from a valid request to the exchange's end; what CONNECT-UDP and
// CONNECT have in common. Made and owned by Proxy; lives until its exchange's on_closed.
#pragma once

#include "http/exchange.h"
#include "masque/client_key.h"
#include "masque/datagram_sender.h"
#include "masque/identity.h"
#include "masque/proxy.h"
#include "masque/proxy_group.h"
#include "masque/run_gatherer.h"
#include "masque/target_resolution.h"

#include <memory>
#include <vector>

namespace sallyport::masque {

class Flow;

/// A client of one Proxy, whose limits its flows count against.
struct FlowClient {
  ClientKey key;
  std::shared_ptr<ClientAccount> account;
  std::size_t tunnels = 0;  ///< here; the account counts those of other proxies, too
  std::uint64_t opened = 0, bytes_up = 0, bytes_down_tcp = 0;
  DatagramSendCounters downlink;  ///< of UDP
};

/// What the flows of one Proxy share. Outlives them.
struct FlowContext {
  FlowContext(net::Timers& its_timers, Outbound& its_outbound, ProxyOptions its_options)
      : timers(its_timers),
        outbound(its_outbound),
        options(std::move(its_options)),
        group(options.group != nullptr ? options.group : std::make_shared<ProxyGroup>()),
        uplink(timers, uplink_drops) {}
  virtual void on_flow_gone(Flow& flow) = 0;  ///< destroys it

  net::Timers& timers;
  Outbound& outbound;
  const ProxyOptions options;
  const std::shared_ptr<ProxyGroup> group;
  ProxyCounters counters;  ///< without what `uplink_drops` and the clients that are here count
  RunGatherer::Drops uplink_drops;
  RunGatherer uplink;

 protected:
  ~FlowContext() = default;
};

/// Answers a request that gets no tunnel (RFC 9209). `fields`: what else its answer has.
void refuse(http::Exchange& exchange, std::string_view proxy, const Refusal& refusal,
            const http::Fields& fields = {});

class Flow : public http::ExchangeHandler {
 public:
  virtual ~Flow();
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  /// Looks for the target and opens the tunnel or refuses it, at once where `target` is an address.
  void start(const Target& target);
  FlowClient& client() { return client_; }
  /// Who opened it; nobody in particular where nobody was asked.
  const Identity& identity() const { return identity_; }
  /// The credential that it was opened with is good no longer: ends the tunnel.
  void revoke();
  const bool is_udp;

  void on_closed(http::Exchange&, const Error* why) final;

 protected:
  Flow(FlowContext& context, http::Exchange& exchange, FlowClient& client, Identity identity, bool udp);

  virtual void on_targets(const std::vector<net::SocketAddress>& targets) = 0;
  virtual void on_refused() = 0;  ///< let go what was held for the tunnel
  /// Ends an open tunnel: nothing passes any more, or nothing may. `why` goes on record.
  virtual void end_tunnel(const Error& why) = 0;
  virtual Duration idle_after() const = 0;
  /// The exchange ended (`why` as in on_closed). True: there is still something to do, and gone() will be
  /// called after it.
  virtual bool lingers(const Error* /*why*/) { return false; }

  void gone() { context_.on_flow_gone(*this); }

  void refuse_tunnel(const Refusal& refusal);
  /// 2xx (RFC 9110 §9.3.6, RFC 9298 §3.5). `socket`: the tunnel's, towards the target.
  void accept_tunnel(const net::NetPath& socket, const net::SocketAddress& next_hop);
  /// The accepted tunnel goes on by another socket.
  void change_exit(const net::NetPath& socket) { exit_ = TunnelExit(*context_.group, is_udp, socket); }
  /// The socket is closed, or will be.
  void leave_exit() { exit_ = {}; }
  /// Called for everything that passes: costs a comparison.
  void touch() { idle_.arm(context_.timers.now() + idle_after()); }
  /// Null once it ended.
  http::Exchange* exchange() { return exchange_; }

  FlowContext& context_;

 private:
  FlowClient& client_;
  const Identity identity_;
  http::Exchange* exchange_;
  net::Timer idle_;
  std::unique_ptr<TargetResolution> resolution_;
  TunnelExit exit_;
  enum class State : std::uint8_t { opening, accepted, refused } state_ = State::opening;
};

}  // namespace sallyport::masque
