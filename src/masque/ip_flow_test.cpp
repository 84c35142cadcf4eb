// Proxy, IpFlow and IpSwitch: CONNECT-IP requests in, packets both ways between tunnels and a device.
#include "masque/ip_flow.h"

#include "masque/ip_flow_for_test.h"
#include "net/packet_fields.h"

#include <cstdint>
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

TEST_F(IpFlowTest, AssignsAddressesAndAdvertisesRoutesAtOnce) {
  ExchangeForTest& exchange = ask();
  ASSERT_THAT(exchange.responses, SizeIs(1));
  EXPECT_EQ(exchange.responses[0].status, 200u);
  EXPECT_EQ(exchange.responses[0].fields.find("capsule-protocol"), "?1");
  EXPECT_TRUE(exchange.capsules);
  EXPECT_THAT(assigned(exchange), ElementsAre(AssignedAddress{0, prefix("10.7.0.2/32")},
                                              AssignedAddress{0, prefix("fd07::2/128")}));
  EXPECT_THAT(advertised(exchange), ElementsAre(range_of(prefix("0.0.0.0/0")), range_of(prefix("::/0"))));
  EXPECT_EQ(exchange.addresses, "10.7.0.2,fd07::2");
  EXPECT_EQ(proxy().counters().open[Protocol::ip], 1u);
  EXPECT_EQ(proxy().counters().tunnels[Protocol::ip], 1u);
}

TEST_F(IpFlowTest, RoutesAreThoseOfTheScope) {
  network->routes = {range_of(prefix("8.0.0.0/8")), range_of(prefix("2001:db8::/32"))};
  EXPECT_THAT(advertised(ask("/.well-known/masque/ip/8.8.8.0%2F24/17/")),
              ElementsAre(range_of(prefix("8.8.8.0/24"), 17)));
  ExchangeForTest& v4 = ask("/.well-known/masque/ip/8.8.8.8/*/");
  EXPECT_THAT(assigned(v4), SizeIs(1));
  ExchangeForTest& elsewhere = ask("/.well-known/masque/ip/9.9.9.9/*/");
  EXPECT_EQ(elsewhere.responses.at(0).status, 403u);
  EXPECT_THAT(elsewhere.sent_capsules, IsEmpty());
  EXPECT_EQ(ask("/.well-known/masque/ip/*/43/").responses.at(0).status, 400u) << "an extension header";
  EXPECT_EQ(ask("/.well-known/masque/ip/*/").responses.at(0).status, 400u);
  EXPECT_EQ(ask("/elsewhere/").responses.at(0).status, 404u);
}

TEST_F(IpFlowTest, ANameIsResolvedFirst) {
  outbound.names["host.test"] = {"8.8.4.4", "2001:4860::1"};
  ExchangeForTest& exchange = ask("/.well-known/masque/ip/host.test/*/");
  EXPECT_THAT(exchange.responses, IsEmpty());
  timers.run_deferred();
  EXPECT_EQ(exchange.responses.at(0).status, 200u);
  EXPECT_THAT(advertised(exchange),
              ElementsAre(range_of(prefix("8.8.4.4/32")), range_of(prefix("2001:4860::1/128"))));
  outbound.names["inside.test"] = {"192.168.0.1"};
  ExchangeForTest& inside = ask("/.well-known/masque/ip/inside.test/*/");
  timers.run_deferred();
  EXPECT_EQ(inside.responses.at(0).status, 403u);
}

TEST_F(IpFlowTest, PacketsPassBothWays) {
  ExchangeForTest& exchange = ask();
  for (const char* far : {"8.8.8.8", "2001:4860::1"}) {
    const PacketBytes up = from(exchange, far).make();
    device.sent.clear();
    send(exchange, up);
    EXPECT_THAT(device.sent, ElementsAre(up)) << far;
    const PacketBytes down = to(exchange, far).make();
    exchange.datagrams.clear();
    device.receive(down);
    EXPECT_THAT(received(exchange), ElementsAre(down)) << far;
  }
  const IpCounters figures = ip_switch().figures();
  EXPECT_EQ(figures.packets_up, 2u);
  EXPECT_EQ(figures.packets_down, 2u);
  EXPECT_EQ(figures.bytes_up, 2 * (20 + 100) + 20 + 40u);
  EXPECT_EQ(figures.bytes_up, figures.bytes_down);
}

