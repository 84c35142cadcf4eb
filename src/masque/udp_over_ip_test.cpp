#include "masque/udp_over_ip.h"

#include "net/icmp_error.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"
#include "net/packets_for_test.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using net::MadePacket;
using net::PacketBytes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Takes what fits until it is full.
class PortForTest final : public net::PacketPort {
 public:
  void set_receiver(net::PacketReceiver* its) override { receiver = its; }
  net::SendStatus send(std::span<const net::Packet> packets) override {
    EXPECT_THAT(packets, SizeIs(1));
    if (packets[0].bytes.size() > size) return net::SendStatus::too_large;
    if (room == 0) return net::SendStatus::blocked;
    --room;
    sent.emplace_back(packets[0].bytes.begin(), packets[0].bytes.end());
    return net::SendStatus::sent;
  }
  std::size_t mtu() const override { return size; }
  void receive(PacketBytes bytes) const {
    net::Packet packet{.bytes = bytes};
    receiver->on_packets({&packet, 1}, Time{1s});
  }

  net::PacketReceiver* receiver = nullptr;
  std::vector<PacketBytes> sent;
  std::size_t size = 1400, room = 1000;
};

class Receiver final : public net::DatagramReceiver {
 public:
  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time) override {
    from = path;
    ecn = run.ecn;
    datagrams.emplace_back(as_text(run.bytes));
    act();
  }
  void on_path_writable(Time) override { ++writable, act(); }
  void on_max_datagram_size(std::size_t bytes) override { size = bytes, act(); }
  void on_unreachable(net::Unreachable kind, const Error& why) override {
    unreachable = kind;
    error = why;
    act();
  }
  void on_path_closed(const Error& why) override { closed = why, act(); }
  void act() const {
    if (action) action();
  }

  std::function<void()> action;
  std::vector<std::string> datagrams;
  std::optional<net::NetPath> from;
  net::Ecn ecn = net::Ecn::not_ect;
  std::optional<std::size_t> size;
  std::optional<net::Unreachable> unreachable;
  std::optional<Error> error, closed;
  int writable = 0;
};

class UdpOverIpTest : public testing::TestWithParam<bool> {
 protected:
  UdpOverIpTest() { flow->set_receiver(&receiver); }
  static bool is_v6() { return GetParam(); }
  static std::size_t headers() { return is_v6() ? 48 : 28; }
  static net::IpAddress own() { return net::IpAddress::parse(is_v6() ? "fd89::2" : "10.89.0.2").value(); }
  static net::SocketAddress remote() {
    return net::SocketAddress::parse(is_v6() ? "[2001:db8::443]:443" : "192.0.2.43:443").value();
  }
  std::uint16_t port_of(const net::DatagramPath& path) const { return path.net_path().local.port(); }
  static PacketBytes octets(const net::IpAddress& address) {
    return {address.octets().begin(), address.octets().end()};
  }
  net::SendStatus send(std::string_view bytes, std::size_t segment_size, net::Ecn ecn = net::Ecn::not_ect) {
    return flow->send({}, {as_bytes(bytes), segment_size, ecn});
  }
  /// From the other end to the flow.
  MadePacket answer(std::size_t size = 100) const {
    MadePacket made{.is_v6 = is_v6(), .is_udp = true, .payload = net::some_payload(size)};
    made.source_port = 443;
    made.destination_port = port_of(*flow);
    made.source = octets(remote().ip());
    made.destination = octets(own());
    return made;
  }
  PacketBytes icmp(net::IcmpError error, const PacketBytes& about, std::size_t mtu = 0) const {
    PacketBytes out(net::max_icmp_error);
    const net::IpAddress router = net::IpAddress::parse(is_v6() ? "2001:db8:f::1" : "198.18.0.1").value();
    out.resize(net::write_icmp_error(out, error, about, net::parse_ip(about).value(), router, mtu));
    return out;
  }
  const UdpOverIpCounters& counters() const { return udp->counters(); }

  PortForTest port;
  SeededRandom random{7};
  std::unique_ptr<UdpOverIp> udp = std::make_unique<UdpOverIp>(port, random);
  Receiver receiver;
  std::unique_ptr<net::DatagramPath> flow = udp->open(own(), remote());
};

