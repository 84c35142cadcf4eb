// IpFlow and IpSwitch where clients are hostile or a tunnel is another worker's.
#include "masque/ip_switch.h"

#include "masque/ip_flow_for_test.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using test::ip;
using test::IpFlowTest;
using test::MadePacket;
using test::octets;
using test::PacketBytes;
using test::prefix;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

/// Two workers: packets come to the one, and their tunnel is the other's.
class IpWorkersTest : public IpFlowTest, IpElsewhere {
 protected:
  IpWorkersTest() {
    ip_switch().set_elsewhere(*this);
    other_switch.set_elsewhere(other_);
  }
  ~IpWorkersTest() override { end(); }
  struct Back final : IpElsewhere {
    explicit Back(IpWorkersTest& its) : test(its) {}
    void tell(const net::IpPrefix&, bool) override {}
    void hand_over(unsigned worker, const net::Packet& packet) override {
      EXPECT_EQ(worker, 0u);
      net::Packet copy = packet;
      test.ip_switch().take(copy);
    }
    IpWorkersTest& test;
  };
  void tell(const net::IpPrefix& prefix, bool here) override { other_switch.note(prefix, 0, here); }
  void hand_over(unsigned, const net::Packet&) override { ADD_FAILURE() << "all tunnels are here"; }

  DeviceForTest other_device;

 private:
  Back other_{*this};

 protected:
  IpSwitch other_switch{timers, other_device, switch_options, net::CoalescerOptions{}};
};

TEST_F(IpWorkersTest, PacketsAreHandedOverToTheTunnelsWorker) {
  ExchangeForTest& exchange = ask();
  const PacketBytes down = to(exchange, "8.8.8.8").make();
  other_device.receive(down);
  EXPECT_THAT(received(exchange), ElementsAre(down));
  // What is too large is answered there, to the device.
  MadePacket large = to(exchange, "8.8.8.8", true);
  large.payload = net::some_payload(1450);
  other_device.receive(large.make());
  EXPECT_THAT(device.sent, SizeIs(1));
  // When the tunnel has ended, nobody has the address any more.
  exchange.handler()->on_end(exchange);
  other_device.receive(down);
  EXPECT_EQ(other_switch.figures().dropped[static_cast<std::size_t>(IpDrop::no_tunnel)], 1u);
  EXPECT_THAT(other_device.sent, SizeIs(1)) << "unreachable";
}

TEST_F(IpWorkersTest, AnAddressThatChangesWorkersIsTakenOverAtOnce) {
  // The other worker's note that its tunnel is gone comes late.
  ip_switch().note(prefix("10.7.0.2/32"), 1, true);
  ExchangeForTest& exchange = ask();
  EXPECT_EQ(own(exchange, true), ip("10.7.0.2"));
  ip_switch().note(prefix("10.7.0.2/32"), 1, false);
  const PacketBytes down = to(exchange, "8.8.8.8").make();
  device.receive(down);
  EXPECT_THAT(received(exchange), ElementsAre(down));
}

TEST_F(IpWorkersTest, APacketHandedOverForATunnelThatEndedIsAnswered) {
  PacketBytes packet = MadePacket{.payload = net::some_payload(10)}.make();
  net::Packet late{.bytes = packet};
  ip_switch().take(late);
  EXPECT_EQ(dropped(IpDrop::no_tunnel), 1u);
  EXPECT_THAT(device.sent, SizeIs(1));
}

