// Config: what a QUIC connection is set up with, for both sides. Plain values; copied into each Connection.
#pragma once

#include "base/time.h"
#include "quic/datagram_queueing.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sallyport::quic {

inline constexpr std::uint32_t version_1 = 0x00000001;  ///< RFC 9000
inline constexpr std::uint32_t version_2 = 0x6b3343cf;  ///< RFC 9369

/// What RFC 9000 §14 asks of every path, in bytes of UDP payload.
inline constexpr std::size_t minimum_udp_payload = 1200;

enum class CongestionControl : std::uint8_t { cubic, bbr, reno };

inline constexpr std::array all_congestion_controls{CongestionControl::cubic, CongestionControl::bbr,
                                                    CongestionControl::reno};

/// "cubic", "bbr", "reno": as flags and printed configurations have it.
constexpr std::string_view to_string(CongestionControl control) {
  switch (control) {
    case CongestionControl::cubic:
      return "cubic";
    case CongestionControl::bbr:
      return "bbr";
    case CongestionControl::reno:
      break;
  }
  return "reno";
}

struct Config {
  CongestionControl congestion_control = CongestionControl::cubic;
  Duration idle_timeout = 30s;
  /// The connection is closed when an ack-eliciting packet was sent and no packet was received for this long
  /// since (at least three probe timeouts). For connections with a long idle timeout, to detect a dead peer
  /// earlier. Zero: only the idle timeout applies.
  Duration silence_timeout{};
  Duration handshake_timeout = 10s;
  /// A PING is sent when no packet was sent for this long; zero: never.
  Duration keep_alive{};

  // Flow control, bytes. Windows grow from the initial value to the maximum with the data rate.
  std::uint64_t initial_connection_window = 1024 * 1024;
  std::uint64_t initial_stream_window = 256 * 1024;
  std::uint64_t maximum_connection_window = 24 * 1024 * 1024;
  std::uint64_t maximum_stream_window = 16 * 1024 * 1024;
  std::uint64_t peer_bidirectional_streams = 100;  ///< initial_max_streams_bidi
  std::uint64_t peer_unidirectional_streams = 8;

  /// max_datagram_frame_size (RFC 9221 §3); 0: no DATAGRAM support.
  std::size_t max_datagram_frame_size = 65535;
  /// DATAGRAM payload that waits for congestion control.
  DatagramQueueOptions datagram_queue;

  /// Largest UDP payload ever sent; path MTU discovery searches from 1,200 to this. 1,472 fits IPv4 on
  /// Ethernet; over IPv6 the kernel refuses larger packets and the search ends lower.
  std::size_t max_udp_payload = 1472;
  bool path_mtu_discovery = true;
  /// A client's first datagrams are padded to this, as far as the path allows. Some servers (Google's quiche,
  /// thus Envoy) never send packets larger than the first one received; a hop must carry 1,200 bytes plus its
  /// own packet overhead.
  std::size_t first_datagram_size = 1200;

  std::vector<std::uint32_t> versions{version_1,
                                      version_2};  ///< in order of preference; a client starts with the first
  bool ecn = true;
  /// Ack-eliciting packets received before an ACK is sent with the next flush, at the end of the turn: one
  /// ACK for all packets of a turn. With more than 1, the ACK of a single small packet waits for its timer
  /// (an eighth of the RTT, at most 25 ms) and is then sent alone instead of with the response. No workload
  /// was found where more is cheaper (bench/README.md).
  std::size_t ack_threshold = 1;
  /// Of a client's own connection IDs. Not zero: they distinguish connections that share a socket.
  std::size_t connection_id_length = 8;

  bool operator==(const Config&) const = default;
};

}  // namespace sallyport::quic
