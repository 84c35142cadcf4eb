// IpTunnel: a client's CONNECT-IP tunnel (RFC 9484) as a PacketPort: packets leave as HTTP datagrams of an
// exchange on the hop's connection, and come so. Which addresses the proxy assigns, which routes it
// advertises, and what it says of DNS, are told to whoever uses it.
#pragma once

#include "http/connection.h"
#include "masque/dns_capsules.h"
#include "masque/ip_capsules.h"
#include "masque/ip_scope.h"
#include "masque/uri_template.h"
#include "net/packet_port.h"

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace sallyport::masque {

/// Each may destroy the tunnel.
struct IpTunnelEvents {
  /// The proxy answered 2xx. `next_hop` from its Proxy-Status, or empty.
  std::function<void(const std::string& next_hop)> opened;
  /// All addresses that are assigned now, rejections of requests among them. Never before `opened`. Of a
  /// prefix of more than one address we use the first alone, and take packets for no other: the RFC
  /// lets us use any of them (§4.7.1), and what came for those that we do not use, a machine that forwards
  /// would route into the networks around it; a proxy could assign half of all addresses.
  std::function<void(const std::vector<AssignedAddress>&)> assigned;
  /// All routes that are advertised now. Never before `opened`.
  std::function<void(const std::vector<IpRange>&)> routes;
  std::function<void(const std::vector<DnsConfiguration>&)> dns;
  /// The proxy refused, or the tunnel ended. Said once; then the receiver gets on_port_closed as well.
  std::function<void(const Error& why)> closed;
};

struct IpTunnelCounters {
  std::uint64_t packets_in = 0, packets_out = 0, bytes_in = 0, bytes_out = 0;
  std::uint64_t dropped_context = 0, dropped_invalid = 0, dropped_size = 0, dropped_queue = 0;
  std::uint64_t dropped_sojourn = 0;      ///< had waited for too long in the connection's datagram queue
  std::uint64_t dropped_invalid_out = 0;  ///< of dropped_invalid, what was to be sent
  std::uint64_t dropped_destination = 0;  ///< came for an address that is not ours
  /// Bytes of quarter stream IDs and context IDs in front of these packets; 0 where they go as capsules.
  std::uint64_t heads_in = 0, heads_out = 0;
};

class IpTunnel final : public net::PacketPort {
 public:
  /// Requests the tunnel on `connection` (not owned, must outlive this). Error kind usage: `proxy` has no
  /// variable for what `scope` limits.
  static Result<std::unique_ptr<IpTunnel>> open(http::Connection& connection, const ProxyTemplate& proxy,
                                                const IpScope& scope, const http::Fields& extra_fields,
                                                IpTunnelEvents events);
  ~IpTunnel() override;  ///< ends the exchange

  /// ADDRESS_REQUEST for one address more for each of `wanted`: a prefix of full length, its address all zero
  /// where any would do. Returns the request ID of the first; the others follow. At least one.
  std::uint64_t request_addresses(std::span<const net::IpPrefix> wanted);
  /// ROUTE_ADVERTISEMENT: networks behind us, all of them. What comes for them is taken.
  void advertise(const std::vector<net::IpPrefix>& networks);

  /// For packets that are sent from now on; `drop` until it is called, as whoever has packets of others can
  /// tell nobody to wait.
  void set_when_full(http::WhenFull what);

  void set_receiver(net::PacketReceiver* receiver) override;
  net::SendStatus send(std::span<const net::Packet> packets) override;
  std::size_t mtu() const override;
  IpTunnelCounters counters() const;

  struct Impl;

 private:
  explicit IpTunnel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::masque
