// IpSender: sends IP packets as HTTP datagrams of context 0 (RFC 9484 §6) on one exchange, the same on a
// proxy's and on a client's side. Super-packets are cut to what the exchange carries; packets of IPv4 that
// are too large and may be fragmented are.
#pragma once

#include "base/time.h"
#include "http/exchange.h"
#include "net/ip_packet.h"
#include "net/packet_port.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::masque {

/// No packet that we carry is longer. One of IPv6 could have its header of 40 bytes more, which no path
/// carries.
inline constexpr std::size_t longest_packet = 65'535;

/// A tunnel that carries IPv6, and no packets of this size, has to be ended (RFC 9484 §7.2).
inline constexpr std::size_t least_ipv6_mtu = 1280;
/// From a tunnel's opening. A connection knows its path's MTU some round trips after its handshake.
inline constexpr Duration time_to_find_mtu = 10s;

/// Counted over all senders that share it. A super-packet counts as the packets that it was cut to.
struct IpSendCounters {
  std::uint64_t packets = 0, bytes = 0;
  std::uint64_t dropped_size = 0;     ///< larger than the tunnel carries, and answered with Packet Too Big
  std::uint64_t dropped_queue = 0;    ///< the connection's datagram queue was full
  std::uint64_t dropped_sojourn = 0;  ///< had waited there for too long
  std::uint64_t dropped_invalid = 0;
};

enum class IpSent : std::uint8_t {
  sent,
  blocked,    ///< the queue below is full: some of it was dropped; on_datagrams_writable follows
  too_large,  ///< dropped: to be answered with Packet Too Big and mtu()
  invalid,    ///< dropped: no packet that could be cut
};

class IpSender {
 public:
  explicit IpSender(IpSendCounters& counters) : counters_(counters) {}

  /// The largest IP packet that `exchange` carries in one HTTP datagram now; 0: none.
  static std::size_t mtu(const http::Exchange& exchange);

  /// `parsed`: of `packet`, whose bytes may be changed unless it is too large.
  IpSent send(http::Exchange& exchange, const net::Packet& packet, const net::IpPacket& parsed);

 private:
  IpSent send_one(http::Exchange& exchange, Bytes packet, std::size_t mtu);
  IpSent send_segments(http::Exchange& exchange, const net::Packet& packet, bool may_fragment);
  IpSent failed(IpSent how);

  IpSendCounters& counters_;
};

}  // namespace sallyport::masque