INSTANTIATE_TEST_SUITE_P(Versions, UdpOverIpTest, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "v6" : "v4"; });

TEST_P(UdpOverIpTest, SendsEachDatagramAsAPacket) {
  EXPECT_EQ(send("aaabbbc", 3, net::Ecn::ect0), net::SendStatus::sent);
  EXPECT_EQ(flow->send({}, {}), net::SendStatus::sent);
  ASSERT_THAT(port.sent, SizeIs(4));
  std::vector<std::string> payloads;
  for (const PacketBytes& packet : port.sent) {
    EXPECT_TRUE(net::checks_out(packet));
    const auto parsed = net::parse_ip(packet).value();
    EXPECT_EQ(parsed.source, own());
    EXPECT_EQ(parsed.destination, remote().ip());
    EXPECT_EQ(parsed.source_port, port_of(*flow));
    EXPECT_EQ(parsed.destination_port, 443);
    EXPECT_TRUE(parsed.dont_fragment);
    payloads.emplace_back(as_text(net::udp_payload(packet, parsed).value()));
  }
  EXPECT_THAT(payloads, ElementsAre("aaa", "bbb", "c", ""));
  EXPECT_EQ(net::parse_ip(port.sent[0])->traffic_class, 2) << "ECT(0)";
  EXPECT_EQ(counters().datagrams_out, 4u);
  EXPECT_EQ(counters().bytes_out, 7u);
  EXPECT_EQ(counters().headers_out, 4 * headers());
}

TEST_P(UdpOverIpTest, TakesWhatIsForAFlow) {
  MadePacket made = answer();
  made.traffic_class = 3;
  port.receive(made.make());
  ASSERT_THAT(receiver.datagrams, SizeIs(1));
  EXPECT_EQ(receiver.datagrams[0], as_text(made.payload));
  EXPECT_EQ(receiver.ecn, net::Ecn::ce);
  EXPECT_EQ(receiver.from, flow->net_path());
  EXPECT_EQ(flow->net_path().remote, remote());
  EXPECT_EQ(counters().bytes_in, 100u);
  EXPECT_EQ(counters().headers_in, headers());
}

TEST_P(UdpOverIpTest, EachFlowHasAPortOfItsOwn) {
  Receiver other;
  const auto second = udp->open(own(), remote());
  second->set_receiver(&other);
  EXPECT_NE(port_of(*second), port_of(*flow));
  MadePacket made = answer();
  made.destination_port = port_of(*second);
  port.receive(made.make());
  EXPECT_THAT(receiver.datagrams, IsEmpty());
  EXPECT_THAT(other.datagrams, SizeIs(1));
}

TEST_P(UdpOverIpTest, StrangersAreDropped) {
  MadePacket from_other_port = answer(), from_other_host = answer(), to_other_port = answer(),
             to_other_host = answer(), tcp = answer();
  from_other_port.source_port = 444;
  from_other_host.source.back() ^= 1;
  ++to_other_port.destination_port;
  to_other_host.destination.back() ^= 1;
  tcp.is_udp = false;
  for (const MadePacket& made : {from_other_port, from_other_host, to_other_port, to_other_host, tcp})
    port.receive(made.make());
  EXPECT_THAT(receiver.datagrams, IsEmpty());
  EXPECT_EQ(counters().dropped_stranger, 5u);
}

TEST_P(UdpOverIpTest, WhatIsBrokenIsDropped) {
  const PacketBytes good = answer().make();
  const std::size_t ip = headers() - 8;
  std::vector<PacketBytes> broken{{}, {0x75}, PacketBytes(good.begin(), good.begin() + 10)};
  broken.push_back(good);  // cut short
  broken.back().pop_back();
  broken.push_back(good);  // its content is another
  broken.back().back() ^= 0x10;
  broken.push_back(good);  // a UDP length that is too long, and one that is too short
  ++broken.back()[ip + 5];
  broken.push_back(good);
  --broken.back()[ip + 5];
  broken.push_back(good);
  broken.back()[ip + 4] = broken.back()[ip + 5] = 0;
  if (is_v6()) {
    broken.push_back(good);  // no checksum (RFC 8200 §8.1)
    broken.back()[ip + 6] = broken.back()[ip + 7] = 0;
  } else {
    broken.push_back(good);  // the header's checksum
    ++broken.back()[net::ipv4::ttl];
  }
  for (const PacketBytes& bytes : broken) port.receive(bytes);
  EXPECT_THAT(receiver.datagrams, IsEmpty());
  EXPECT_EQ(counters().dropped_invalid, broken.size());
}

