// IpTunnel against a hop that this test plays; both real sides: ip_tunnels_test.cpp.
#include "masque/ip_tunnel.h"

#include "masque/doubles_for_test.h"
#include "net/packets_for_test.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

struct Packets final : net::PacketReceiver {
  void on_packets(std::span<net::Packet> packets, Time) override {
    for (const net::Packet& packet : packets) received.emplace_back(packet.bytes.begin(), packet.bytes.end());
  }
  std::vector<net::PacketBytes> received;
};

struct IpTunnelTest : testing::Test {
  IpTunnelTest() {
    tunnel = std::move(IpTunnel::open(connection,
                                      ProxyTemplate::parse("https://proxy.example", Protocol::ip).value(), {},
                                      {}, {})
                           .value());
    tunnel->set_receiver(&packets);
    connection.last().handler()->on_response(connection.last(), {.status = 200});
  }
  void assign(std::string_view prefix) {
    const std::vector<AssignedAddress> all{{0, net::IpPrefix::parse(prefix).value()}};
    EXPECT_TRUE(connection.last().receive_capsule(capsule_address_assign, write_address_assign(all)));
  }
  /// Whether a packet for that address is taken.
  bool takes(const net::PacketBytes& destination) {
    net::MadePacket made{.is_v6 = destination.size() == 16, .payload = net::some_payload(100)};
    made.destination = destination;
    const net::PacketBytes packet = made.make();
    const std::size_t before = packets.received.size();
    connection.last().receive_datagram(std::string(1, '\0') + std::string(as_text(packet)));
    return packets.received.size() > before;
  }

  net::Timers timers{Time{1000s}};
  ConnectionForTest connection{timers};
  Packets packets;
  std::unique_ptr<IpTunnel> tunnel;
};

TEST_F(IpTunnelTest, TakesWhatIsForTheAddressThatItWasAssigned) {
  EXPECT_FALSE(takes({10, 7, 0, 2})) << "none yet";
  assign("10.7.0.2/32");
  EXPECT_TRUE(takes({10, 7, 0, 2}));
  EXPECT_FALSE(takes({10, 7, 0, 3}));
  assign("10.7.0.3/32");
  EXPECT_FALSE(takes({10, 7, 0, 2})) << "that was taken back";
  EXPECT_EQ(tunnel->counters().dropped_destination, 3u);
}

// Half of all addresses are not this machine's because a proxy says so.
TEST_F(IpTunnelTest, OfAnAssignedPrefixOnlyTheFirstAddressIsOurs) {
  assign("128.0.0.0/1");
  EXPECT_TRUE(takes({128, 0, 0, 0}));
  EXPECT_FALSE(takes({192, 168, 1, 1}));
  assign("fd07::/64");
  net::PacketBytes address(16, 0);
  address[0] = 0xfd;
  address[1] = 0x07;
  EXPECT_TRUE(takes(address));
  address[15] = 1;
  EXPECT_FALSE(takes(address));
}

}  // namespace
}  // namespace sallyport::masque
