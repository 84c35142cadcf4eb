// Flow: the proxy's side of one tunnel, from a valid request to the exchange's end; what all tunnels have in
// common, whatever they carry: account, idle timeout, refusal and revocation. Made and owned by Proxy; lives
// until its exchange's on_closed. TargetFlow adds a target.
#pragma once

#include "http/exchange.h"
#include "masque/idle_timer.h"
#include "masque/proxy.h"
#include "masque/proxy_group.h"
#include "masque/run_gatherer.h"
#include "masque/tunnel_admission.h"
#include "masque/tunnel_refusal.h"

#include <cstdint>
#include <memory>
#include <utility>

namespace sallyport::masque {

class Flow;
class IpSwitch;
struct IpNetwork;

/// What the flows of one Proxy share. Outlives them.
struct FlowContext {
  FlowContext(net::Timers& its_timers, Outbound& its_outbound, ProxyOptions its_options)
      : timers(its_timers),
        outbound(its_outbound),
        options(std::move(its_options)),
        group(options.group != nullptr ? options.group : std::make_shared<ProxyGroup>()),
        admission(counters, group, options.limits, std::exchange(options.tokens, nullptr)),
        uplink(timers, uplink_drops) {}
  virtual void on_flow_gone(Flow& flow) = 0;  ///< destroys it

  /// Of CONNECT-IP; null: there is none.
  std::shared_ptr<const IpNetwork> ip_network;
  IpSwitch* ip_switch = nullptr;

  net::Timers& timers;
  Outbound& outbound;
  ProxyOptions options;  ///< without tokens; replaced by Proxy::apply()
  const std::shared_ptr<ProxyGroup> group;
  ProxyCounters counters;  ///< without what `uplink_drops` and `admission` count
  TunnelAdmission admission;
  RunGatherer::Drops uplink_drops;
  RunGatherer uplink;

 protected:
  ~FlowContext() = default;
};

class Flow : public http::ExchangeHandler {
 public:
  virtual ~Flow();
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  /// Who opened it; nobody in particular where nobody was asked.
  const Identity& identity() const { return account_.identity(); }
  /// The credential that it was opened with is good no longer: ends the tunnel.
  void revoke();

  void on_closed(http::Exchange&, const Error* why) final;

 protected:
  /// `idle_after`: how long nothing may pass through the open tunnel.
  Flow(FlowContext& context, http::Exchange& exchange, TunnelAccount account, Duration idle_after);

  virtual void stop_opening() = 0;  ///< no accept_tunnel() or refuse_tunnel() is to come any more
  virtual void on_refused() = 0;    ///< let go what was held for the tunnel
  /// Ends an open tunnel: nothing passes any more, or nothing may. `why` goes on record.
  virtual void end_tunnel(const Error& why) = 0;
  /// The exchange ended (`why` as in on_closed). True: there is still something to do, and gone() will be
  /// called after it.
  virtual bool lingers(const Error* /*why*/) { return false; }

  void gone() { context_.on_flow_gone(*this); }

  void refuse_tunnel(const TunnelRefusal& refusal);
  /// 2xx with `fields`.
  void accept_tunnel(http::Fields fields);
  /// Called for everything that passes: costs a comparison.
  void touch() { idle_.touch(); }
  Protocol protocol() const { return account_.protocol(); }
  TunnelClient& client() { return account_.client(); }
  /// Null once it ended.
  http::Exchange* exchange() const { return exchange_; }

  FlowContext& context_;

 private:
  TunnelAccount account_;
  http::Exchange* exchange_;
  IdleTimer idle_;
  enum class State : std::uint8_t { opening, accepted, refused } state_ = State::opening;
};

}  // namespace sallyport::masque
