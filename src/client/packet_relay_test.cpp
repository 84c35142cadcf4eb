#include "client/packet_relay.h"

#include "net/packet_fields.h"
#include "net/packets_for_test.h"

#include <algorithm>
#include <span>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using net::MadePacket;
using net::PacketBytes;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class PortForTest final : public net::PacketPort {
 public:
  void set_receiver(net::PacketReceiver* its) override { receiver = its; }
  net::SendStatus send(std::span<const net::Packet> packets) override {
    if (status == net::SendStatus::sent || status == net::SendStatus::blocked)
      for (const net::Packet& packet : packets) sent.emplace_back(packet.bytes.begin(), packet.bytes.end());
    return status;
  }
  std::size_t mtu() const override { return size; }
  void set_reading(bool on) override { reading = on; }
  void receive(PacketBytes bytes) const {
    net::Packet packet{.bytes = bytes};
    receiver->on_packets({&packet, 1}, Time{1000s});
  }

  net::PacketReceiver* receiver = nullptr;
  std::vector<PacketBytes> sent;
  net::SendStatus status = net::SendStatus::sent;
  std::size_t size = 1400;
  bool reading = true;
};

struct PacketRelayTest : testing::Test {
  net::Timers timers{Time{1000s}};
  PortForTest device, tunnel;
  PacketRelay relay{timers, device, {}};
  const PacketBytes packet = MadePacket{.payload = net::some_payload(100)}.make();
};

TEST_F(PacketRelayTest, PacketsPassBothWays) {
  relay.set_tunnel(&tunnel);
  device.receive(packet);
  EXPECT_THAT(tunnel.sent, ElementsAre(packet));
  tunnel.receive(packet);
  EXPECT_THAT(device.sent, IsEmpty()) << "what comes in one turn may be joined";
  timers.run_deferred();
  EXPECT_THAT(device.sent, ElementsAre(packet));
  EXPECT_EQ(relay.counters().packets_up, 1u);
  EXPECT_EQ(relay.counters().bytes_down, packet.size());
}

TEST_F(PacketRelayTest, WithoutATunnelTheSenderIsTold) {
  device.receive(packet);
  ASSERT_THAT(device.sent, SizeIs(1));
  EXPECT_EQ(device.sent[0][20], 3) << "Destination Unreachable";
  device.receive({1, 2, 3});
  EXPECT_EQ(relay.counters().dropped_invalid, 1u);
}

TEST_F(PacketRelayTest, WhatIsTooLargeIsAnsweredWithTheSizeThatFits) {
  relay.set_tunnel(&tunnel);
  relay.set_own(net::IpAddress::parse("fd07::9"));
  tunnel.status = net::SendStatus::too_large;
  tunnel.size = 1300;
  device.receive(packet);
  ASSERT_THAT(device.sent, SizeIs(1));
  const PacketBytes& answer = device.sent[0];
  EXPECT_EQ(answer[20], 3);
  EXPECT_EQ(answer[21], 4);
  EXPECT_EQ(answer[26] * 256 + answer[27], 1300);
  EXPECT_EQ(net::parse_ip(answer).value().source, net::parse_ip(packet).value().destination)
      << "an address of the machine's own would be a martian to its kernel";
  EXPECT_EQ(relay.counters().dropped_too_large, 1u);
}

TEST_F(PacketRelayTest, AFullTunnelHoldsTheDeviceBack) {
  relay.set_tunnel(&tunnel);
  tunnel.status = net::SendStatus::blocked;
  device.receive(packet);
  EXPECT_FALSE(device.reading);
  tunnel.receiver->on_port_writable(Time{1000s});
  EXPECT_TRUE(device.reading);
  tunnel.status = net::SendStatus::dropped;
  device.receive(packet);
  EXPECT_EQ(relay.counters().dropped_queue, 1u);
}

TEST_F(PacketRelayTest, SegmentSizesAreLoweredBothWays) {
  relay.set_tunnel(&tunnel);
  MadePacket syn;
  syn.flags = net::tcp::syn;
  syn.options = {2, 4, 0x05, 0xb4};  // 1460
  device.receive(syn.make());
  ASSERT_THAT(tunnel.sent, SizeIs(1));
  EXPECT_EQ(tunnel.sent[0][42] * 256 + tunnel.sent[0][43], 1360);
  tunnel.receive(syn.make());
  timers.run_deferred();
  ASSERT_THAT(device.sent, SizeIs(1));
  EXPECT_EQ(device.sent[0][42] * 256 + device.sent[0][43], 1360);
}

TEST_F(PacketRelayTest, AnotherSizeIsTold) {
  int told = 0;
  relay.set_mtu_handler([&] { ++told; });
  relay.set_tunnel(&tunnel);
  tunnel.receiver->on_mtu(1280);
  EXPECT_EQ(told, 1);
}

TEST_F(PacketRelayTest, LetsGoOfBothAtTheEnd) {
  {
    PortForTest other_device;
    PacketRelay other(timers, other_device, {});
    other.set_tunnel(&tunnel);
    other.set_tunnel(nullptr);
    EXPECT_EQ(tunnel.receiver, nullptr);
    other.set_tunnel(&tunnel);
  }
  EXPECT_EQ(tunnel.receiver, nullptr);
}

TEST_F(PacketRelayTest, WhatComesWithoutATunnelIsCountedAndAnswered) {
  device.receive(packet);
  EXPECT_EQ(relay.counters().dropped_no_tunnel, 1u);
  EXPECT_EQ(relay.counters().packets_up, 0u);
}

TEST_F(PacketRelayTest, ADeviceWithAnotherMtuIsToldOf) {
  std::vector<std::size_t> told;
  relay.set_device_mtu_handler([&](std::size_t mtu) { told.push_back(mtu); });
  device.receiver->on_mtu(1300);
  EXPECT_THAT(told, ElementsAre(1300u));
}

TEST_F(PacketRelayTest, SegmentsFitTheNarrowerSide) {
  MadePacket made;
  made.flags = net::tcp::syn;
  made.options = {2, 4, 0x05, 0xb4};  // 1460
  const PacketBytes syn = made.make();
  const auto mss_of = [](const PacketBytes& bytes) { return bytes[42] * 256 + bytes[43]; };
  relay.set_tunnel(&tunnel);
  device.size = 1300;
  device.receive(syn);
  ASSERT_THAT(tunnel.sent, SizeIs(1));
  EXPECT_EQ(mss_of(tunnel.sent[0]), 1260);
  tunnel.size = 1280;
  device.receive(syn);
  EXPECT_EQ(mss_of(tunnel.sent[1]), 1240);
}

}  // namespace
}  // namespace sallyport::client
