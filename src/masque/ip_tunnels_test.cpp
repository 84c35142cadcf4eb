// Both sides of a CONNECT-IP tunnel over the real HTTP/1.1, /2 and /3: IpTunnel against Proxy, IpFlow and
// IpSwitch.
#include "masque/ip_flow.h"
#include "masque/ip_tunnel.h"
#include "masque/packet_port_for_test.h"
#include "masque/tunnels_for_test.h"
#include "net/packet_fields.h"
#include "trace/recorder.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>

namespace sallyport::masque {
namespace {

using net::MadePacket;
using net::PacketBytes;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

net::IpPrefix prefix(std::string_view text) {
  return net::IpPrefix::parse(text).value();
}
PacketBytes octets(const net::IpAddress& address) {
  return {address.octets().begin(), address.octets().end()};
}

class Packets final : public net::PacketReceiver {
 public:
  void on_packets(std::span<net::Packet> packets, Time) override {
    for (const net::Packet& packet : packets) received.emplace_back(packet.bytes.begin(), packet.bytes.end());
  }
  void on_port_writable(Time) override { ++writable; }
  void on_mtu(std::size_t bytes) override { mtu = bytes; }
  void on_port_closed(const Error& why) override { closed = why; }

  std::vector<PacketBytes> received;
  std::optional<std::size_t> mtu;
  std::optional<Error> closed;
  int writable = 0;
};

/// Keeps what clients' connections note.
class Notes final : public trace::RecorderFactory {
 public:
  std::unique_ptr<trace::Recorder> start(Time, const trace::ConnectionIdentity& identity) override {
    if (identity.vantage == trace::Vantage::server) return nullptr;
    return std::make_unique<Recorder>(all);
  }

  std::vector<std::string> all;

 private:
  class Recorder final : public trace::Recorder {
   public:
    explicit Recorder(std::vector<std::string>& notes) : notes_(notes) {}
    void packet(Time, trace::Direction, const trace::Packet&) override {}
    void datagrams(Time, trace::Direction, std::size_t, std::size_t) override {}
    void packet_lost(Time, trace::PacketType, std::uint64_t) override {}
    void packet_dropped(Time, trace::PacketType, std::size_t, trace::DropCause, std::string_view) override {}
    void metrics(Time, const trace::Metrics&) override {}
    void path(Time, const net::NetPath&, std::size_t) override {}
    void transport_parameters(Time, trace::Direction, Bytes) override {}
    void alpn(Time, std::string_view) override {}
    void key_updated(Time, bool, std::uint64_t) override {}
    void state(Time, std::string_view) override {}
    void closed(Time, const trace::Closing&) override {}
    void http_frame(Time, trace::Direction, const trace::HttpFrame&) override {}
    void http_stream_type(Time, trace::Direction, std::int64_t, std::uint64_t) override {}
    void capsule(Time, trace::Direction, const trace::Capsule&) override {}
    void note(Time, std::string_view text) override { notes_.emplace_back(text); }

   private:
    std::vector<std::string>& notes_;
  };
};

class IpTunnelsTest : public TunnelsTest {
 protected:
  IpTunnelsTest() : TunnelsTest(ProxyOptions{.protocols = {Protocol::ip}}) {
    const std::vector pools{prefix("10.7.0.0/24"), prefix("fd07::/64")};
    network->pool = std::move(AddressPool::make(pools).value());
    network->routes = {range_of(prefix("0.0.0.0/0")), range_of(prefix("::/0"))};
    proxy.serve_ip(network, ip_switch);
  }
  ~IpTunnelsTest() override {
    // The proxy's flows outlive the switch otherwise.
    client.reset();
    server.reset();
    endpoint.reset();
  }
  static IpSwitchOptions switch_options() {
    return {.policy = {},
            .between_clients = true,
            .own_v4 = net::IpAddress::parse("10.7.0.1"),
            .own_v6 = net::IpAddress::parse("fd07::1")};
  }
  struct Client {
    std::unique_ptr<IpTunnel> tunnel;
    Packets packets;
    std::vector<AssignedAddress> assigned;
    std::vector<IpRange> routes;
    std::optional<Error> closed;
    bool opened = false;

