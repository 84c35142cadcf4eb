#include "client/udp_flows.h"

#include "client/udp_flows_for_test.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using namespace std::string_literals;
using net::MadePacket;
using net::PacketBytes;
using net::SendStatus;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(UdpFlowsTest, PacketsOfOneAddressPairShareAFlow) {
  EXPECT_EQ(send(udp("one")), SendStatus::sent);
  EXPECT_EQ(send(udp("two")), SendStatus::sent);
  EXPECT_EQ(send(udp("three", 1001)), SendStatus::sent);
  ASSERT_EQ(connection.open_exchanges(), 2u);
  EXPECT_EQ(exchange(0).request().path, "/.well-known/masque/udp/198.51.100.2/2000/");
  EXPECT_EQ(exchange(0).request().protocol, "connect-udp");
  EXPECT_EQ(exchange(0).request().fields.find("authorization"), "Bearer x");
  EXPECT_THAT(exchange(0).datagrams, ElementsAre("\0one"s, "\0two"s)) << "before the answer, too";
  EXPECT_THAT(exchange(1).datagrams, ElementsAre("\0three"s));
  EXPECT_EQ(flows.flows(), 2u);
  EXPECT_EQ(flows.counters().datagrams_up, 3u);
  EXPECT_EQ(flows.counters().bytes_up, 11u);
  EXPECT_THAT(receiver.bytes, IsEmpty());
}

TEST_F(UdpFlowsTest, WhatComesBackIsAPacketForTheSender) {
  for (const bool is_v6 : {false, true}) {
    const MadePacket made = udp("ask", 1000, 2000, is_v6);
    send(made);
    const std::size_t number = connection.open_exchanges() - 1;
    answer(number);
    exchange(number).receive_datagram("\0answer"s);
    ASSERT_THAT(receiver.bytes, SizeIs(1));
    PacketBytes packet = receiver.bytes.front();
    EXPECT_TRUE(receiver.partial.front());
    const auto parsed = net::parse_ip(packet).value(), sent = net::parse_ip(made.make()).value();
    EXPECT_TRUE(net::complete_checksum(packet, parsed));
    EXPECT_TRUE(net::checks_out(packet));
    EXPECT_EQ(parsed.source, sent.destination);
    EXPECT_EQ(parsed.destination, sent.source);
    EXPECT_EQ(parsed.source_port, 2000);
    EXPECT_EQ(parsed.destination_port, 1000);
    EXPECT_EQ(parsed.hop_limit, 64);
    EXPECT_EQ(as_text(Bytes(packet).subspan(parsed.upper_offset + 8)), "answer");
    receiver = {};
  }
  EXPECT_EQ(flows.counters().datagrams_down, 2u);
  EXPECT_EQ(flows.counters().flows_opened, 2u);
}

TEST_F(UdpFlowsTest, ASuperPacketIsCutIntoDatagrams) {
  send(udp("aabbc"), 2);
  EXPECT_THAT(exchange(0).datagrams, ElementsAre("\0aa"s, "\0bb"s, "\0c"s));
  EXPECT_EQ(flows.counters().datagrams_up, 3u);
  send(udp(""));
  EXPECT_EQ(exchange(0).datagrams.back(), "\0"s) << "UDP has empty datagrams";
}

TEST_F(UdpFlowsTest, AllElseIsAnsweredAtOnce) {
  send(MadePacket{.flags = net::tcp::syn});
  send(MadePacket{.is_v6 = true, .flags = net::tcp::syn});
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/13", "1/1"));
  send(MadePacket{.is_udp = true, .hop_limit = 1});
  ASSERT_THAT(receiver.bytes, SizeIs(1));
  EXPECT_EQ(net::parse_ip(receiver.bytes[0]).value().source.to_string(), "192.0.0.1");
  send(MadePacket{.is_v6 = true, .is_udp = true, .hop_limit = 1});
  ASSERT_THAT(receiver.bytes, SizeIs(2));
  EXPECT_EQ(net::parse_ip(receiver.bytes[1]).value().source.to_string(), "fd5e:1a53:b9c7::1");
  EXPECT_THAT(receiver.take_errors(), ElementsAre("11/0", "3/0"));
  PacketBytes fragment = udp("hello").make();
  fragment[net::ipv4::fragment] = 0x20;
  send(fragment);
  send(MadePacket{.is_udp = true, .destination = {169, 254, 1, 1}});
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/13", "3/1"));
  send(MadePacket{.is_udp = true, .destination = {224, 0, 0, 251}});
  PacketBytes wrong = udp("hello").make();
  wrong.back() ^= 1;
  send(wrong);
  send(PacketBytes{1, 2, 3});
  EXPECT_THAT(receiver.take_errors(), IsEmpty()) << "nobody is told of these";
  EXPECT_EQ(connects, 0);
  const UdpFlowsCounters counters = flows.counters();
  EXPECT_EQ(counters.dropped_protocol, 2u);
  EXPECT_EQ(counters.dropped_hop_limit, 2u);
  EXPECT_EQ(counters.dropped_fragment, 1u);
  EXPECT_EQ(counters.dropped_destination, 2u);
  EXPECT_EQ(counters.dropped_invalid, 2u);
  EXPECT_EQ(counters.icmp_sent, 6u);
}