TEST_P(UdpOverIpTest, AMissingChecksumIsFineInIpv4Alone) {
  PacketBytes bytes = answer().make();
  bytes[headers() - 2] = bytes[headers() - 1] = 0;
  port.receive(bytes);
  EXPECT_THAT(receiver.datagrams, SizeIs(is_v6() ? 0 : 1));
}

/// IPv4 options, or an IPv6 extension header, between the IP and the UDP header.
PacketBytes with_header(const PacketBytes& packet, const PacketBytes& more, std::uint8_t type) {
  const bool is_v6 = packet[0] >> 4 == 6;
  const std::size_t ip = is_v6 ? 40 : 20;
  PacketBytes bytes = packet;
  bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(ip), more.begin(), more.end());
  if (is_v6) {
    net::store_be16(&bytes[4], static_cast<std::uint32_t>(bytes.size() - 40));
    bytes[6] = type;
    return bytes;
  }
  bytes[0] = static_cast<std::uint8_t>(0x45 + more.size() / 4);
  net::store_be16(&bytes[2], static_cast<std::uint32_t>(bytes.size()));
  bytes[10] = bytes[11] = 0;
  net::store_be16(&bytes[10], 0xffffU ^ net::simple_sum(Bytes(bytes).first(ip + more.size())));
  return bytes;
}

TEST_P(UdpOverIpTest, OptionsAndExtensionHeadersAreDropped) {
  const PacketBytes packet = answer().make();
  if (is_v6()) {
    port.receive(with_header(packet, {17, 0, 1, 4, 0, 0, 0, 0}, net::protocol::hop_by_hop));
    port.receive(with_header(packet, {17, 0, 1, 4, 0, 0, 0, 0}, net::protocol::destination_options));
    // An atomic fragment (RFC 6946).
    port.receive(with_header(packet, {17, 0, 0, 0, 0, 0, 0, 1}, net::protocol::fragment));
    EXPECT_EQ(counters().dropped_header, 3u);
  } else {
    port.receive(with_header(packet, {1, 1, 1, 0}, 0));
    EXPECT_EQ(counters().dropped_header, 1u);
  }
  EXPECT_THAT(receiver.datagrams, IsEmpty());
}

TEST_P(UdpOverIpTest, FragmentsAreDropped) {
  PacketBytes first = answer().make(), later = first;
  if (is_v6()) {
    first = with_header(first, {17, 0, 0, 1, 0, 0, 0, 1}, net::protocol::fragment);
    later = with_header(later, {17, 0, 0, 8, 0, 0, 0, 1}, net::protocol::fragment);
  } else {
    const auto fragment = [](PacketBytes& packet, std::uint16_t word) {
      net::store_be16(&packet[6], word);
      packet[10] = packet[11] = 0;
      net::store_be16(&packet[10], 0xffffU ^ net::simple_sum(Bytes(packet).first(20)));
    };
    fragment(first, 0x2000);
    fragment(later, 1);
  }
  port.receive(first);
  port.receive(later);
  EXPECT_THAT(receiver.datagrams, IsEmpty());
  EXPECT_EQ(counters().dropped_fragment, 2u);
}

TEST_P(UdpOverIpTest, WhatFindsThePortFullIsHeld) {
  port.room = 1;
  EXPECT_EQ(send("aabbc", 2), net::SendStatus::blocked);
  EXPECT_EQ(send("dd", 2), net::SendStatus::dropped) << "it was told to wait";
  EXPECT_EQ(counters().dropped_queue, 1u);
  port.room = 1;
  port.receiver->on_port_writable(Time{1s});
  EXPECT_EQ(receiver.writable, 0) << "full again";
  port.room = 100;
  port.receiver->on_port_writable(Time{1s});
  EXPECT_EQ(receiver.writable, 1);
  EXPECT_EQ(send("ee", 2), net::SendStatus::sent);
  std::string all;
  for (const PacketBytes& packet : port.sent)
    all += as_text(net::udp_payload(packet, net::parse_ip(packet).value()).value());
  EXPECT_EQ(all, "aabbcee");
}