    net::IpAddress address(bool v4) const {
      for (const AssignedAddress& each : assigned)
        if (each.prefix.address().is_v4() == v4 && !each.is_rejection()) return each.prefix.address();
      return {};
    }
    net::SendStatus send(PacketBytes bytes, std::uint16_t segment_size = 0, bool partial = false) const {
      const net::Packet packet{.bytes = bytes, .segment_size = segment_size, .checksum_partial = partial};
      return tunnel->send({&packet, 1});
    }
  };
  std::unique_ptr<Client> open(const IpScope& scope = {}) {
    auto made = std::make_unique<Client>();
    Client& it = *made;
    IpTunnelEvents events{.opened = [&it](const std::string&) { it.opened = true; },
                          .assigned = [&it](const auto& all) { it.assigned = all; },
                          .routes = [&it](const auto& all) { it.routes = all; },
                          .dns = {},
                          .closed = [&it](const Error& why) { it.closed = why; }};
    it.tunnel =
        std::move(IpTunnel::open(*client, ProxyTemplate::parse("https://proxy.example", Protocol::ip).value(),
                                 scope, {}, std::move(events))
                      .value());
    it.tunnel->set_receiver(&it.packets);
    settle();
    return made;
  }
  static MadePacket from(const Client& client, std::string_view destination) {
    const auto to = net::IpAddress::parse(destination).value();
    MadePacket made{.is_v6 = to.is_v6(), .payload = net::some_payload(500)};
    made.destination_port = 443;
    made.source = octets(client.address(to.is_v4()));
    made.destination = octets(to);
    return made;
  }
  static MadePacket to(const Client& client, std::string_view source) {
    MadePacket made = from(client, source);
    std::swap(made.source, made.destination);
    return made;
  }

