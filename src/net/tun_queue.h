// TunQueue: a PacketPort over one queue of a TUN device (net/tun_device.h): packets read are those that the
// kernel routes to the device, packets sent are received by it. Each packet is preceded by a virtio-net
// header, so super-packets and partial checksums pass both ways.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/event_loop.h"
#include "net/packet_port.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <sys/uio.h>
#include <unistd.h>

namespace sallyport::net {

/// Counters over the queue's life; read by metrics. A super-packet counts as one packet.
struct TunQueueStats {
  std::uint64_t packets_in = 0, packets_out = 0, bytes_in = 0, bytes_out = 0;
  std::uint64_t super_packets_in = 0, super_packets_out = 0;
  std::uint64_t super_packets_refused = 0;  ///< by the kernel, and sent as the packets that they are cut to
  std::uint64_t read_calls = 0, write_calls = 0;
  std::uint64_t dropped_backlog = 0;  ///< sent while the kernel took no more, and the backlog was full
  std::uint64_t dropped_invalid = 0;  ///< sent, and not a packet that can be described by a virtio-net header
  std::uint64_t dropped_error = 0;    ///< any other error of sending, such as a device that is down
  /// Read with a header that makes no sense, longer than any packet, or with an error of that packet's.
  std::uint64_t dropped_unknown = 0;
};

/// The system calls of a queue, for tests to give others.
struct TunCalls {
  ssize_t (*read)(int fd, void* bytes, std::size_t size) = ::read;
  ssize_t (*writev)(int fd, const iovec* parts, int count) = ::writev;
};

/// Any call of the receiver may close or destroy the queue. Without a receiver nothing is read, and the
/// kernel drops what overflows its own queue (Link::transmit_dropped).
class TunQueue final : public PacketPort {
 public:
  /// Packets that are read before the receiver is called, at most.
  static constexpr std::size_t batch_capacity = 128;

  /// Takes ownership of a non-blocking descriptor. `mtu` is the device's, shared with its TunDevice.
  static Result<std::unique_ptr<TunQueue>> adopt(EventLoop& loop, UniqueFd fd, std::string name,
                                                 std::shared_ptr<std::atomic<std::size_t>> mtu,
                                                 const TunCalls& calls = {});
  ~TunQueue() override;

  void set_receiver(PacketReceiver* receiver) override;
  /// Costs a system call a packet. Does not compare with mtu(): the kernel receives what is longer as well. A
  /// super-packet that the kernel refuses is cut and sent packet by packet.
  SendStatus send(std::span<const Packet> packets) override;
  /// With follow() it is the device's as anybody set it last, and the receiver gets on_mtu for each change,
  /// the owner's own (TunDevice::set_mtu()) among them.
  std::size_t mtu() const override;
  /// Follows the MTU of the device with this index, which is the queue's, in this thread's network namespace.
  Result<> follow(unsigned link);
  void set_reading(bool on) override;
  /// Clears the receiver. With its last queue a device that is not persistent is gone.
  void close();
  int fd() const;
  const TunQueueStats& stats() const;

 private:
  struct Impl;
  explicit TunQueue(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::net
