// IpFlow: the proxy's side of one CONNECT-IP tunnel (RFC 9484): HTTP datagrams and capsules on one side, the
// worker's IpSwitch on the other. Assigns addresses out of the IpNetwork's pool, at once and when they are
// requested; advertises routes; checks what the client sends against its addresses, the request's scope and
// the routes.
#pragma once

#include "masque/context_table.h"
#include "masque/flow.h"
#include "masque/ip_capsules.h"
#include "masque/ip_network.h"
#include "masque/ip_scope.h"
#include "masque/ip_sender.h"
#include "masque/ip_switch.h"
#include "masque/target_resolution.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace sallyport::masque {

class IpFlow final : public Flow, IpPeer {
 public:
  /// Addresses of one IP version that one tunnel may have, however many it requests.
  static constexpr std::size_t max_addresses = 8;
  /// Networks that one tunnel may announce.
  static constexpr std::size_t max_networks = 64;

  /// `network` and `ip` outlive it.
  IpFlow(FlowContext& context, http::Exchange& exchange, TunnelAccount account, const IpNetwork& network,
         IpSwitch& ip);
  ~IpFlow() override;

  /// Opens the tunnel or refuses it, at once unless `scope` has a name, which is looked for first.
  void start(const IpScope& scope);

 private:
  struct Address {
    AddressLease lease;
    std::uint64_t request_id = 0;  // 0: it was not requested
  };

  // From the client
  void on_body(http::Exchange& exchange, Bytes body) override;
  void on_datagram(http::Exchange& exchange, Bytes datagram) override;
  Result<> on_capsule(http::Exchange& exchange, std::uint64_t type, Bytes value) override;
  void on_max_datagram_payload(http::Exchange& exchange) override;
  void on_datagram_dropped(http::Exchange& exchange, http::DatagramDrop why) override;
  Bytes padding_prefix() const override;
  bool is_padding(Bytes datagram) const override;
  void on_end(http::Exchange& exchange) override;
  // From the switch
  Forwarded deliver(const net::Packet& packet, const net::IpPacket& parsed) override;
  void end(const Error& why) override { end_tunnel(why); }
  IpTunnelFigures figures() const override;
  // From Flow
  void stop_opening() override { resolution_.reset(); }
  void on_refused() override { done_ = true; }
  void end_tunnel(const Error& why) override;

  void open(const IpScope& scope, std::span<const net::IpAddress> resolved);
  /// Leases an address of this IP version, `preferred` where that can be had.
  Result<> lease(bool v4, std::uint64_t request_id, const std::optional<net::IpAddress>& preferred = {});
  Result<> on_address_request(Bytes value);
  Result<> on_route_advertisement(Bytes value);
  void send_addresses(std::span<const AssignedAddress> rejections);
  void send_routes();
  void send_capsule(std::uint64_t type, Bytes value);
  /// A capsule that comes before the tunnel is answered, while a name is looked for.
  Result<> keep_early(std::uint64_t type, Bytes value);
  Result<> take_capsule(std::uint64_t type, Bytes value);
  /// Whether the peer leaves our capsules unread, so that none may be added.
  bool is_choked();
  bool is_source(const net::IpAddress& address) const;
  void drop_network(const net::IpPrefix& prefix);
  void leave_switch();
  /// RFC 9484 §7.2: a tunnel that carries IPv6 carries packets of 1,280 bytes, or ends.
  void check_mtu();

  const IpNetwork& network_;
  IpSwitch& switch_;
  ContextTable contexts_;
  RequestIds request_ids_;
  std::unique_ptr<TargetResolution> resolution_;
  std::optional<PacketScope> scope_;
  std::vector<IpRange> routes_;          // that were advertised to the client
  std::vector<Address> addresses_;       // in the switch
  std::vector<net::IpPrefix> networks_;  // of the client's, claimed, and in the switch
  std::vector<std::pair<std::uint64_t, std::vector<std::uint8_t>>> early_;  // type and value
  std::size_t early_bytes_ = 0;
  Time opened_{};
  std::uint64_t packets_up_ = 0, bytes_up_ = 0;
  IpSendCounters sent_;
  std::uint64_t dropped_late_ = 0;  // of those in sent_: dropped from the queue below
  IpSender sender_;
  net::Timer mtu_deadline_;
  bool done_ = false;  // refused, or one side ended it: nothing passes any more
};

}  // namespace sallyport::masque
