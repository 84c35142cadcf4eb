// PathMtu: how large a connection's packets may be, as found by path MTU discovery (RFC 9000 §14.3, RFC
// 8899). ngtcp2's own shaping is off, because it would hold DATAGRAM frames to 1,200 bytes for a round trip;
// the sizes given here are what it is handed as room instead. It sees every packet at the encryption
// boundary.
//
//  - Stream and control packets keep to what is proven: 1,200 bytes at first.
//  - During the first search, and in later ones that test with data, packets with DATAGRAM frames may take
//  the
//    size under test: nested connections need more than 1,200 bytes at once, nothing is retransmitted if it
//    does not fit, and the payload's sender has a search of its own.
//  - The first search is ngtcp2's (probes of PING and PADDING, which congestion control does not mind
//  losing).
//    Later ones (the path grew, or turned out narrower) test with DATAGRAM frames that the peer discards,
//    where the application knows such, else with single packets of data, because ngtcp2 has no way to search
//    again. Such frames also verify a suspicion that the path became narrower, a large one and a small one
//    together. With frames of its own a hop's connection does not wait for those inside it, whose own
//    searches and timeouts would starve its: it settles first, and they follow it within a round trip each.
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
  /// Nothing large was answered for a while: the next packet had better be a small one.
  bool suspects_black_hole() const { return suspect_; }

  /// The handshake is complete: ngtcp2's search begins.
  void start(Time now);
  /// ngtcp2's search is on: before each flush, offer it probe_room() with nothing else to send.
  bool wants_probe() const { return phase_ == Phase::first_search; }
  std::size_t probe_room() const { return limit_; }
  /// That offer was not taken. `could`: congestion control would have let it.
  void on_probe_not_taken(Time now, Duration pto, bool could);

  /// A packet of padding_size() bytes, filled with a padding datagram (Application::padding_datagram()), is
  /// welcome. Whether there can be one is to be said by set_padding() before it is sent.
  bool welcomes_padding() const {
    return verifies_ || (phase_ == Phase::later_search && candidate_.size == 0);
  }
  std::size_t padding_size() const { return verifies_ ? proven_ : target_; }
  void set_padding(bool available) {
    padding_ = available;
    verifies_ = verifies_ && available;
  }
  /// It was sent, and a small one right behind it, which shows whether only large ones are lost. It may have
  /// been a few bytes shorter.
  void on_padding_sent(Time now);

  /// The path below, or the peer, allows another size from now on. Smaller holds at once; larger begins a
  /// search.
  void set_limit(std::size_t limit, Time now);
  /// A datagram that needs a packet of `size` bytes did not fit datagram_packet_size(). The search that
  /// settled on it may have been misled by loss, and a connection inside this one that needs more would stand
  /// still for good: so that one size is tested again, now and then. Not more, as each test may cost
  /// congestion window, and whoever sends through a tunnel can ask for it.
  void on_refused(std::size_t size, Time now);
  /// Another network path: everything is to be proven anew, ngtcp2 searches by itself.
  void restart(std::size_t limit, Time now);

  void on_sent(std::uint64_t number, std::size_t size, Bytes frames, Time now) {
    if (size > minimum_udp_payload) on_large_sent(number, size, frames, now);
    last_sent_ = number;
  }
  /// An acknowledgement of 1-RTT packets.
  void on_ack(const AckRanges& ack, Time now) {
    if (candidate_.size != 0 || witness_.size != 0 || sample_.size != 0) judge(ack, now);
  }
  /// Once a flush: notices what stays unanswered. `pto` as ngtcp2 computes it now.
  void on_turn(Time now, Duration pto);
  /// Whether on_turn() has anything to look at.
  bool watching() const { return phase_ != Phase::idle || sample_.size != 0 || retry_at_ != never; }
  /// When on_turn() is to be called at the latest.
  Time deadline() const { return deadline_; }

  /// Sizes for ngtcp2's search: `limit`, then halving what is left, so that whatever a nested path carries is
  /// found to the byte (within a few where jumbo frames may be). Its search takes them in this order and
  /// leaves out what is already decided. Valid until the thread asks for another limit.
  static const std::vector<std::uint16_t>& probe_sizes(std::size_t limit);

 private:
  static std::vector<std::uint16_t> make_probe_sizes(std::size_t limit);
  enum class Phase : std::uint8_t {
    handshake,     // nothing known
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
  /// `large` is the padding sent last, and the small packet behind it is acknowledged.
  bool small_one_passed(const Watched& large, const AckRanges& ack) const {
    return large.number == padded_.number && small_ > large.number && ack.covers(small_);
  }
  /// How near a later search goes.
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
  bool unprobed_ = false;  // another path, of which ngtcp2 has not sent a probe (on a server it does not)
  bool refused_ = false;   // later_search: for one size that a datagram needs; streams keep to what is proven
  bool padding_ = false;   // padding datagrams can be had: they test, and nothing else is at risk
  bool verifies_ = false;  // a sample was lost: whether the path still carries what is proven
  bool suspect_ = false;   // nothing large is answered: send small, to see whether that is
  std::uint8_t test_losses_ = 0, large_losses_ = 0;
  Watched candidate_;  // the probe, or in a later search the packet of data, that tests a size
  Watched witness_;  // one that is deemed lost, or waited for by nobody, and may be acknowledged all the same
  Watched sample_;   // one of those in flight that are larger than 1,200 bytes
  std::uint64_t last_sent_ = 0, suspect_since_ = 0;
  Watched last_large_, padded_;  // the last one larger than 1,200 bytes; the last that padding filled
  std::uint64_t small_ = 0;      // the small packet behind it
  Time last_probe_{}, deadline_ = never, retry_at_ = never;
  Duration longest_pto_{};  // of ngtcp2's search
  Time refusal_counts_from_{};
  Duration refusal_pause_ = 1s;  // doubles with each search that a refusal began
};

}  // namespace sallyport::quic