TEST_F(IpFlowTest, BytesBehindThePacketAreLeftOut) {
  ExchangeForTest& exchange = ask();
  PacketBytes packet = from(exchange, "8.8.8.8").make();
  packet.resize(packet.size() + 7);
  send(exchange, packet);
  ASSERT_THAT(device.sent, SizeIs(1));
  EXPECT_EQ(device.sent[0].size(), packet.size() - 7);
  PacketBytes down = to(exchange, "8.8.8.8").make();
  const PacketBytes as_it_is = down;
  down.resize(down.size() + 7);
  device.receive(down);
  EXPECT_THAT(received(exchange), ElementsAre(as_it_is));
}

TEST_F(IpFlowTest, OnlyItsOwnSourceAddressesAreTaken) {
  ExchangeForTest& exchange = ask();
  MadePacket spoofed = from(exchange, "8.8.8.8");
  spoofed.source = octets("10.7.0.99");
  send(exchange, spoofed.make());
  EXPECT_THAT(device.sent, IsEmpty());
  EXPECT_EQ(dropped(IpDrop::source), 1u);
  // The answer goes to the address that was used, which is nobody's to use: back where it came from.
  ASSERT_THAT(received(exchange), SizeIs(1));
  const auto answer = net::parse_ip(received(exchange)[0]).value();
  EXPECT_EQ(answer.source, ip("10.7.0.1"));
  EXPECT_EQ(answer.destination, ip("10.7.0.99"));
  EXPECT_EQ(answer.protocol, net::protocol::icmp);
}

TEST_F(IpFlowTest, WhatTheScopeLeavesOutIsDropped) {
  ExchangeForTest& exchange = ask("/.well-known/masque/ip/8.8.8.0%2F24/17/");
  send(exchange, from(exchange, "8.8.8.8", false).make());
  send(exchange, from(exchange, "8.8.4.4", true).make());
  EXPECT_THAT(device.sent, IsEmpty());
  EXPECT_EQ(dropped(IpDrop::scope), 2u);
  EXPECT_THAT(received(exchange), SizeIs(2));
  send(exchange, from(exchange, "8.8.8.8", true).make());
  EXPECT_THAT(device.sent, SizeIs(1));
  device.sent.clear();
  device.receive(to(exchange, "8.8.4.4", true).make());
  EXPECT_EQ(dropped(IpDrop::scope), 3u);
  EXPECT_THAT(device.sent, SizeIs(1)) << "the sender is told";
}

TEST_F(IpFlowTest, ThePolicySaysWhoIsReached) {
  ExchangeForTest& exchange = ask();
  for (const char* far : {"127.0.0.1", "192.168.1.1", "169.254.169.254", "10.7.0.1", "::1", "fd07::1"})
    send(exchange, from(exchange, far).make());
  MadePacket mail = from(exchange, "8.8.8.8");
  mail.destination_port = 25;
  send(exchange, mail.make());
  EXPECT_THAT(device.sent, IsEmpty());
  EXPECT_EQ(dropped(IpDrop::policy), 7u);
}

TEST_F(IpFlowTest, AHopLimitThatIsUsedUpIsAnswered) {
  switch_options.between_clients = true;
  ip_switch().set_options(switch_options);
  ExchangeForTest& exchange = ask();
  ExchangeForTest& other = ask();
  MadePacket last = from(exchange, own(other, true).to_string(), true);
  last.hop_limit = 1;
  send(exchange, last.make());
  EXPECT_THAT(other.datagrams, IsEmpty());
  EXPECT_EQ(dropped(IpDrop::hop_limit), 1u);
  ASSERT_THAT(received(exchange), SizeIs(1));
  EXPECT_EQ(received(exchange)[0][20], 11) << "Time Exceeded";
}

TEST_F(IpFlowTest, OfWhatGoesIntoTheDeviceTheKernelDecrementsTheHopLimit) {
  ExchangeForTest& exchange = ask();
  MadePacket last = from(exchange, "8.8.8.8", true);
  last.hop_limit = 1;
  send(exchange, last.make());
  EXPECT_THAT(device.sent, ElementsAre(last.make())) << "it may be for the gateway itself";
  EXPECT_THAT(received(exchange), IsEmpty());
}

