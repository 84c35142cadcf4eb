// IcmpAnswers: the ICMP errors with which the end of an IP tunnel answers packets that it cannot pass on (RFC
// 9484 §7.2.1), as the router it is: which may be answered at all, by which address, and how many (RFC 1812
// §4.3.2.8, RFC 4443 §2.4 (f)). One for each place that forwards: a worker's IpSwitch, a client's tunnel.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "net/icmp_error.h"
#include "net/ip_packet.h"

#include <array>
#include <cstdint>
#include <optional>

namespace sallyport::masque {

/// Why a packet was not passed on, as its sender is to be told.
struct IpRejection {
  net::IcmpError error{};
  std::size_t mtu = 0;  ///< of packet_too_big: what fits
  friend bool operator==(const IpRejection&, const IpRejection&) = default;
};

/// How many errors are sent about what one sender sends: what Linux has for all that a host sends
/// (icmp_msgs_per_sec, icmp_msgs_burst).
class IcmpLimit {
 public:
  static constexpr std::uint32_t per_second = 1000, burst = 50;
  /// False: too many were sent.
  bool take(Time now);

 private:
  std::uint32_t tokens_ = burst;
  Time filled_at_{};
};

class IcmpAnswers {
 public:
  /// The addresses that errors come from. Where there is none of a packet's IP version, the packet's own
  /// destination has to do: the error is about the way there.
  void set_own(std::optional<net::IpAddress> v4, std::optional<net::IpAddress> v6);

  /// The answer to `packet`, of which `bytes` are, valid until the next call. Empty: none may be sent, or
  /// `limit`, its sender's, is used up, which is counted. Packet Too Big is not limited, as in Linux: without
  /// it a connection hangs.
  MutableBytes answer(const IpRejection& rejection, Bytes bytes, const net::IpPacket& packet,
                      IcmpLimit& limit, Time now);

  std::uint64_t sent() const { return sent_; }
  std::uint64_t suppressed() const { return suppressed_; }

 private:
  std::optional<net::IpAddress> v4_, v6_;
  std::uint64_t sent_ = 0, suppressed_ = 0;
  std::array<std::uint8_t, net::max_icmp_error> buffer_{};
};

}  // namespace sallyport::masque
