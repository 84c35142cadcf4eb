// A fixture for tests of Proxy, IpFlow and IpSwitch: CONNECT-IP requests in, packets both ways between
// tunnels and a device.
#pragma once

#include "masque/doubles_for_test.h"
#include "masque/ip_flow.h"
#include "masque/packet_port_for_test.h"
#include "net/packets_for_test.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque::test {

using net::MadePacket;
using net::PacketBytes;

inline net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}
inline net::IpPrefix prefix(std::string_view text) {
  return net::IpPrefix::parse(text).value();
}
inline net::PacketBytes octets(std::string_view text) {
  const auto address = ip(text);
  return {address.octets().begin(), address.octets().end()};
}

class IpFlowTest : public testing::Test {
 protected:
  IpFlowTest() {
    const std::vector pools{prefix("10.7.0.0/24"), prefix("fd07::/64")};
    network->pool = std::move(AddressPool::make(pools).value());
    network->routes = {range_of(prefix("0.0.0.0/0")), range_of(prefix("::/0"))};
    options.protocols = {Protocol::ip};
  }
  IpSwitch& ip_switch() {
    if (!switch_) {
      switch_options.own_v4 = ip("10.7.0.1");
      switch_options.own_v6 = ip("fd07::1");
      switch_ = std::make_unique<IpSwitch>(timers, device, switch_options, net::CoalescerOptions{});
    }
    return *switch_;
  }
  Proxy& proxy() {
    if (!proxy_) {
      proxy_ = std::make_unique<Proxy>(timers, outbound, options);
      proxy_->serve_ip(network, ip_switch());
    }
    return *proxy_;
  }
  ExchangeForTest& ask(std::string_view path = "/.well-known/masque/ip/*/*/",
                       std::size_t max_payload = 1401) {
    http::Request request;
    request.method = "CONNECT";
    request.protocol = "connect-ip";
    request.authority = "proxy.example";
    request.path = path;
    request.fields.add("capsule-protocol", "?1");
    ExchangeForTest& exchange = connection.receive(std::move(request));
    exchange.max_payload = max_payload;
    proxy().on_request(exchange);
    return exchange;
  }
  static std::vector<AssignedAddress> assigned(const ExchangeForTest& exchange) {
    for (auto at = exchange.sent_capsules.rbegin(); at != exchange.sent_capsules.rend(); ++at)
      if (at->first == capsule_address_assign) return parse_address_assign(at->second).value();
    return {};
  }
  static std::vector<IpRange> advertised(const ExchangeForTest& exchange) {
    for (auto at = exchange.sent_capsules.rbegin(); at != exchange.sent_capsules.rend(); ++at)
      if (at->first == capsule_route_advertisement) return parse_route_advertisement(at->second).value();
    return {};
  }
  /// An address that `exchange` was assigned.
  static net::IpAddress own(const ExchangeForTest& exchange, bool v4) {
    for (const AssignedAddress& each : assigned(exchange))
      if (each.prefix.address().is_v4() == v4) return each.prefix.address();
    ADD_FAILURE() << "no address was assigned";
    return {};
  }
  static MadePacket from(const ExchangeForTest& exchange, std::string_view destination, bool udp = false) {
    const bool v4 = ip(destination).is_v4();
    MadePacket made{.is_v6 = !v4, .is_udp = udp, .payload = net::some_payload(100)};
    const auto source = own(exchange, v4);
    made.source = {source.octets().begin(), source.octets().end()};
    made.destination = octets(destination);
    made.destination_port = 443;
    return made;
  }
  static MadePacket to(const ExchangeForTest& exchange, std::string_view source, bool udp = false) {
    MadePacket made = from(exchange, source, udp);
    std::swap(made.source, made.destination);
    return made;
  }
  void send(ExchangeForTest& exchange, const PacketBytes& packet) {
    exchange.receive_datagram(std::string(1, '\0') + std::string(as_text(packet)));
    timers.run_deferred();
  }
  /// The packets that came out of `exchange`, without their context ID.
  static std::vector<PacketBytes> received(const ExchangeForTest& exchange) {
    std::vector<PacketBytes> packets;
    for (const std::string& datagram : exchange.datagrams) {
      EXPECT_EQ(datagram.front(), '\0');
      packets.emplace_back(datagram.begin() + 1, datagram.end());
    }
    return packets;
  }
  /// Ends all tunnels, then the switch: for a test whose own objects they use.
  void end() {
    proxy_.reset();
    switch_.reset();
  }
  std::uint64_t dropped(IpDrop why) { return ip_switch().figures().dropped[static_cast<std::size_t>(why)]; }

  net::Timers timers{Time{1000s}};
  OutboundForTest outbound{timers};
  ConnectionForTest connection{timers};
  ProxyOptions options;
  IpSwitchOptions switch_options;
  DeviceForTest device;
  const std::shared_ptr<IpNetwork> network = std::make_shared<IpNetwork>();

 private:
  std::unique_ptr<IpSwitch> switch_;
  std::unique_ptr<Proxy> proxy_;
};

}  // namespace sallyport::masque::test