TEST_F(IpFlowTest, CapsulesBeforeTheAnswerWaitForIt) {
  outbound.names["slow.test"] = {"8.8.4.4"};
  network->client_networks = {prefix("10.9.0.0/16")};
  ExchangeForTest& exchange = ask("/.well-known/masque/ip/slow.test/*/");
  const std::vector<RequestedAddress> request{{7, prefix("0.0.0.0/32")}};
  const std::vector<IpRange> ranges{range_of(prefix("10.9.1.0/24"))};
  EXPECT_TRUE(exchange.receive_capsule(capsule_address_request, write_address_request(request)));
  EXPECT_TRUE(exchange.receive_capsule(capsule_route_advertisement, *write_route_advertisement(ranges)));
  MadePacket packet{.payload = net::some_payload(10)};
  for (const char* to : {"10.7.0.2", "10.9.1.1"}) {
    packet.destination = octets(to);
    device.receive(packet.make());
  }
  send(exchange, packet.make());
  EXPECT_EQ(dropped(IpDrop::no_tunnel), 2u) << "nobody has these yet";
  EXPECT_EQ(exchange.responses.at(0).status, 200u) << "the name was found meanwhile";
  EXPECT_THAT(assigned(exchange), ElementsAre(AssignedAddress{7, prefix("10.7.0.2/32")}));
  packet.source = octets("8.8.4.4");
  device.receive(packet.make());
  EXPECT_THAT(exchange.datagrams, SizeIs(1)) << "the network is announced";
  // No more than some are kept.
  outbound.silent = true;
  ExchangeForTest& flood = ask("/.well-known/masque/ip/silent.test/*/");
  int taken = 0;
  while (taken < 100 && flood.receive_capsule(0x2a2a, octets("8.8.8.8"))) ++taken;
  EXPECT_EQ(taken, 8);
  // An error resets the stream, as it does later.
  outbound.silent = false;
  outbound.names["other.test"] = {"8.8.4.4"};
  ExchangeForTest& wrong = ask("/.well-known/masque/ip/other.test/*/");
  EXPECT_TRUE(wrong.receive_capsule(capsule_address_request, octets("9.9.9.9")));
  timers.run_deferred();
  EXPECT_THAT(wrong.resets, ElementsAre(http::ResetCode::datagram_error));
}