TEST_F(UdpFlowsTest, WhatIsTooLargeIsAnsweredWithTheSizeThatFits) {
  send(udp(std::string(1299, 'x')));
  EXPECT_THAT(receiver.bytes, IsEmpty());
  send(udp(std::string(1300, 'x')));
  send(udp(std::string(4000, 'x')), 1300);
  send(udp(std::string(1300, 'x'), 1000, 2000, true));
  MadePacket fragmentable = udp(std::string(1300, 'x'));
  fragmentable.dont_fragment = false;
  send(fragmentable);
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/4 1327", "3/4 1327", "2/0 1347", "3/13"));
  EXPECT_THAT(exchange(0).datagrams, SizeIs(1));
  EXPECT_EQ(flows.counters().dropped_too_large, 4u);
}

TEST_F(UdpFlowsTest, FollowsWhatItsFlowsCarry) {
  flows.expect(connection);
  EXPECT_EQ(flows.mtu(), 65'535u) << "by capsules";
  send(udp("a"));
  send(udp("a", 1001));
  timers.run_deferred();
  EXPECT_EQ(flows.mtu(), 1327u);
  exchange(1).max_payload = 1250;
  exchange(1).handler()->on_max_datagram_payload(exchange(1));
  timers.run_deferred();
  EXPECT_EQ(flows.mtu(), 1277u) << "the narrowest";
  EXPECT_THAT(receiver.mtus, ElementsAre(65'535u, 1327u, 1277u));
}

TEST_F(UdpFlowsTest, PacketsWaitForAConnectionWithinABound) {
  slow = true;
  send(udp("one"));
  send(udp("aabb"), 2);
  for (int i = 0; i < 100; ++i) send(udp("rest"));
  EXPECT_EQ(connects, 1);
  EXPECT_EQ(flows.counters().datagrams_up, 65u) << "64 runs, one of two";
  EXPECT_EQ(flows.counters().dropped_queue, 38u);
  send(udp(std::string(60'000, 'x'), 1001));
  EXPECT_EQ(send(udp(std::string(6'000, 'x'), 1001)), SendStatus::dropped);
  waiting[0](&connection);
  ASSERT_THAT(exchange(0).datagrams, SizeIs(65));
  EXPECT_EQ(exchange(0).datagrams[0], "\0one"s);
  EXPECT_EQ(exchange(0).datagrams[2], "\0bb"s);
  send(udp("now"));
  EXPECT_EQ(exchange(0).datagrams.back(), "\0now"s);
}

TEST_F(UdpFlowsTest, AFullConnectionHoldsTheSenderBack) {
  send(udp("a"));
  send(udp("a", 1001));
  answer(0);
  answer(1);
  exchange(0).datagram_room = 0;
  EXPECT_EQ(send(udp("held")), SendStatus::blocked);
  EXPECT_EQ(send(udp("over")), SendStatus::dropped);
  EXPECT_EQ(flows.counters().dropped_queue, 1u);
  EXPECT_EQ(send(udp("other", 1001)), SendStatus::sent);
  exchange(0).make_datagram_room(10);
  EXPECT_EQ(receiver.writable, 1);
  EXPECT_EQ(exchange(0).datagrams.back(), "\0held"s);
  EXPECT_EQ(send(udp("again")), SendStatus::sent);
}

TEST_F(UdpFlowsTest, AFlowThatEndsHoldsNobodyBack) {
  send(udp("a"));
  answer(0);
  exchange(0).datagram_room = 0;
  EXPECT_EQ(send(udp("held")), SendStatus::blocked);
  masque::ConnectionForTest::close_exchange(exchange(0));
  EXPECT_EQ(receiver.writable, 0) << "not inside the call that ends it";
  timers.run_deferred();
  EXPECT_EQ(receiver.writable, 1);
}

TEST_F(UdpFlowsTest, AFlowThatIsNotOpenYetHoldsNobodyBack) {
  send(udp("a"));
  exchange(0).datagram_room = 0;
  EXPECT_EQ(send(udp("held")), SendStatus::sent);
  EXPECT_EQ(send(udp("over")), SendStatus::dropped);
  exchange(0).make_datagram_room(10);
  EXPECT_EQ(receiver.writable, 0);
  EXPECT_EQ(exchange(0).datagrams.back(), "\0held"s);
}

TEST_F(UdpFlowsTest, APayloadThatNoPacketCanHaveIsDropped) {
  send(udp("a"));
  send(udp("a", 1000, 2000, true));
  const std::string longest(65'527, 'x');
  for (const std::size_t number : {0, 1}) {
    answer(number);
    exchange(number).receive_datagram("\0"s + longest.substr(0, 65'507));
    exchange(number).receive_datagram("\0"s + longest);
  }
  ASSERT_THAT(receiver.bytes, SizeIs(3));
  EXPECT_THAT(receiver.bytes[0], SizeIs(65'535));
  EXPECT_THAT(receiver.bytes[2], SizeIs(65'575));
  EXPECT_EQ(flows.counters().dropped_down, 1u);
  EXPECT_TRUE(net::parse_ip(receiver.bytes[2]));
}

}  // namespace
}  // namespace sallyport::client
