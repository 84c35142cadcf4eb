// How flows of UdpFlows are refused, and end.
#include "client/udp_flows_for_test.h"
#include "masque/refusal_error.h"
#include "net/ip_packet.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using namespace std::string_literals;
using net::SendStatus;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(UdpFlowsTest, ARefusalIsToldToTheSenderAndHolds) {
  send(udp("hello"));
  answer(0, 403, "p; error=destination_ip_prohibited");
  ASSERT_THAT(receiver.bytes, SizeIs(1));
  const Bytes quote = Bytes(receiver.bytes[0]).subspan(28);
  EXPECT_EQ(as_text(quote.subspan(28)), "hello") << "its own packet";
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/13"));
  EXPECT_EQ(send(udp("again")), SendStatus::sent);
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/13"));
  EXPECT_EQ(connection.open_exchanges(), 1u) << "the proxy is not asked again so soon";
  EXPECT_EQ(flows.flows(), 0u);
  EXPECT_EQ(flows.counters().flows_refused, 1u);
  EXPECT_EQ(flows.counters().dropped_refused, 1u);
  pass(UdpFlows::refusal_holds);
  send(udp("again"));
  EXPECT_EQ(connection.open_exchanges(), 2u);
  EXPECT_THAT(failures, IsEmpty());
}

TEST_F(UdpFlowsTest, SortsOfRefusal) {
  struct Case {
    unsigned status;
    std::string_view proxy_status, v4, v6;
  };
  send(udp("any", 1));  // one that is open: this proxy does what it is for
  answer(0);
  std::size_t number = 0;
  for (const Case& c : {Case{403, "p; error=destination_ip_prohibited", "3/13", "1/1"},
                        {403, "", "3/13", "1/1"},
                        {502, "p; error=connection_refused", "3/3", "1/4"},
                        {503, "p; error=destination_unavailable", "3/1", "1/3"},
                        {504, "", "3/1", "1/3"},
                        {502, "p; error=dns_error", "3/1", "1/3"},
                        {429, "", "3/1", "1/3"},
                        {501, "", "3/1", "1/3"},
                        {404, "", "3/1", "1/3"},
                        {302, "", "3/1", "1/3"}}) {
    for (const bool is_v6 : {false, true}) {
      send(udp("a", 1000, 2000, is_v6));
      answer(++number, c.status, c.proxy_status);
      EXPECT_THAT(receiver.take_errors(), ElementsAre(is_v6 ? c.v6 : c.v4)) << c.status << c.proxy_status;
    }
    pass(UdpFlows::refusal_holds);
  }
  EXPECT_THAT(failures, IsEmpty());
}

TEST_F(UdpFlowsTest, AThousandRefusalsCostNoMoreThanTheTable) {
  send(udp("any", 1));
  answer(0);
  for (std::uint16_t i = 1; i <= 1000; ++i) {
    send(udp("a", static_cast<std::uint16_t>(i + 1000)));
    ASSERT_EQ(connection.open_exchanges(), i + 1u) << "a refusal makes room";
    answer(i, 403);
  }
  EXPECT_EQ(flows.flows(), 1u) << "the one that is open was not touched";
  EXPECT_EQ(flows.counters().flows_refused, 1000u);
  EXPECT_EQ(flows.counters().flows_evicted, 0u);
  EXPECT_EQ(receiver.take_errors().size(), 50u) << "ICMP errors are limited";
  EXPECT_EQ(flows.counters().icmp_suppressed, 950u);
}

TEST_F(UdpFlowsTest, ATargetThatIsLostIsAPortUnreachable) {
  send(udp("a"));
  answer(0);
  const Error why{ErrorKind::closed, "reset", masque::target_lost};
  masque::ConnectionForTest::close_exchange(exchange(0), &why);
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/3"));
  send(udp("a"));
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/3"));
  EXPECT_EQ(connection.open_exchanges(), 1u);
  EXPECT_EQ(flows.counters().flows_lost, 1u);
}

TEST_F(UdpFlowsTest, WhatHoldsForEveryFlowIsAnError) {
  for (const unsigned status : {401, 407, 404, 405, 501}) {
    send(udp("a", static_cast<std::uint16_t>(status)));
    answer(connection.open_exchanges() - 1, status);
    EXPECT_THAT(failures, SizeIs(1)) << status;
    failures.clear();
  }
  const Error why{ErrorKind::protocol, "the server does not support extended CONNECT"};
  send(udp("b"));
  masque::ConnectionForTest::close_exchange(connection.last(), &why);
  EXPECT_THAT(failures, SizeIs(1));
}

TEST_F(UdpFlowsTest, AConnectionThatCannotBeMadeIsAnError) {
  connect_error = Error{ErrorKind::timeout, "hop 1: no answer"};
  send(udp("a"));
  EXPECT_THAT(failures, ElementsAre("hop 1: no answer"));
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/1"));
  EXPECT_EQ(flows.flows(), 0u);
}

TEST_F(UdpFlowsTest, AFlowThatTheProxyEndsIsOpenedAgain) {
  send(udp("a"));
  answer(0);
  exchange(0).handler()->on_end(exchange(0));
  exchange(0).receive_datagram("\0late"s);
  EXPECT_THAT(receiver.bytes, IsEmpty());
  EXPECT_EQ(flows.flows(), 0u);
  EXPECT_EQ(flows.counters().flows_idle, 1u);
  send(udp("b"));
  EXPECT_THAT(exchange(1).datagrams, ElementsAre("\0b"s));
}

