// Config: what a QUIC connection is set up with, for both sides. Plain values; copied into each Connection.
#pragma once

#include "base/time.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::quic {

inline constexpr std::uint32_t version_1 = 0x00000001;  ///< RFC 9000
inline constexpr std::uint32_t version_2 = 0x6b3343cf;  ///< RFC 9369

/// What RFC 9000 §14 asks of every path, in bytes of UDP payload.
inline constexpr std::size_t minimum_udp_payload = 1200;

enum class CongestionControl : std::uint8_t { cubic, bbr, reno };

struct Config {
  CongestionControl congestion_control = CongestionControl::cubic;
  Duration idle_timeout = 30s;
  /// The connection is closed when something that the peer has to acknowledge was sent and no packet came
  /// from it for this long (three probe timeouts at least) since: for those whose idle timeout is longer than
  /// they would wait for a peer that is gone. Zero: only the idle timeout counts.
  Duration silence_timeout{};
  Duration handshake_timeout = 10s;
  /// PINGs are sent when nothing else was for this long; zero: never.
  Duration keep_alive{};

  // Flow control, bytes. Windows grow from the first figure to the maximum as the data rate asks for it.
  std::uint64_t initial_connection_window = 1024 * 1024;
  std::uint64_t initial_stream_window = 256 * 1024;
  std::uint64_t maximum_connection_window = 24 * 1024 * 1024;
  std::uint64_t maximum_stream_window = 16 * 1024 * 1024;
  std::uint64_t peer_bidirectional_streams = 100;  ///< how many requests the peer may have open
  std::uint64_t peer_unidirectional_streams = 8;

  /// Largest DATAGRAM frame taken (RFC 9221 §3); 0 leaves the extension out.
  std::size_t max_datagram_frame_size = 65535;
  /// Bytes of DATAGRAM payload that may wait for congestion control; what is over is dropped and counted.
  std::size_t datagram_queue_bytes = 512 * 1024;

  /// Largest UDP payload ever sent; path MTU discovery searches from 1,200 to this. 1,472 fits IPv4 on
  /// Ethernet; over IPv6 the kernel refuses what does not fit and the search ends lower.
  std::size_t max_udp_payload = 1472;
  bool path_mtu_discovery = true;
  /// A client's first datagrams are filled up to this, as far as the path takes it. Some servers (Google's
  /// quiche, so Envoy) never send larger packets than the first they got; a hop is to carry 1,200 bytes and
  /// what its own packets add.
  std::size_t first_datagram_size = 1200;

  std::vector<std::uint32_t> versions{
      version_1, version_2};  ///< in order of preference; the first is offered by a client
  bool ecn = true;
  /// Ack-eliciting packets received before an ACK is due with the next flush, at the turn's end: so one ACK
  /// for all that a turn received. With more than 1, the ACK of a single small packet waits for its timer (an
  /// eighth of the round trip, 25 ms at most), and then goes by itself instead of with the answer. No use was
  /// found for which more costs less (bench/README.md).
  std::size_t ack_threshold = 1;
  /// A client's own connection IDs; zero length would lose the means to tell connections on one socket apart.
  std::size_t connection_id_length = 8;

  bool operator==(const Config&) const = default;
};

}  // namespace sallyport::quic
