// Coalescer: joins consecutive TCP segments, or UDP datagrams, of one flow into super-packets, as GRO does,
// so that a TUN device takes them in one write and the kernel's stack works on them once. What was joined can
// be cut again into the same packets (net/segment.h). Fed during a turn of the event loop and flushed at its
// end: nothing is delayed.
#pragma once

#include "base/bytes.h"
#include "net/packet_port.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace sallyport::net {

struct IpPacket;

struct CoalescerOptions {
  bool tcp = true;
  bool udp = true;  ///< only where the device takes UDP super-packets (TUN_F_USO4 and TUN_F_USO6)
};

class Coalescer {
 public:
  /// Gets the packets, whose bytes are valid only during the call, in which the Coalescer must be neither
  /// called nor destroyed.
  using Output = std::move_only_function<void(const Packet&)>;
  explicit Coalescer(Output output, const CoalescerOptions& options = {});
  ~Coalescer();
  Coalescer(const Coalescer&) = delete;
  Coalescer& operator=(const Coalescer&) = delete;

  /// Copies the packet and keeps it, joined to those before where it can be; or puts it out at once, after
  /// what is kept of its flow. The packets of a flow never overtake each other. One with a wrong checksum, or
  /// none, is never joined. Super-packets, fragments and what is no IP packet go out as they are.
  void add(const Packet& packet);
  /// Puts out all that is kept, the oldest first.
  void flush();

 private:
  struct Flow;
  // When more than these have something kept, the oldest is put out: 1 MiB of buffers at most, which are
  // allocated when they are first needed, and stay.
  static constexpr std::size_t max_flows = 16;

  std::size_t find(std::uint64_t hash, Bytes packet, const IpPacket& parsed) const;
  Flow& start(std::uint64_t hash);
  void put_out(std::size_t position);
  void put_out_between(Bytes packet, const IpPacket& parsed);

  Output output_;
  CoalescerOptions options_;
  // The first `kept_` are in use, the oldest first.
  std::array<std::unique_ptr<Flow>, max_flows> flows_;
  std::size_t kept_ = 0;
};

}  // namespace sallyport::net
