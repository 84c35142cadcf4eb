// InboundGuard: drops authenticated packets that would fail an assertion in ngtcp2 1.11, by their frames and
// packet numbers, before ngtcp2 reads them. A conforming peer sends none of these. One for each connection,
// owned by its PacketTap, which asks it about each 1-RTT and 0-RTT packet.
//
//   HANDSHAKE_DONE (RFC 9000 §19.20) received by a client before it sent its Finished: ngtcp2 discards the
//   Handshake packet number space and continues to use it. NEW_CONNECTION_ID with Retire Prior To (§19.15)
//   before a client has left the handshake: ngtcp2 assumes that the first connection ID is still in use.
//   Unlimited new connection IDs from a peer that never acknowledges their RETIRE_CONNECTION_ID: ngtcp2 has
//   room for 16 of them, and asserts this where a packet on a new path retires one. Packet numbers near 2^62:
//   decoded to more than the maximum.
#pragma once

#include "quic/frame_reader.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sallyport::quic {

class InboundGuard {
 public:
  /// ngtcp2's limit on the peer's connection IDs in use, or retired and not yet acknowledged.
  static constexpr std::size_t max_outstanding_ids = 16;
  static constexpr std::uint64_t max_packet_number = std::uint64_t{1} << 61;

  explicit InboundGuard(bool is_server) : confirmable_(is_server), left_handshake_(is_server) {}

  /// Whether ngtcp2 may read a packet with this number and these frames. If not, violation() says whether the
  /// connection is closed; otherwise the packet is treated as lost.
  bool admits(std::uint64_t number, const ScannedFrames& frames);
  struct Violation {
    std::uint64_t code;  ///< the transport error (RFC 9000 §20.1) for CONNECTION_CLOSE
    std::string_view reason;
  };
  std::optional<Violation> violation() const { return violation_; }

  /// A client sent a packet of the Handshake space.
  void on_handshake_packet_sent() { handshake_packet_sent_ = true; }
  /// A client's ngtcp2_conn left the handshake (its dcid_status callback tells).
  void on_handshake_left() { left_handshake_ = true; }

  /// A packet was received on another path than the current one: a connection ID of the peer may be retired.
  void on_other_path() { following_ = true; }
  /// Whether on_sent() wants to see the frames of packets sent: while IDs of the peer's are being replaced.
  bool follows_retirements() const { return following_; }
  void on_sent(std::uint64_t number, const ScannedFrames& frames);
  void on_ack(const AckRanges& ack);

 private:
  static constexpr std::size_t ordinary_ids = 4;  // active_connection_id_limit: they come once, at the start

  bool take_id(std::uint64_t sequence);
  bool close_with(const Violation& violation);

  /// The newest packet with a RETIRE_CONNECTION_ID frame: ngtcp2 may have forgotten earlier ones.
  struct Retirement {
    std::uint64_t number = 0, sequence = 0;
  };
  std::vector<std::uint64_t> outstanding_{0};  // sequence numbers; the first ID came with the handshake
  std::vector<Retirement> retirements_;        // one a sequence number, all of them in outstanding_
  std::uint64_t next_sequence_ = 1;            // one more than the largest seen
  std::uint64_t seen_ = 1;                     // bit i: next_sequence_ - 1 - i was seen
  std::optional<Violation> violation_;
  bool following_ = false;
  bool confirmable_, left_handshake_;
  bool handshake_packet_sent_ = false;
};

}  // namespace sallyport::quic
