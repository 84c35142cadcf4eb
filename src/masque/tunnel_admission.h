// TunnelAdmission: who gets a tunnel of one Proxy, whatever it carries: whom a request is from, whether it
// came out of a tunnel itself, and the limits of its client and of all. Each tunnel that is admitted has a
// TunnelAccount, against which it counts. Nothing here knows of targets.
#pragma once

#include "http/exchange.h"
#include "masque/authenticator.h"
#include "masque/client_key.h"
#include "masque/datagram_sender.h"
#include "masque/policy.h"
#include "masque/protocol.h"
#include "masque/proxy_counters.h"
#include "masque/proxy_group.h"
#include "masque/tunnel_refusal.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>

namespace sallyport::masque {

class TunnelAdmission;

/// A client of one Proxy: what it has open, and what its tunnels did.
struct TunnelClient {
  std::shared_ptr<ClientAccount> account;  ///< counts what it has of other proxies of the group, too
  std::size_t tunnels = 0;                 ///< here
  std::uint64_t opened = 0, bytes_up = 0, bytes_down_tcp = 0;
  DatagramSendCounters downlink;  ///< of UDP
};

/// One tunnel's part of the limits, which its destruction gives back. Owned by the tunnel; must not outlive
/// the TunnelAdmission that gave it.
class TunnelAccount {
 public:
  TunnelAccount(TunnelAccount&& other) noexcept;
  TunnelAccount& operator=(TunnelAccount&&) = delete;
  ~TunnelAccount();

  Protocol protocol() const { return protocol_; }
  /// Who opened the tunnel; nobody in particular where nobody was asked.
  const Identity& identity() const { return identity_; }
  /// Valid for as long as this is. Whom the tunnel counts what passes for.
  TunnelClient& client() const { return at_->second; }
  /// The tunnel was accepted.
  void count_accepted();

 private:
  friend class TunnelAdmission;
  using Clients = std::map<ClientKey, TunnelClient>;
  TunnelAccount(TunnelAdmission& admission, Clients::iterator at, Identity identity, Protocol protocol);

  TunnelAdmission* admission_;
  Clients::iterator at_;
  Identity identity_;
  Protocol protocol_;
};

class TunnelAdmission {
 public:
  /// `counters`: where it counts what does not end with a client; must outlive it. `group` not null. `tokens`
  /// null: everybody may have tunnels.
  TunnelAdmission(ProxyCounters& counters, std::shared_ptr<ProxyGroup> group, const ClientLimits& limits,
                  std::shared_ptr<const TokenTable> tokens);
  /// All accounts are gone.
  ~TunnelAdmission();
  TunnelAdmission(const TunnelAdmission&) = delete;
  TunnelAdmission& operator=(const TunnelAdmission&) = delete;

  /// Whom a request for a tunnel is from; its exchange is told the name. Before anything else of the request
  /// is looked at.
  std::expected<Identity, TunnelRefusal> identify(http::Exchange& exchange, Protocol protocol, Time now);
  /// The account for a tunnel of `identity`'s. Just before the tunnel is made: what is refused for anything
  /// else does not count against limits.
  std::expected<TunnelAccount, TunnelRefusal> admit(const http::Exchange& exchange, Identity identity,
                                                    Protocol protocol);

  /// From the next admit() on.
  void set_limits(const ClientLimits& limits) { limits_ = limits; }
  /// From the next identify() on. Figures of names that are no longer there are forgotten once their tunnels
  /// ended.
  void set_tokens(std::shared_ptr<const TokenTable> tokens);
  /// Whether who opened a tunnel may keep it: its token is there, or nobody is asked.
  bool may_stay(const Identity& identity) const;

  /// Adds what the authenticator and the clients that are here count.
  void add_to(ProxyCounters& counters) const;

 private:
  friend class TunnelAccount;
  using Clients = TunnelAccount::Clients;

  std::expected<Clients::iterator, TunnelRefusal> take_tunnel(const ClientKey& key);
  void give_back(TunnelAccount& account);
  /// Whether a client without a tunnel is kept for its figures.
  bool keeps(const ClientKey& key) const;

  ProxyCounters& counters_;
  const std::shared_ptr<ProxyGroup> group_;
  ClientLimits limits_;
  Authenticator authenticator_;
  Clients clients_;
};

}  // namespace sallyport::masque
