// InboundGuard: keeps from ngtcp2 1.11 the authentic packets that would reach one of its assertions, by their
// frames and packet numbers, before it reads them. An honest peer sends none of these. One for each
// connection, owned by its PacketTap, which asks it about each 1-RTT and 0-RTT packet.
//
//   HANDSHAKE_DONE (RFC 9000 §19.20) that reaches a client before its Finished has left: ngtcp2 discards the
//   Handshake packet number space and goes on using it.
//   NEW_CONNECTION_ID with Retire Prior To (§19.15) before a client has left the handshake: ngtcp2 assumes
//   that the first connection ID is still in use.
//   Connection IDs without end by a peer that never acknowledges their RETIRE_CONNECTION_ID: ngtcp2 has room
//   for 16 of them, and asserts it where a packet on a new path retires one.
//   Packet numbers near 2^62: reckoned beyond the largest one.
#pragma once

#include "quic/frame_reader.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace sallyport::quic {

class InboundGuard {
 public:
  /// Connection IDs of the peer's in use, or retired without an acknowledgement: so many ngtcp2 can hold.
  static constexpr std::size_t max_outstanding_ids = 16;
  static constexpr std::uint64_t max_packet_number = std::uint64_t{1} << 61;

  explicit InboundGuard(bool is_server) : confirmable_(is_server), left_handshake_(is_server) {}

  /// Whether ngtcp2 may read a packet with this number and these frames. Where it may not, violation() says
  /// whether the connection is to end; otherwise the packet counts as lost.
  bool admits(std::uint64_t number, const ScannedFrames& frames);
  /// The transport error (RFC 9000 §20.1) that the connection is to be closed with.
  std::optional<std::uint64_t> violation() const { return violation_; }

  /// A client sent a packet of the Handshake space.
  void on_handshake_packet_sent() { handshake_packet_sent_ = true; }
  /// A client's ngtcp2_conn left the handshake (its dcid_status callback tells).
  void on_handshake_left() { left_handshake_ = true; }

  /// Whether on_sent() wants to see the frames of packets sent: only once the peer replaces its IDs.
  bool follows_retirements() const { return outstanding_.size() > ordinary_ids; }
  void on_sent(std::uint64_t number, const ScannedFrames& frames);
  void on_ack(const AckRanges& ack);

 private:
  static constexpr std::size_t ordinary_ids = 4;  // active_connection_id_limit: they come once, at the start

  bool take_id(std::uint64_t sequence);
  bool close_with(std::uint64_t code);

  /// RETIRE_CONNECTION_ID frames under way.
  struct Retirement {
    std::uint64_t number = 0, sequence = 0;
  };
  std::vector<std::uint64_t> outstanding_{0};  // sequence numbers; the first ID came with the handshake
  std::vector<Retirement> retirements_;
  std::size_t oldest_retirement_ = 0;
  std::uint64_t next_sequence_ = 1;  // one more than the largest seen
  std::uint64_t seen_ = 1;           // bit i: next_sequence_ - 1 - i was seen
  std::optional<std::uint64_t> violation_;
  bool confirmable_, left_handshake_;
  bool handshake_packet_sent_ = false;
};

}  // namespace sallyport::quic