TEST_P(UdpOverIpTest, AllFlowsWaitForAPortThatIsFull) {
  Receiver other;
  const auto second = udp->open(own(), remote());
  second->set_receiver(&other);
  port.room = 0;
  EXPECT_EQ(send("a", 1), net::SendStatus::blocked);
  EXPECT_EQ(second->send({}, {}), net::SendStatus::blocked);
  port.room = 2;
  port.receiver->on_port_writable(Time{1s});
  EXPECT_EQ(receiver.writable + other.writable, 2);
  EXPECT_THAT(port.sent, SizeIs(2));
}

TEST_P(UdpOverIpTest, CarriesWhatThePortCarriesBehindTheHeaders) {
  EXPECT_EQ(flow->max_datagram_size(), 1400 - headers());
  EXPECT_EQ(udp->room(is_v6()), 1400 - headers());
  EXPECT_EQ(send(std::string(1400 - headers(), 'x'), 1400), net::SendStatus::too_large);
  EXPECT_THAT(port.sent, SizeIs(1)) << "the segment was shorter";
  EXPECT_EQ(send(std::string(1401 - headers(), 'x'), 1401 - headers()), net::SendStatus::too_large);
  EXPECT_EQ(counters().dropped_size, 1u);
  port.size = 1300;
  port.receiver->on_mtu(1300);
  EXPECT_EQ(receiver.size, 1300 - headers());
  receiver.size.reset();
  port.receiver->on_mtu(1300);
  EXPECT_FALSE(receiver.size) << "nothing new";
  port.size = 20;
  EXPECT_EQ(flow->max_datagram_size(), 0u);
}