  const std::shared_ptr<IpNetwork> network = std::make_shared<IpNetwork>();
  DeviceForTest device;
  IpSwitch ip_switch{timers, device, switch_options(), {}};
  Notes notes;  ///< of connections that are made once `environment` has it
};

INSTANTIATE_TEST_SUITE_P(Versions, IpTunnelsTest, all_versions, version_name);

TEST_P(IpTunnelsTest, OpensAndCarriesPacketsBothWays) {
  const auto one = open();
  ASSERT_TRUE(one->opened) << (one->closed ? one->closed->message : "");
  EXPECT_THAT(one->assigned, ElementsAre(AssignedAddress{0, prefix("10.7.0.2/32")},
                                         AssignedAddress{0, prefix("fd07::2/128")}));
  EXPECT_THAT(one->routes, ElementsAre(range_of(prefix("0.0.0.0/0")), range_of(prefix("::/0"))));
  for (const char* far : {"8.8.8.8", "2001:4860::1"}) {
    device.sent.clear();
    one->packets.received.clear();
    const PacketBytes up = from(*one, far).make();
    EXPECT_EQ(one->send(up), net::SendStatus::sent);
    settle();
    EXPECT_THAT(device.sent, ElementsAre(up)) << far;
    const PacketBytes down = to(*one, far).make();
    device.receive(down);
    settle();
    EXPECT_THAT(one->packets.received, ElementsAre(down)) << far;
  }
  EXPECT_EQ(one->tunnel->counters().packets_in, 2u);
  EXPECT_EQ(one->tunnel->counters().packets_out, 2u);
}

TEST_P(IpTunnelsTest, AClientRecordsWhatTheProxyGivesIt) {
  if (GetParam() != http::Version::http3) return;  // over TCP nothing is recorded
  client.reset();
  settle();
  environment.recorders = &notes;
  client = http::make_h3_client(environment, link.client, client_options(), sink, limits).value();
  const auto one = open();
  EXPECT_THAT(notes.all, Contains(HasSubstr("received ADDRESS_ASSIGN 10.7.0.2/32 fd07::2/128")));
  EXPECT_THAT(notes.all,
              Contains(HasSubstr("received ROUTE_ADVERTISEMENT 0.0.0.0-255.255.255.255 ::-ffff:")));
}

TEST_P(IpTunnelsTest, AddressesAreRequested) {
  const auto one = open();
  const std::vector wanted{prefix("10.7.0.50/32"), prefix("::/128"), prefix("192.0.2.1/32")};
  EXPECT_EQ(one->tunnel->request_addresses(wanted), 1u);
  settle();
  ASSERT_THAT(one->assigned, SizeIs(3));
  // The IPv6 address was there already; what is not to be had is answered with another.
  EXPECT_THAT(one->assigned, testing::UnorderedElementsAre(AssignedAddress{3, prefix("10.7.0.2/32")},
                                                           AssignedAddress{2, prefix("fd07::2/128")},
                                                           AssignedAddress{1, prefix("10.7.0.50/32")}));
}

TEST_P(IpTunnelsTest, SuperPacketsAreCutToThePathAndFit) {
  const auto one = open();
  EXPECT_GE(one->tunnel->mtu(), 1280u);
  MadePacket up = from(*one, "2001:4860::1");
  up.payload = net::some_payload(20'000);
  PacketBytes bytes = up.make();
  net::make_checksum_partial(bytes);
  EXPECT_EQ(one->send(bytes, 1428, true), net::SendStatus::sent);
  settle();
  // They arrive in one turn, or in a few, and the device gets them joined again.
  std::size_t payload = 0;
  for (const PacketBytes& each : device.sent) payload += each.size() - 60;
  EXPECT_EQ(payload, 20'000u);
  EXPECT_EQ(ip_switch.figures().bytes_up, 20'000 + 60 * ip_switch.figures().packets_up);
}

TEST_P(IpTunnelsTest, WhatIsTooLargeIsSaid) {
  const auto one = open();
  MadePacket up = from(*one, "8.8.8.8");
  up.is_udp = true;
  up.payload = net::some_payload(1500);
  const bool capsules = GetParam() != http::Version::http3;  // which carry every packet
  EXPECT_EQ(one->send(up.make()), capsules ? net::SendStatus::sent : net::SendStatus::too_large);
  EXPECT_EQ(one->tunnel->counters().dropped_size, capsules ? 0u : 1u);
}

TEST_P(IpTunnelsTest, OnlyWhatIsForUsIsTaken) {
  const auto one = open();
  network->client_networks = {prefix("10.9.0.0/16")};
  one->tunnel->advertise({prefix("10.9.1.0/24")});
  settle();
  MadePacket down = to(*one, "8.8.8.8");
  down.destination = {10, 9, 1, 5};
  device.receive(down.make());
  settle();
  EXPECT_THAT(one->packets.received, SizeIs(1));
  one->tunnel->advertise({});
  settle();
  device.receive(down.make());
  settle();
  EXPECT_THAT(one->packets.received, SizeIs(1));
}

TEST_P(IpTunnelsTest, TheSwitchsErrorsComeBack) {
  const auto one = open();
  one->send(from(*one, "192.168.0.1").make());
  settle();
  ASSERT_THAT(one->packets.received, SizeIs(1));
  const auto answer = net::parse_ip(one->packets.received[0]).value();
  EXPECT_EQ(answer.protocol, net::protocol::icmp);
  EXPECT_EQ(answer.source, net::IpAddress::parse("10.7.0.1"));
}

TEST_P(IpTunnelsTest, OurOwnEndIsNotTold) {
  const auto one = open();
  one->tunnel.reset();
  settle();
  EXPECT_FALSE(one->closed) << "we ended it";
  EXPECT_EQ(network->pool->figures(true).leased, 0u);
}

TEST_P(IpTunnelsTest, ARefusalIsASentence) {
  const auto refused = open(IpScope{.target = std::string("nowhere.test"), .protocol = {}});
  ASSERT_TRUE(refused->closed);
  EXPECT_THAT(refused->closed->message, HasSubstr("the hop refused the tunnel to nowhere.test: "));
  EXPECT_TRUE(refused->packets.closed);
}

}  // namespace
}  // namespace sallyport::masque
