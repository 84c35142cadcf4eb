// PathMtu: path MTU discovery (RFC 9000 §14.3, RFC 8899): the maximum size of a connection's packets.
// ngtcp2's own packet size shaping is off, because it would limit DATAGRAM frames to 1,200 bytes for a round
// trip; the sizes given here are passed to ngtcp2 as room instead. PathMtu sees every packet at the
// encryption boundary.
//
// - Stream and control packets use the proven size: 1,200 bytes at first.
// - During the first search, and in later ones that probe with data, packets with DATAGRAM frames may
//   have the probed size: nested connections need more than 1,200 bytes at once, lost DATAGRAM frames are
//   not retransmitted, and the sender of the payload does its own path MTU discovery.
// - The first search is ngtcp2's (probes of PING and PADDING, whose loss does not affect congestion
//   control). ngtcp2 cannot search again, so later searches (the path's size grew or shrank) probe with
//   DATAGRAM frames that the peer discards, where the application has such, and else with single packets
//   of data.
// - The same frames verify a suspected black hole: a large one and a small one together.
// - A hop's connection with such frames does not depend on the nested connections, whose searches and
//   timeouts would delay its own. It finds its size first; each nested connection follows within a round
//   trip.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "quic/config.h"
#include "quic/frame_reader.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::quic {

class PathMtu {
 public:
  /// `limit`: the largest size that the configuration, the path below and the peer allow.
  PathMtu(std::size_t limit, bool discover);

  /// Room for the next packet of streams, acknowledgements and control frames.
  std::size_t stream_packet_size() const;
  /// Room for the next packet of DATAGRAM frames.
  std::size_t datagram_packet_size() const;
  std::size_t proven() const { return proven_; }
  /// No large packet was acknowledged for a while: the next packet should be small.
  bool suspects_black_hole() const { return suspect_; }

  /// The handshake is complete: ngtcp2's search begins.
  void start(Time now);
  /// ngtcp2's search is on: before each flush, offer it probe_room() with nothing else to send.
  bool wants_probe() const { return phase_ == Phase::first_search; }
  std::size_t probe_room() const { return limit_; }
  /// ngtcp2 did not use the offer. `could`: the congestion window had room.
  void on_probe_not_taken(Time now, Duration pto, bool could);

  /// A packet of padding_size() bytes, filled with a padding datagram (Application::padding_datagram()),
  /// should be sent. Call set_padding() first to say whether one is available.
  bool welcomes_padding() const {
    return verifies_ || (phase_ == Phase::later_search && candidate_.size == 0);
  }
  std::size_t padding_size() const { return verifies_ ? proven_ : target_; }
  void set_padding(bool available) {
    padding_ = available;
    verifies_ = verifies_ && available;
  }
  /// The padding packet was sent (perhaps a few bytes shorter), directly followed by a small packet, which
  /// shows whether only large packets are lost.
  void on_padding_sent(Time now);

  /// The limit of the path below, or of the peer, has changed. A smaller one applies at once; a larger one
  /// starts a search.
  void set_limit(std::size_t limit, Time now);
  /// A datagram that needs a packet of `size` bytes did not fit datagram_packet_size(). Packet loss may have
  /// misled the last search, and a nested connection that needs this size would be blocked for good. So this
  /// one size is tested again, at a low rate: each test may cost congestion window, and any client of a
  /// tunnel can cause it.
  void on_refused(std::size_t size, Time now);
  /// The connection migrated: every size must be proven again, and ngtcp2 searches by itself.
  void restart(std::size_t limit, Time now);

  void on_sent(std::uint64_t number, std::size_t size, Bytes frames, Time now) {
    if (size > minimum_udp_payload) on_large_sent(number, size, frames, now);
    last_sent_ = number;
  }
  /// An ACK frame for 1-RTT packets was received.
  void on_ack(const AckRanges& ack, Time now) {
    if (candidate_.size != 0 || witness_.size != 0 || sample_.size != 0) judge(ack, now);
  }
  /// Called once for each flush: detects probes that are not acknowledged. `pto`: ngtcp2's current probe
  /// timeout.
  void on_turn(Time now, Duration pto);
  /// Whether on_turn() has work to do.
  bool watching() const { return phase_ != Phase::idle || sample_.size != 0 || retry_at_ != never; }
  /// The deadline for the next on_turn().
  Time deadline() const { return deadline_; }

  /// Probe sizes for ngtcp2's search: `limit`, then by bisection. A nested path's size is found to the byte
  /// (to within a few bytes with jumbo frames). ngtcp2 takes them in this order and skips sizes that are
  /// already decided. Valid until the thread calls this with another limit.
  static const std::vector<std::uint16_t>& probe_sizes(std::size_t limit);

 private:
  static std::vector<std::uint16_t> make_probe_sizes(std::size_t limit);
  enum class Phase : std::uint8_t {
    handshake,     // nothing is known
    first_search,  // ngtcp2 probes
    later_search,  // padding datagrams probe, or packets of data
    idle,
  };
  struct Watched {
    std::uint64_t number = 0;
    std::size_t size = 0;  // 0: none
    Time sent{};
  };

  void on_large_sent(std::uint64_t number, std::size_t size, Bytes frames, Time now);
  void judge(const AckRanges& ack, Time now);
  /// `large` is the last padding packet, and the small packet sent after it is acknowledged.
  bool small_one_passed(const Watched& large, const AckRanges& ack) const {
    return large.number == padded_.number && small_ > large.number && ack.covers(small_);
  }
  /// The precision of a later search.
  std::size_t grain() const;
  void search_again(std::size_t first_target, std::size_t failed, Time now);
  void test_next(Time now);
  void on_test_failed(Time now);
  void on_sample_lost(Time now, unsigned weight);
  void finish(Time now);

  std::size_t limit_;
  std::size_t proven_ = minimum_udp_payload;
  std::size_t target_ = 0;  // later_search: the size under test
  std::size_t failed_ = 0;  // later_search: this size and larger ones do not fit
  Phase phase_ = Phase::handshake;
  bool discover_;
  bool limit_changed_ = false;  // during ngtcp2's search, which does not know
  bool unprobed_ = false;       // a new path that ngtcp2 has not probed (a server's ngtcp2 does not probe)
  bool refused_ = false;   // later_search: for one size that a datagram needs; streams use the proven size
  bool padding_ = false;   // padding datagrams are available and probe; no data is at risk
  bool verifies_ = false;  // a sample was lost: verify that the path still carries the proven size
  bool suspect_ = false;   // no large packet is acknowledged: send a small one, to see whether that is
  std::uint8_t test_losses_ = 0, large_losses_ = 0;
  Watched candidate_;  // the probe, or in a later search the packet of data, that tests a size
  Watched witness_;    // deemed lost, or no longer awaited; may still be acknowledged
  Watched sample_;     // one packet in flight larger than 1,200 bytes
  std::uint64_t last_sent_ = 0, suspect_since_ = 0;
  Watched last_large_, padded_;  // the last one larger than 1,200 bytes; the last that padding filled
  std::uint64_t small_ = 0;      // the small packet behind it
  Time last_probe_{}, deadline_ = never, retry_at_ = never;
  Duration longest_pto_{};  // of ngtcp2's search
  Time refusal_counts_from_{};
  Duration refusal_pause_ = 1s;  // doubles with each search started by a refusal
};

}  // namespace sallyport::quic
