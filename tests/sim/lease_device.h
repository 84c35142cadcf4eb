// LeaseDevice: a worker's queue of a TUN device, for LeaseChurn: what comes out of tunnels goes to a
// function, and whatever is put in comes to the worker.
#pragma once

#include "net/packet_port.h"

#include <functional>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::sim {

class LeaseDevice final : public net::PacketPort {
 public:
  explicit LeaseDevice(std::function<void(Bytes packet)> out) : out_(std::move(out)) {}

  void set_receiver(net::PacketReceiver* receiver) override { receiver_ = receiver; }
  net::SendStatus send(std::span<const net::Packet> packets) override {
    for (const net::Packet& packet : packets) {
      EXPECT_EQ(packet.segment_size, 0);
      out_(packet.bytes);
    }
    return net::SendStatus::sent;
  }
  std::size_t mtu() const override { return 1500; }

  void put_in(MutableBytes packet, Time now) {
    net::Packet one{.bytes = packet};
    receiver_->on_packets({&one, 1}, now);
  }

 private:
  std::function<void(Bytes packet)> out_;
  net::PacketReceiver* receiver_ = nullptr;
};

}  // namespace sallyport::sim
