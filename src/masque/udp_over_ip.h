// UdpOverIp: UDP without a kernel's stack: flows whose IP and UDP headers are made by hand (RFC 768, RFC 791,
// RFC 8200) and that share one source and sink of IP packets, a client's CONNECT-IP tunnel (IpTunnel). Each
// flow is a DatagramPath, so that QUIC runs in it as it does over a socket. For `get --mode ip`.
//
// What comes is taken only where it is a whole UDP packet of a flow, with right checksums, and nothing
// between the IP and the UDP header; all else is dropped and counted, by reason. ICMP errors are believed as
// far as a kernel's connected socket believes them: where they quote a packet that a flow could have sent.
#pragma once

#include "base/lifetime.h"
#include "base/random.h"
#include "net/datagram_path.h"
#include "net/packet_port.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace sallyport::net {
struct IpPacket;
}  // namespace sallyport::net

namespace sallyport::masque {

struct UdpOverIpCounters {
  std::uint64_t datagrams_in = 0, datagrams_out = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;      ///< of UDP payloads
  std::uint64_t headers_in = 0, headers_out = 0;  ///< bytes of IP and UDP headers around these
  // Of what came:
  std::uint64_t dropped_invalid = 0;  ///< no IP packet, cut short, a wrong checksum or length
  std::uint64_t dropped_fragment =
      0;                             ///< no whole packet: QUIC's packets are never fragmented (RFC 9000 §14)
  std::uint64_t dropped_header = 0;  ///< IPv4 options or IPv6 extension headers
  std::uint64_t dropped_stranger = 0;  ///< addresses or ports of no flow, or another protocol
  std::uint64_t icmp_believed = 0, icmp_ignored = 0;
  // Of what was to be sent:
  std::uint64_t dropped_size = 0, dropped_queue = 0;
};

class UdpOverIp final : net::PacketReceiver {
 public:
  /// `port` is not owned and must outlive this. Where it answers `blocked` to one packet it has not taken
  /// that one, as IpTunnel does. `random` chooses the source ports.
  UdpOverIp(net::PacketPort& port, Random& random);
  ~UdpOverIp();
  UdpOverIp(const UdpOverIp&) = delete;
  UdpOverIp& operator=(const UdpOverIp&) = delete;

  /// A flow from `own`, at a port that no other flow here has, to `remote`, of the same IP version. Not to
  /// outlive this.
  std::unique_ptr<net::DatagramPath> open(const net::IpAddress& own, const net::SocketAddress& remote);
  /// The flows of which `ends` says true end because of `why`, as where the proxy withdraws an address or a
  /// route.
  void end_flows(const std::function<bool(const net::NetPath&)>& ends, const Error& why);

  const UdpOverIpCounters& counters() const { return counters_; }
  /// The largest UDP payload in packets of this IP version, in bytes, that the port carries now.
  std::size_t room(bool is_v6) const;

 private:
  class Flow;

  void on_packets(std::span<net::Packet> packets, Time now) override;
  void on_port_writable(Time now) override;
  void on_mtu(std::size_t bytes) override;
  void on_port_closed(const Error& why) override;

  void take(Bytes bytes, Time now);
  void take_icmp(Bytes bytes, const net::IpPacket& parsed);
  Flow* find(const net::IpAddress& own, std::uint16_t own_port, const net::IpAddress& remote,
             std::uint16_t remote_port) const;
  std::uint16_t free_port();
  /// False: the port is full, and has not taken it. What is dropped for another reason is counted.
  bool send_one(const Flow& flow, Bytes payload, net::Ecn ecn);
  void forget(const Flow& flow);

  net::PacketPort& port_;
  Random& random_;
  UdpOverIpCounters counters_;
  std::vector<Flow*> flows_;  // few: the addresses of one origin
  bool full_ = false;         // the port is, until it is writable
  Lifetime lifetime_;         // receivers may destroy this
};

}  // namespace sallyport::masque
