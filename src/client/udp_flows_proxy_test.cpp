// UdpFlows against our own proxy, over the real HTTP/1.1, /2 and /3.
#include "client/udp_flows_for_test.h"
#include "masque/tunnels_for_test.h"
#include "net/ip_packet.h"
#include "quic/connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using net::MadePacket;
using net::PacketBytes;
using testing::ElementsAre;
using testing::SizeIs;

class UdpFlowsProxyTest : public masque::TunnelsTest {
 protected:
  UdpFlowsProxyTest() {
    flows.set_receiver(&receiver);
    settle();
  }
  void send(MadePacket made, std::uint16_t segment_size = 0) {
    made.is_udp = true;
    made.destination = {9, 9, 9, 9};
    PacketBytes bytes = made.make();
    if (segment_size > 0) net::make_checksum_partial(bytes);
    const net::Packet packet{
        .bytes = bytes, .segment_size = segment_size, .checksum_partial = segment_size > 0};
    EXPECT_EQ(flows.send({&packet, 1}), net::SendStatus::sent);
    settle();
  }

  PacketsForTest receiver;
  UdpFlows flows{timers,
                 {.proxy = masque::ProxyTemplate::parse("https://proxy.example").value(),
                  .fields = {},
                  .connect = [this](const auto& connected) { connected(client.get()); },
                  .failed = [](const Error& why) { ADD_FAILURE() << why.message; }}};
};

TEST_P(UdpFlowsProxyTest, PayloadsPassBothWays) {
  send({.payload = {'a', 's', 'k'}});
  ASSERT_THAT(outbound.opened_udp, SizeIs(1));
  EXPECT_EQ(outbound.opened_udp[0].first, "9.9.9.9:50000");
  ASSERT_THAT(path().runs, SizeIs(1));
  EXPECT_EQ(path().runs[0].bytes, "ask");
  send({.payload = net::some_payload(2500)}, 1000);
  ASSERT_THAT(path().runs, SizeIs(2));
  EXPECT_EQ(path().runs[1].bytes.size(), 2500u);
  EXPECT_EQ(path().runs[1].segment_size, 1000u) << "as one run";
  path().receive("answeranswers", 6);
  settle();
  ASSERT_THAT(receiver.bytes, SizeIs(3));
  EXPECT_EQ(as_text(Bytes(receiver.bytes[2]).subspan(28)), "s");
  EXPECT_EQ(flows.counters().flows_opened, 1u);
}

TEST_P(UdpFlowsProxyTest, BeforeTheFirstFlowItsMtuIsWhatTheConnectionWillCarry) {
  flows.expect(*client);
  // A DATAGRAM frame has a quarter stream ID and a context ID in place of IPv4's and UDP's headers.
  const quic::Connection* const quic = client->quic();
  EXPECT_EQ(flows.mtu(), quic == nullptr ? 65'535u : quic->max_datagram_payload() - 3 + 28);
}

TEST_P(UdpFlowsProxyTest, WhatTheProxyForbidsIsAnswered) {
  PacketBytes bytes = MadePacket{.is_udp = true, .destination = {10, 0, 0, 1}}.make();
  const net::Packet packet{.bytes = bytes};
  EXPECT_EQ(flows.send({&packet, 1}), net::SendStatus::sent);
  settle();
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/13"));
  EXPECT_EQ(flows.flows(), 0u);
}

TEST_P(UdpFlowsProxyTest, ATargetThatIsNotThereIsAnswered) {
  send({.payload = {'a'}});
  path().receiver->on_unreachable(net::Unreachable::definite, {ErrorKind::refused, "nobody listens"});
  settle();
  EXPECT_EQ(flows.flows(), 0u);
  if (GetParam() == http::Version::http1_1) return;
  EXPECT_THAT(receiver.take_errors(), ElementsAre("3/3"));
}

INSTANTIATE_TEST_SUITE_P(Versions, UdpFlowsProxyTest, masque::all_versions, masque::version_name);

}  // namespace
}  // namespace sallyport::client