TEST_F(UdpFlowsTest, AConnectionThatIsLostTakesItsFlowsAlongWithoutAWord) {
  send(udp("a"));
  answer(0);
  send(udp("a", 1001));
  connection.takes_requests = false;
  const Error why{ErrorKind::closed, "the connection ended"};
  for (const std::size_t number : {0, 1}) masque::ConnectionForTest::close_exchange(exchange(number), &why);
  EXPECT_THAT(receiver.bytes, IsEmpty()) << "another connection may do";
  EXPECT_EQ(flows.flows(), 0u);
  send(udp("a"));
  EXPECT_EQ(connects, 3);
}

TEST_F(UdpFlowsTest, ConnectionsThatEndWithoutAnyAnswerAreGivenUp) {
  const Error why{ErrorKind::closed, "the connection ended"};
  const auto lose_one = [&](std::size_t number) {
    connection.takes_requests = true;
    send(udp("a"));
    send(udp("b", 1001));
    connection.takes_requests = false;
    for (const std::size_t flow : {0, 1})
      masque::ConnectionForTest::close_exchange(exchange(2 * number + flow), &why);
    pass(1s);
  };
  for (unsigned i = 1; i < UdpFlows::max_useless_connections; ++i) lose_one(i - 1);
  EXPECT_THAT(failures, IsEmpty());
  lose_one(UdpFlows::max_useless_connections - 1);
  EXPECT_THAT(failures, ElementsAre(testing::HasSubstr("8 connections in a row")));
}

TEST_F(UdpFlowsTest, AStreamThatIsResetBeforeItsAnswerIsARefusal) {
  send(udp("a"));
  const Error why{ErrorKind::refused, "reset", 0x10b};
  masque::ConnectionForTest::close_exchange(exchange(0), &why);
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/1"));
  send(udp("a"));
  EXPECT_EQ(connection.open_exchanges(), 1u);
}

TEST_F(UdpFlowsTest, IdleFlowsEnd) {
  send(udp("a"));
  send(udp("query", 1001, 53));
  answer(0);
  answer(1);
  pass(UdpFlows::dns_idle_after - 1s);
  exchange(1).receive_datagram("\0answer"s);
  pass(UdpFlows::dns_idle_after - 1s);
  EXPECT_EQ(flows.flows(), 2u);
  pass(1s);
  EXPECT_EQ(flows.flows(), 1u);
  EXPECT_TRUE(exchange(1).finished) << "in order";
  send(udp("b"));
  pass(UdpFlows::idle_after - 1s);
  EXPECT_EQ(flows.flows(), 1u);
  pass(1s);
  EXPECT_EQ(flows.flows(), 0u);
  EXPECT_EQ(flows.counters().flows_idle, 2u);
  EXPECT_FALSE(timers.next_deadline() < timers.now() + 1h) << "nothing is left to wait for";
}

TEST_F(UdpFlowsTest, AFlowIsIdleFromItsAnswerOn) {
  send(udp("query", 1001, 53));
  pass(UdpFlows::patience - 1s);
  answer(0);
  pass(UdpFlows::dns_idle_after - 1s);
  EXPECT_EQ(flows.flows(), 1u);
  pass(1s);
  EXPECT_EQ(flows.flows(), 0u);
  EXPECT_EQ(flows.counters().flows_idle, 1u);
}

TEST_F(UdpFlowsTest, AProxyThatDoesNotAnswerIsNotWaitedForForEver) {
  send(udp("a"));
  for (Duration waited{}; waited < UdpFlows::patience; waited += 1s) {
    EXPECT_EQ(flows.flows(), 1u);
    send(udp("more"));
    pass(1s);
  }
  EXPECT_EQ(flows.flows(), 0u);
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/1"));
  EXPECT_EQ(flows.counters().flows_refused, 1u);
}

TEST_F(UdpFlowsTest, WithoutRoomAnIdleFlowMakesSome) {
  for (std::uint16_t port = 1; port <= 4; ++port) {
    send(udp("a", port));
    answer(port - 1);
    pass(1s);
  }
  send(udp("a", 5));
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/1")) << "all of them are in use";
  EXPECT_EQ(flows.counters().dropped_limit, 1u);
  send(udp("b", 1));
  pass(UdpFlows::evicted_after - 1s);
  send(udp("a", 5));
  EXPECT_TRUE(exchange(1).finished) << "unused longest";
  EXPECT_EQ(flows.counters().flows_evicted, 1u);
  EXPECT_EQ(flows.flows(), 4u);
}

TEST_F(UdpFlowsTest, ThePeersStreamLimitIsALimitOfFlows) {
  send(udp("a"));
  answer(0);
  connection.free = 0;
  send(udp("a", 1001));
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/1"));
  EXPECT_EQ(connection.open_exchanges(), 1u);
  pass(UdpFlows::evicted_after);
  send(udp("a", 1001));
  EXPECT_EQ(connection.open_exchanges(), 2u);
  EXPECT_TRUE(exchange(0).finished);
}

TEST_F(UdpFlowsTest, ItsEndEndsAllFlows) {
  {
    UdpFlows other(timers, options());
    net::PacketBytes first = udp("a").make(), second = udp("a", 1001).make();
    const std::array<net::Packet, 2> packets{{{.bytes = first}, {.bytes = second}}};
    other.send({packets.data(), 1});
    answer(0);
    slow = true;
    other.send({packets.data() + 1, 1});
    ASSERT_EQ(waiting.size(), 1u);
  }
  EXPECT_TRUE(exchange(0).finished);
  exchange(0).receive_datagram("\0late"s);
  waiting[0](&connection);  // too late
  EXPECT_EQ(connection.open_exchanges(), 1u);
}

}  // namespace
}  // namespace sallyport::client