TEST_F(IpFlowTest, ThePacketLongerThanAnyBufferIsInvalid) {
  ExchangeForTest& exchange = ask();
  MadePacket packet = from(exchange, "2001:4860::1", true);
  packet.payload = net::some_payload(65'535 - 8);
  const PacketBytes bytes = packet.make();
  ASSERT_EQ(bytes.size(), 65'575u);
  send(exchange, bytes);
  EXPECT_EQ(dropped(IpDrop::invalid), 1u);
  EXPECT_THAT(device.sent, IsEmpty());
  packet.payload.resize(65'535 - 48);
  send(exchange, packet.make());
  EXPECT_THAT(device.sent, SizeIs(1));
}

TEST_F(IpFlowTest, TheOperatorsPortIsReachedByNobody) {
  switch_options.policy =
      TargetPolicy({prefix("198.51.100.0/24")}, nullptr, net::SocketAddress::parse("198.51.100.1:9090"));
  ExchangeForTest& exchange = ask();
  MadePacket packet = from(exchange, "198.51.100.1", true);
  packet.destination_port = 9091;
  send(exchange, packet.make());
  EXPECT_THAT(device.sent, SizeIs(1));
  packet.destination_port = 9090;
  send(exchange, packet.make());
  EXPECT_THAT(device.sent, SizeIs(1));
  EXPECT_EQ(dropped(IpDrop::policy), 1u);
}

TEST_F(IpFlowTest, IcmpErrorsThatAreSuppressedAreCounted) {
  ExchangeForTest& exchange = ask();
  const PacketBytes forbidden = from(exchange, "192.168.1.1").make();
  MadePacket nobodys = to(exchange, "8.8.8.8");
  nobodys.destination = octets("10.7.0.77");
  for (std::uint32_t i = 0; i < IcmpLimit::burst + 2; ++i) send(exchange, forbidden);
  for (std::uint32_t i = 0; i < IcmpLimit::burst + 3; ++i) device.receive(nobodys.make());
  EXPECT_EQ(ip_switch().figures().icmp_sent, 2 * IcmpLimit::burst);
  EXPECT_EQ(ip_switch().figures().icmp_suppressed, 5u);
}

TEST_F(IpFlowTest, WithoutItsDeviceTunnelsEndAndNoneAreOpened) {
  ExchangeForTest& exchange = ask();
  device.receiver->on_port_closed({ErrorKind::closed, "the device is gone"});
  ASSERT_THAT(exchange.resets, SizeIs(1));
  EXPECT_THAT(exchange.reset_why->message, testing::HasSubstr("the device is gone"));
  EXPECT_EQ(network->pool->figures(true).leased, 0u);
  EXPECT_EQ(ask().responses.at(0).status, 503u);
}

TEST_F(IpFlowTest, AnOperatorSeesTunnelsAndEndsThem) {
  EXPECT_THAT(ip_switch().tunnels(), IsEmpty());
  ExchangeForTest& exchange = ask();
  ExchangeForTest& other = ask();
  timers.advance(timers.now() + 5s);
  const PacketBytes up = from(exchange, "8.8.8.8").make(), down = to(exchange, "8.8.8.8").make();
  send(exchange, up);
  send(exchange, up);
  device.receive(down);
  auto tunnels = ip_switch().tunnels();
  ASSERT_THAT(tunnels, SizeIs(2));
  const auto found = std::ranges::find(tunnels, std::vector{own(exchange, true), own(exchange, false)},
                                       &IpTunnelFigures::addresses);
  ASSERT_NE(found, tunnels.end());
  EXPECT_EQ(found->client, connection.info().path.remote);
  EXPECT_EQ(found->version, exchange.version());
  EXPECT_EQ(found->open_for, 5s);
  EXPECT_EQ(found->packets_up, 2u);
  EXPECT_EQ(found->bytes_up, 2 * up.size());
  EXPECT_EQ(found->packets_down, 1u);
  EXPECT_EQ(found->bytes_down, down.size());

  const Error why{ErrorKind::denied, "disconnected by the operator"};
  EXPECT_FALSE(ip_switch().end_tunnel(ip("10.7.0.77"), why));
  EXPECT_TRUE(ip_switch().end_tunnel(own(exchange, false), why));
  EXPECT_THAT(exchange.resets, SizeIs(1));
  EXPECT_EQ(exchange.reset_why->message, why.message);
  EXPECT_THAT(other.resets, IsEmpty());
  EXPECT_FALSE(ip_switch().end_tunnel(own(exchange, true), why)) << "it has ended";
  EXPECT_THAT(ip_switch().tunnels(), SizeIs(1));
}

TEST_F(IpFlowTest, WhoReadsNoAnswersGetsNoMore) {
  ExchangeForTest& exchange = ask();
  exchange.queued = http::Exchange::high_water + 1;
  const std::vector<RequestedAddress> request{{7, prefix("0.0.0.0/32")}};
  EXPECT_FALSE(exchange.receive_capsule(capsule_address_request, write_address_request(request)));
}

TEST_F(IpFlowTest, NetworksAreOneTunnelsAndNotTooMany) {
  network->client_networks = {prefix("10.8.0.0/14")};
  ExchangeForTest& one = ask();
  ExchangeForTest& other = ask();
  const std::vector<IpRange> mine{range_of(prefix("10.9.0.0/16"))};
  const std::vector<IpRange> inside{range_of(prefix("10.9.1.0/24")), range_of(prefix("10.10.1.0/24"))};
  EXPECT_TRUE(one.receive_capsule(capsule_route_advertisement, *write_route_advertisement(mine)));
  EXPECT_TRUE(other.receive_capsule(capsule_route_advertisement, *write_route_advertisement(inside)));
  for (const char* to : {"10.9.1.1", "10.10.1.1"}) {
    MadePacket packet{.payload = net::some_payload(10)};
    packet.destination = octets(to);
    device.receive(packet.make());
  }
  EXPECT_THAT(one.datagrams, SizeIs(1)) << "the first has it";
  EXPECT_THAT(other.datagrams, SizeIs(1));
  std::vector<IpRange> many;
  many.reserve(65);
  for (int i = 0; i < 65; ++i) many.push_back(range_of(prefix("10.8." + std::to_string(2 * i) + ".0/24")));
  EXPECT_FALSE(one.receive_capsule(capsule_route_advertisement, *write_route_advertisement(many)));
  many.pop_back();
  EXPECT_TRUE(one.receive_capsule(capsule_route_advertisement, *write_route_advertisement(many)));
  // What was given up is the other's to have.
  EXPECT_TRUE(other.receive_capsule(capsule_route_advertisement, *write_route_advertisement(mine)));
}

}  // namespace
}  // namespace sallyport::masque