TEST_P(UdpOverIpTest, PortsThatCarryAnythingCarryNoMoreThanAPacketIs) {
  port.size = 1'000'000;
  EXPECT_EQ(flow->max_datagram_size(), 65'535 - headers());
  EXPECT_EQ(send(std::string(65'535, 'x'), 65'535), net::SendStatus::too_large);
  EXPECT_THAT(port.sent, IsEmpty());
}

TEST_P(UdpOverIpTest, UnreachableIsToldAsOfASocket) {
  send("hello", 5);
  port.receive(icmp(net::IcmpError::address_unreachable, port.sent[0]));
  EXPECT_EQ(receiver.unreachable, net::Unreachable::hint);
  port.receive(icmp(net::IcmpError::port_unreachable, port.sent[0]));
  EXPECT_EQ(receiver.unreachable, net::Unreachable::definite);
  ASSERT_TRUE(receiver.error);
  EXPECT_THAT(receiver.error->message,
              HasSubstr("UDP to " + remote().to_string() + " failed: Connection refused"));
  EXPECT_EQ(receiver.error->kind, ErrorKind::refused);
  EXPECT_EQ(counters().icmp_believed, 2u);
}

TEST_P(UdpOverIpTest, IcmpAboutWhatNoFlowSentIsIgnored) {
  send("hello", 5);
  MadePacket quoted = answer();
  std::swap(quoted.source, quoted.destination);
  std::swap(quoted.source_port, quoted.destination_port);
  std::vector<MadePacket> forged(4, quoted);
  ++forged[0].source_port;
  ++forged[1].destination_port;
  forged[2].destination.back() ^= 1;
  forged[3].source.back() ^= 1;
  for (const MadePacket& made : forged) {
    port.receive(icmp(net::IcmpError::port_unreachable, made.make()));
    port.receive(icmp(net::IcmpError::packet_too_big, made.make(), 1300));
  }
  PacketBytes broken = icmp(net::IcmpError::port_unreachable, quoted.make());
  broken.back() ^= 1;
  port.receive(broken);
  EXPECT_FALSE(receiver.unreachable || receiver.size);
  EXPECT_EQ(counters().icmp_ignored, 9u);
  port.receive(icmp(net::IcmpError::port_unreachable, quoted.make()));
  EXPECT_TRUE(receiver.unreachable) << "the others were wrong in one point each";
}

TEST_P(UdpOverIpTest, PacketTooBigNarrowsTheFlow) {
  const std::string large(1400 - headers(), 'x');
  EXPECT_EQ(send(large, large.size()), net::SendStatus::sent);
  const PacketBytes refused = port.sent[0];
  port.receive(icmp(net::IcmpError::packet_too_big, refused, 1400));
  EXPECT_FALSE(receiver.size) << "it would have fitted";
  port.receive(icmp(net::IcmpError::packet_too_big, refused, 1300));
  EXPECT_EQ(receiver.size, 1300 - headers());
  EXPECT_EQ(send(large, large.size()), net::SendStatus::too_large);
  EXPECT_THAT(port.sent, SizeIs(1)) << "the port would carry it, what is behind it does not";
  receiver.size.reset();
  port.receive(icmp(net::IcmpError::packet_too_big, refused, 1350));
  EXPECT_FALSE(receiver.size) << "it widens none";
  // QUIC's least, whoever says so (RFC 9000 §14.2.1).
  port.receive(icmp(net::IcmpError::packet_too_big, refused, 68));
  EXPECT_EQ(receiver.size, 1200u);
  EXPECT_EQ(counters().icmp_believed, 2u);
  EXPECT_EQ(counters().icmp_ignored, 2u);
}

TEST_P(UdpOverIpTest, TheEndOfThePortIsThatOfItsFlows) {
  port.room = 0;
  send("waits", 5);
  port.receiver->on_port_closed({ErrorKind::closed, "the tunnel ended"});
  ASSERT_TRUE(receiver.closed);
  EXPECT_EQ(receiver.closed->message, "the tunnel ended");
  EXPECT_EQ(send("x", 1), net::SendStatus::dropped);
  port.receiver->on_port_writable(Time{1s});
  EXPECT_EQ(receiver.writable, 0);
}

TEST_P(UdpOverIpTest, FlowsEndByThemselves) {
  Receiver other;
  const auto second = udp->open(own(), remote());
  second->set_receiver(&other);
  const std::uint16_t ending = port_of(*second);
  udp->end_flows([&](const net::NetPath& path) { return path.local.port() == ending; },
                 {ErrorKind::closed, "withdrawn"});
  EXPECT_TRUE(other.closed);
  EXPECT_FALSE(receiver.closed);
  port.receive(answer().make());
  EXPECT_THAT(receiver.datagrams, SizeIs(1));
}

TEST_P(UdpOverIpTest, ReceiversMayEndAllOfIt) {
  const std::vector<std::function<void()>> events{
      [this] {
        PacketBytes first = answer().make(), second = first;
        std::array<net::Packet, 2> packets{net::Packet{.bytes = first}, net::Packet{.bytes = second}};
        port.receiver->on_packets(packets, Time{1s});
      },
      [this] {
        port.room = 0;
        send("x", 1);
        port.room = 1;
        port.receiver->on_port_writable(Time{1s});
      },
      [this] {
        port.size = 1300;
        port.receiver->on_mtu(1300);
      },
      [this] {
        send("x", 1);
        port.receive(icmp(net::IcmpError::port_unreachable, port.sent.back()));
      },
      [this] {
        send(std::string(1250, 'x'), 1250);
        port.receive(icmp(net::IcmpError::packet_too_big, port.sent.back(), 1240));
      },
      [this] { port.receiver->on_port_closed({ErrorKind::closed, "over"}); },
  };
  for (const auto& event : events) {
    port.size = 1400;
    port.room = 1000;
    port.sent.clear();
    flow.reset();
    udp.reset();
    udp = std::make_unique<UdpOverIp>(port, random);
    flow = udp->open(own(), remote());
    bool told = false;
    receiver.action = [&] {
      told = true;
      flow.reset();
      udp.reset();
    };
    flow->set_receiver(&receiver);
    event();
    EXPECT_TRUE(told);
    EXPECT_EQ(port.receiver, nullptr);
  }
}

}  // namespace
}  // namespace sallyport::masque
