// A TUN device of which tests see what it is sent, and which receives what they say.
#pragma once

#include "net/packet_port.h"
#include "net/packets_for_test.h"

#include <span>
#include <vector>

namespace sallyport::masque {

/// A TUN device that keeps what it is sent.
class DeviceForTest final : public net::PacketPort {
 public:
  void set_receiver(net::PacketReceiver* its) override { receiver = its; }
  net::SendStatus send(std::span<const net::Packet> packets) override {
    for (const net::Packet& packet : packets) sent.emplace_back(packet.bytes.begin(), packet.bytes.end());
    return net::SendStatus::sent;
  }
  std::size_t mtu() const override { return 1500; }

  void receive(net::PacketBytes bytes, std::uint16_t segment_size = 0, bool partial = false) {
    net::Packet packet{.bytes = bytes, .segment_size = segment_size, .checksum_partial = partial};
    receiver->on_packets({&packet, 1}, Time{1000s});
  }

  net::PacketReceiver* receiver = nullptr;
  std::vector<net::PacketBytes> sent;
};

}  // namespace sallyport::masque