TEST_F(IpFlowTest, ClientsReachEachOtherOnlyWhereThatIsAllowed) {
  ExchangeForTest& one = ask();
  ExchangeForTest& other = ask();
  const std::string far = own(other, true).to_string();
  send(one, from(one, far).make());
  EXPECT_THAT(other.datagrams, IsEmpty());
  EXPECT_EQ(dropped(IpDrop::policy), 1u);
  switch_options.between_clients = true;
  ip_switch().set_options(switch_options);
  MadePacket packet = from(one, far);
  send(one, packet.make());
  --packet.hop_limit;
  EXPECT_THAT(received(other), ElementsAre(packet.make()));
  EXPECT_THAT(device.sent, IsEmpty());
}

TEST_F(IpFlowTest, PacketsForNobodyAreAnswered) {
  ExchangeForTest& exchange = ask();
  MadePacket packet = to(exchange, "8.8.8.8");
  packet.destination = octets("10.7.0.200");
  device.receive(packet.make());
  EXPECT_EQ(dropped(IpDrop::no_tunnel), 1u);
  ASSERT_THAT(device.sent, SizeIs(1));
  EXPECT_EQ(device.sent[0][20], 3) << "Destination Unreachable";
  EXPECT_EQ(net::parse_ip(device.sent[0]).value().source, net::IpAddress::parse("10.7.0.200"))
      << "an address of the gateway's own would be a martian to its kernel";
  device.receive({1, 2, 3});
  EXPECT_EQ(dropped(IpDrop::invalid), 1u);
}

TEST_F(IpFlowTest, WhatIsTooLargeIsAnsweredWithTheSizeThatFits) {
  ExchangeForTest& exchange = ask();
  MadePacket packet = to(exchange, "8.8.8.8", true);
  packet.payload = net::some_payload(1400);
  device.receive(packet.make());
  EXPECT_THAT(exchange.datagrams, IsEmpty());
  EXPECT_EQ(dropped(IpDrop::too_large), 1u);
  ASSERT_THAT(device.sent, SizeIs(1));
  const PacketBytes& answer = device.sent[0];
  EXPECT_EQ(answer[20], 3);
  EXPECT_EQ(answer[21], 4);
  EXPECT_EQ(answer[26] * 256 + answer[27], 1400);
  // Without Don't Fragment it is cut.
  packet.dont_fragment = false;
  device.receive(packet.make());
  EXPECT_THAT(exchange.datagrams, SizeIs(2));
}

