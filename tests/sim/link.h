// Link: one direction of a host's access link. It takes time over packets, be they UDP's or TCP's, loses,
// reorders, corrupts, duplicates and marks them, and swallows those that are too large; all as its profile
// says, and by the dice of its network.
#pragma once

#include "base/random.h"
#include "net/datagram_path.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace sallyport::sim {

/// May be changed at any time; it holds for packets that enter the link from then on.
struct LinkProfile {
  Duration delay = 5ms;
  Duration jitter{};               ///< uniform in [0, jitter) on top of the delay, keeping the order
  double bits_per_second = 100e6;  ///< 0: unlimited
  std::size_t queue_bytes = 256 * 1024;
  double loss = 0, reorder = 0, corrupt = 0, duplicate = 0;  ///< probability for a packet
  Duration reorder_delay = 10ms;                             ///< how much later a reordered packet comes out
  /// Packets come out at multiples of this, several at once, as from a card that spares interrupts; 0: each
  /// by itself.
  Duration batching{};
  std::size_t mtu = 1500;      ///< IP; larger packets vanish without a word (a black hole)
  std::size_t mark_above = 0;  ///< ECT packets are marked CE while this many bytes queue; 0: never
  bool down = false;           ///< nothing passes
  /// Of the link up: probability that a run finds a UDP socket's send queue full, and for how long it is.
  double blocked = 0;
  Duration blocked_for = 2ms;
};

enum class Protocol : std::uint8_t { udp, tcp };

/// On its way.
struct Packet {
  net::NetPath path;                ///< as its sender is seen from outside
  std::vector<std::uint8_t> bytes;  ///< UDP's payload; a TcpSegment, its header too
  net::Ecn ecn = net::Ecn::not_ect;
  Protocol protocol = Protocol::udp;
};

/// In bytes; of packets to or from `address`.
inline std::size_t ip_header_size(const net::SocketAddress& address) {
  return address.family() == AF_INET6 ? 40 : 20;
}

struct LinkCounters {
  std::uint64_t entered = 0, lost = 0, too_large = 0, queue_full = 0;
  std::uint64_t reordered = 0, corrupted = 0, duplicated = 0, marked = 0;
};

/// Rolls the dice of one simulation. Apart from the endpoints' random bytes, so that a change there leaves
/// the network as it was.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  /// Uniform in [0, 1).
  double unit() { return static_cast<double>(random_.next_u64() >> 11) * 0x1.0p-53; }
  bool happens(double probability) { return probability > 0 && unit() < probability; }
  /// Uniform in [0, bound); `bound` > 0.
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  Duration span(Duration bound) {
    return bound > Duration::zero() ? Duration(below(static_cast<std::uint64_t>(bound.count())))
                                    : Duration::zero();
  }

 private:
  SeededRandom random_;
};

class Link {
 public:
  using Out = std::function<void(Time when, Packet packet)>;

  LinkProfile profile;
  /// Says by `out` when the packet, and perhaps a second copy of it, comes out at the other end.
  void pass(const Packet& packet, Time now, Dice& dice, const Out& out);
  const LinkCounters& counters() const { return counters_; }

 private:
  void pass_one(Packet packet, Time now, Dice& dice, const Out& out);

  LinkCounters counters_;
  Time free_{};  // when what is queued will have been sent
  Time last_{};  // when the last one that kept the order comes out
};

}  // namespace sallyport::sim
