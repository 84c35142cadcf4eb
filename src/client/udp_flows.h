// UdpFlows: the tunnel of `sallyport tun --mode udp` as a PacketPort, in the place of an IpTunnel: the UDP
// payloads of packets travel in CONNECT-UDP flows (RFC 9298) of the last hop, one for each pair of addresses,
// which are opened by their first packet and end when they are idle. It works as a NAT
// does whose mapping depends on the far end's address and port (RFC 9298 has no other), and as a router: all
// other packets are answered by ICMP errors, so that who sent them need not wait. Owned by TunLink.
#pragma once

#include "http/connection.h"
#include "masque/uri_template.h"
#include "net/packet_port.h"
#include "net/timers.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace sallyport::client {

struct UdpFlowsCounters {
  std::uint64_t datagrams_up = 0, datagrams_down = 0, bytes_up = 0, bytes_down = 0;  ///< payload
  std::uint64_t flows_opened = 0;                                                    ///< the proxy accepted
  std::uint64_t flows_refused = 0;  ///< the proxy did not, or never answered
  std::uint64_t flows_lost = 0;     ///< the proxy lost the target, or the connection to the hop ended
  std::uint64_t flows_idle = 0;     ///< ended by us or by the proxy, as nothing passed
  std::uint64_t flows_evicted = 0;  ///< ended to make room for another
  // Packets that did not go, by reason. All but those of _queue and _invalid are answered where they may be.
  std::uint64_t dropped_invalid = 0;  ///< wrong lengths or checksum, no IP packet
  std::uint64_t dropped_protocol = 0, dropped_fragment = 0, dropped_headers = 0, dropped_destination = 0,
                dropped_hop_limit = 0;  ///< as NotCarried has them
  std::uint64_t dropped_too_large = 0, dropped_refused = 0;
  std::uint64_t dropped_limit = 0;    ///< there are as many flows as there may be, all in use
  std::uint64_t dropped_queue = 0;    ///< while the flow was being opened, or the connection's queue was full
  std::uint64_t dropped_sojourn = 0;  ///< waited for too long in the connection's queue
  std::uint64_t dropped_down = 0;     ///< came from the proxy, and is no payload of an IP packet
  std::uint64_t icmp_sent = 0, icmp_suppressed = 0;
};

struct UdpFlowsOptions {
  masque::ProxyTemplate proxy;
  http::Fields fields;  ///< of each request
  /// Gives a connection to the proxy that takes a request now, inside the call or later; over HTTP/1.1 one
  /// for each flow.
  std::function<void(std::function<void(Result<http::Connection*>)>)> connect;
  /// No flow can be opened: there is no connection, or the proxy does not do this or knows us not. May come
  /// inside send(); must not destroy this inside.
  std::function<void(const Error&)> failed;
  std::size_t max_flows = 1024;  ///< refusals that hold are among them
};

class UdpFlows final : public net::PacketPort {
 public:
  /// After so many connections in a row that end without an answer to any request, no more are made.
  static constexpr unsigned max_useless_connections = 8;
  /// How long nothing may pass through a flow: RFC 4787 §4.3 wants two minutes at least and recommends five,
  /// and lets a port whose use is known have less, as DNS.
  static constexpr Duration idle_after = 300s, dns_idle_after = 10s;
  /// Where there is no room, a flow that was idle for so long makes some.
  static constexpr Duration evicted_after = 10s;
  /// A flow that was refused is not asked for again so soon.
  static constexpr Duration refusal_holds = 2s;
  /// How long a proxy may take to answer.
  static constexpr Duration patience = 20s;

  UdpFlows(net::Timers& timers, UdpFlowsOptions options);
  ~UdpFlows() override;  ///< ends all flows

  /// Answers come to the receiver inside send().
  void set_receiver(net::PacketReceiver* receiver) override;
  /// A packet that is answered counts as taken, so this is never `too_large`; `dropped`: a queue was full.
  net::SendStatus send(std::span<const net::Packet> packets) override;
  /// Of IPv4, by the narrowest flow; IPv6 packets of this size fit as well. Before there was any, by what
  /// `connection` can carry.
  std::size_t mtu() const override;
  void expect(const http::Connection& connection);

  std::size_t flows() const;  ///< without those that were refused
  UdpFlowsCounters counters() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::client