TEST_F(IpFlowTest, SuperPacketsAreCutToThePath) {
  ExchangeForTest& exchange = ask();
  for (const bool udp : {false, true}) {
    exchange.datagrams.clear();
    MadePacket packet = to(exchange, "2001:4860::1", udp);
    packet.payload = net::some_payload(10'000);
    PacketBytes bytes = packet.make();
    net::make_checksum_partial(bytes);
    device.receive(bytes, 1200, true);
    ASSERT_THAT(exchange.datagrams, SizeIs(9)) << udp;
    for (const PacketBytes& each : received(exchange)) EXPECT_TRUE(net::checks_out(each)) << udp;
  }
}

TEST_F(IpFlowTest, AFullQueueDropsAndCounts) {
  ExchangeForTest& exchange = ask();
  exchange.datagram_room = 2;
  MadePacket packet = to(exchange, "8.8.8.8");
  packet.payload = net::some_payload(5 * 1200);
  PacketBytes bytes = packet.make();
  net::make_checksum_partial(bytes);
  device.receive(bytes, 1200, true);
  EXPECT_THAT(exchange.datagrams, SizeIs(2));
  EXPECT_EQ(dropped(IpDrop::queue), 3u);
  EXPECT_EQ(ip_switch().figures().packets_down, 2u);
}

TEST_F(IpFlowTest, WhatTheQueueDropsIsCountedByItsReason) {
  ExchangeForTest& exchange = ask();
  EXPECT_EQ(exchange.when_full(), http::WhenFull::drop);
  exchange.handler()->on_datagram_dropped(exchange, http::DatagramDrop::sojourn);
  exchange.handler()->on_datagram_dropped(exchange, http::DatagramDrop::sojourn);
  exchange.handler()->on_datagram_dropped(exchange, http::DatagramDrop::full);
  EXPECT_EQ(dropped(IpDrop::sojourn), 2u);
  EXPECT_EQ(dropped(IpDrop::queue), 1u);
}

TEST_F(IpFlowTest, SegmentSizesAreLowered) {
  ExchangeForTest& exchange = ask();
  const PacketBytes mss{2, 4, 0x05, 0xb4};  // 1460
  MadePacket up = from(exchange, "8.8.8.8"), down = to(exchange, "2001:4860::1");
  for (MadePacket* packet : {&up, &down}) {
    packet->flags = net::tcp::syn;
    packet->options = mss;
    packet->payload.clear();
  }
  send(exchange, up.make());
  ASSERT_THAT(device.sent, SizeIs(1));
  EXPECT_EQ(device.sent[0][42] * 256 + device.sent[0][43], 1400 - 40);
  device.receive(down.make());
  ASSERT_THAT(exchange.datagrams, SizeIs(1));
  const PacketBytes got = received(exchange)[0];
  EXPECT_EQ(got[62] * 256 + got[63], 1400 - 60);
  EXPECT_TRUE(net::checks_out(got));
}

TEST_F(IpFlowTest, RequestedAddressesAreTheAssignedOnes) {
  ExchangeForTest& exchange = ask();
  const std::vector<RequestedAddress> both{{1, prefix("0.0.0.0/32")}, {2, prefix("::/128")}};
  EXPECT_TRUE(exchange.receive_capsule(capsule_address_request, write_address_request(both)));
  EXPECT_THAT(assigned(exchange), ElementsAre(AssignedAddress{1, prefix("10.7.0.2/32")},
                                              AssignedAddress{2, prefix("fd07::2/128")}));
  // More of them, one by name; then one that is another's.
  const std::vector<RequestedAddress> more{{3, prefix("10.7.0.77/32")}, {4, prefix("0.0.0.0/32")}};
  EXPECT_TRUE(exchange.receive_capsule(capsule_address_request, write_address_request(more)));
  EXPECT_THAT(assigned(exchange), SizeIs(4));
  EXPECT_EQ(assigned(exchange)[2], (AssignedAddress{3, prefix("10.7.0.77/32")}));
  ExchangeForTest& other = ask();
  const std::vector<RequestedAddress> taken{{1, prefix("10.7.0.77/32")}};
  EXPECT_TRUE(other.receive_capsule(capsule_address_request, write_address_request(taken)));
  for (const AssignedAddress& each : assigned(other)) EXPECT_NE(each.prefix, prefix("10.7.0.77/32"));
  EXPECT_EQ(assigned(other)[0].request_id, 1u);
  // The same ID again.
  EXPECT_FALSE(exchange.receive_capsule(capsule_address_request, write_address_request(both)));
}

TEST_F(IpFlowTest, WithoutARouteThereIsNoAddress) {
  ExchangeForTest& exchange = ask("/.well-known/masque/ip/192.0.2.9/17/");
  const std::vector<RequestedAddress> both{{1, prefix("0.0.0.0/32")}, {2, prefix("::/128")}};
  EXPECT_TRUE(exchange.receive_capsule(capsule_address_request, write_address_request(both)));
  EXPECT_THAT(assigned(exchange), testing::UnorderedElementsAre(AssignedAddress{1, prefix("10.7.0.2/32")},
                                                                AssignedAddress{2, prefix("::/128")}));
}

TEST_F(IpFlowTest, ATunnelHasSoManyAddressesAtMost) {
  ExchangeForTest& exchange = ask();
  for (std::uint64_t id = 1; id <= IpFlow::max_addresses + 3; ++id) {
    const std::vector<RequestedAddress> one{{id, prefix("0.0.0.0/32")}};
    EXPECT_TRUE(exchange.receive_capsule(capsule_address_request, write_address_request(one)));
  }
  const auto all = assigned(exchange);
  EXPECT_TRUE(all.front().is_rejection());
  EXPECT_THAT(all, SizeIs(1 + IpFlow::max_addresses + 1));
}

TEST_F(IpFlowTest, AddressesComeBackWithTheTunnelsEnd) {
  {
    ExchangeForTest& exchange = ask();
    EXPECT_EQ(network->pool->figures(true).leased, 1u);
    exchange.handler()->on_end(exchange);
    EXPECT_TRUE(exchange.finished);
    EXPECT_EQ(network->pool->figures(true).leased, 0u);
    device.receive(to(exchange, "8.8.8.8").make());
    EXPECT_EQ(dropped(IpDrop::no_tunnel), 1u);
    ConnectionForTest::close_exchange(exchange);
  }
  EXPECT_EQ(proxy().counters().open[Protocol::ip], 0u);
  EXPECT_EQ(own(ask(), true), ip("10.7.0.2")) << "the same client has the same address";
}

TEST_F(IpFlowTest, WithoutAnAddressThereIsNoTunnel) {
  const std::vector pools{prefix("10.7.0.0/31")};
  network->pool = std::move(AddressPool::make(pools).value());
  ask();
  EXPECT_EQ(ask().responses.at(0).status, 503u);
}

TEST_F(IpFlowTest, NetworksOfClientsAreRoutedWhereAllowed) {
  network->client_networks = {prefix("10.9.0.0/16")};
  ExchangeForTest& exchange = ask();
  const std::vector<IpRange> ranges{range_of(prefix("10.9.1.0/24")), range_of(prefix("172.16.0.0/24"))};
  EXPECT_TRUE(exchange.receive_capsule(capsule_route_advertisement, *write_route_advertisement(ranges)));
  MadePacket packet = to(exchange, "8.8.8.8");
  packet.destination = octets("10.9.1.7");
  device.receive(packet.make());
  EXPECT_THAT(exchange.datagrams, SizeIs(1));
  packet.destination = octets("172.16.0.7");
  device.receive(packet.make());
  EXPECT_THAT(exchange.datagrams, SizeIs(1));
  MadePacket up = from(exchange, "8.8.8.8");
  up.source = octets("10.9.1.7");
  device.sent.clear();
  send(exchange, up.make());
  EXPECT_THAT(device.sent, SizeIs(1));
  // Another list takes the place of the first.
  EXPECT_TRUE(exchange.receive_capsule(capsule_route_advertisement, {}));
  device.sent.clear();
  send(exchange, up.make());
  EXPECT_THAT(device.sent, IsEmpty());
}

TEST_F(IpFlowTest, ATunnelTooNarrowForIpv6Ends) {
  ExchangeForTest& exchange = ask("/.well-known/masque/ip/*/*/", 1280);
  EXPECT_THAT(exchange.resets, IsEmpty()) << "the path's MTU may still be found";
  timers.advance(timers.now() + 11s);
  ASSERT_THAT(exchange.resets, SizeIs(1));
  EXPECT_THAT(exchange.reset_why->message, testing::HasSubstr("1280"));
  // One of IPv4 alone goes on.
  ExchangeForTest& v4 = ask("/.well-known/masque/ip/8.8.8.8/*/", 1000);
  timers.advance(timers.now() + 11s);
  EXPECT_THAT(v4.resets, IsEmpty());
}

TEST_F(IpFlowTest, CapsulesThatAreNoneAreErrors) {
  ExchangeForTest& exchange = ask();
  const std::vector<std::uint8_t> nonsense{9, 9, 9};
  for (const std::uint64_t type :
       {capsule_address_assign, capsule_address_request, capsule_route_advertisement})
    EXPECT_FALSE(exchange.receive_capsule(type, nonsense)) << type;
  EXPECT_TRUE(exchange.receive_capsule(0x2a2a, nonsense)) << "an unknown one is skipped";
  EXPECT_EQ(exchange.consumed, 4 * nonsense.size());
}

TEST_F(IpFlowTest, WithoutANetworkItIsDisabled) {
  Proxy without(timers, outbound, options);
  http::Request request;
  request.method = "CONNECT";
  request.protocol = "connect-ip";
  request.path = "/.well-known/masque/ip/*/*/";
  ExchangeForTest& exchange = connection.receive(std::move(request));
  without.on_request(exchange);
  EXPECT_EQ(exchange.responses.at(0).status, 501u);
}

}  // namespace
}  // namespace sallyport::masque
