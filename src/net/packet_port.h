// PacketPort: a source and sink of IP packets, in batches. Real ones are a TUN device and a CONNECT-IP flow
// (RFC 9484); tests use a list. A tunnel is two PacketPorts joined. What DatagramPath is to datagrams, this
// is to packets.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/datagram_path.h"

#include <cstdint>
#include <span>

namespace sallyport::net {

/// One IP packet, or a super-packet: a TCP or UDP packet of up to 64 KiB whose payload still has to be cut
/// into segments (net/segment.h), as TSO, USO and GRO pass them.
struct Packet {
  /// From the IP header on, without trailing bytes. Valid, and writable by whoever is given the packet, only
  /// during the call.
  MutableBytes bytes;
  /// Payload bytes of each segment but the last, which may be shorter; 0: one ordinary packet.
  std::uint16_t segment_size = 0;
  /// The TCP or UDP checksum field holds no more than the sum of the pseudo-header, not complemented: what
  /// virtio-net calls VIRTIO_NET_HDR_F_NEEDS_CSUM.
  bool checksum_partial = false;
};

/// Receives the packets of a PacketPort.
class PacketReceiver {
 public:
  virtual void on_packets(std::span<Packet> packets, Time now) = 0;
  /// After a send() that returned `blocked`: there is room again.
  virtual void on_port_writable(Time /*now*/) {}
  /// mtu() has changed.
  virtual void on_mtu(std::size_t /*bytes*/) {}
  /// The port is closed (tunnel refused or ended, device gone). No further call follows.
  virtual void on_port_closed(const Error& /*why*/) {}

 protected:
  ~PacketReceiver() = default;
};

class PacketPort {
 public:
  virtual ~PacketPort() = default;
  /// `receiver` is not owned and must outlive the port or be replaced by nullptr.
  virtual void set_receiver(PacketReceiver* receiver) = 0;
  /// Sends the packets in order, super-packets too; their bytes may be changed on the way. Each one that
  /// cannot be taken is left out and counted by the port, and the others are sent all the same. The status is
  /// `blocked` whenever packets wait below, also where others were dropped, as whoever sends has to stop;
  /// otherwise `dropped` or `too_large` (a packet, or a segment of one, over mtu()) where that happened, and
  /// else `sent`. Whoever answers what is too large (RFC 1191, RFC 8201) looks at mtu() before.
  virtual SendStatus send(std::span<const Packet> packets) = 0;
  /// The largest IP packet, in bytes and with its header, that this port carries now.
  virtual std::size_t mtu() const = 0;
  /// Back-pressure, best effort: while false, packets wait in a bounded queue below, which drops the excess.
  /// Packets already read may still be delivered.
  virtual void set_reading(bool /*on*/) {}
};

}  // namespace sallyport::net
