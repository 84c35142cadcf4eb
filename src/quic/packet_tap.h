// PacketTap: sees each packet of one connection at the encryption boundary: just before it is sealed and just
// after it was opened. It counts packets, detects losses, path MTU, STOP_SENDING and key updates, feeds the
// connection's recorder, and drops packets that would fail an assertion in ngtcp2.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "quic/ack_watch.h"
#include "quic/inbound_guard.h"
#include "quic/path_mtu.h"
#include "trace/recorder.h"

#include <array>
#include <cstdint>
#include <vector>

namespace sallyport::quic {

class PacketTap {
 public:
  PacketTap(PathMtu& mtu, bool is_server) : mtu_(mtu), guard_(is_server) {}

  /// Null: no recording.
  void set_recorder(trace::Recorder* recorder) { recorder_ = recorder; }
  /// The time of the calls that follow.
  void set_now(Time now) { now_ = now; }
  /// The next key update is initiated by us.
  void expect_key_update() { key_update_is_ours_ = true; }

  /// `header`: the associated data, without header protection; `frames`: the plaintext payload.
  void on_seal(Bytes header, Bytes frames);
  /// False: ngtcp2 must not see this packet; guard().violation() says whether the connection ends by it.
  bool on_open(Bytes header, Bytes frames);
  /// A packet that failed authentication, with this header and `sealed_size` bytes after it.
  void on_undecryptable(Bytes header, std::size_t sealed_size);
  InboundGuard& guard() { return guard_; }

  /// Takes the STOP_SENDING frames received since the last call.
  std::vector<StopSending>& stops() { return stops_; }

  std::uint64_t packets_sent() const { return packets_sent_; }
  std::uint64_t packets_received() const { return packets_received_; }
  std::uint64_t packets_lost() const { return acks_.lost(); }
  std::uint64_t key_updates() const { return key_updates_; }
  /// When the first 1-RTT packet was received; the epoch when none was.
  Time first_one_rtt() const { return first_one_rtt_; }
  Time last_opened() const { return last_opened_; }
  /// When the first ack-eliciting packet since the last received packet was sent; `never`: none.
  Time unanswered_since() const { return unanswered_since_; }
  /// No ack-eliciting packet is unacknowledged any more.
  void expect_no_answer() { unanswered_since_ = never; }

 private:
  /// Initial, Handshake, and 0-RTT with 1-RTT (RFC 9000 §12.3).
  enum Space : std::uint8_t { initial_space, handshake_space, application_space, space_count };

  static trace::PacketType type_of(Bytes header);
  static Space space_of(trace::PacketType type);
  void record(trace::Direction direction, trace::PacketType type, std::uint64_t number, Bytes header,
              Bytes frames);
  void on_key_phase(bool phase);

  PathMtu& mtu_;
  InboundGuard guard_;
  trace::Recorder* recorder_ = nullptr;
  Time now_{}, first_one_rtt_{}, last_opened_{}, unanswered_since_ = never;
  AckWatch acks_;
  std::vector<StopSending> stops_;
  std::array<std::uint64_t, space_count> next_sent_{}, next_received_{};
  std::uint64_t packets_sent_ = 0, packets_received_ = 0;
  std::uint32_t key_updates_ = 0;
  bool key_phase_ = false, key_update_is_ours_ = false;
};

}  // namespace sallyport::quic
