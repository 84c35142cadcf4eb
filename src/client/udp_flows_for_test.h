// For tests of UdpFlows: who takes its packets, a fixture with connections that record what is done to them,
// and what ICMP errors say.
#pragma once

#include "client/udp_flows.h"
#include "masque/doubles_for_test.h"
#include "net/packets_for_test.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::client {

class PacketsForTest final : public net::PacketReceiver {
 public:
  void on_packets(std::span<net::Packet> packets, Time) override {
    for (const net::Packet& each : packets) {
      bytes.emplace_back(each.bytes.begin(), each.bytes.end());
      partial.push_back(each.checksum_partial);
    }
  }
  void on_port_writable(Time) override { ++writable; }
  void on_mtu(std::size_t size) override { mtus.push_back(size); }

  /// Type, code and, of Packet Too Big, the MTU of the ICMP errors so far, which are forgotten: "3/4 1327".
  std::vector<std::string> take_errors() {
    std::vector<std::string> errors;
    for (const net::PacketBytes& packet : std::exchange(bytes, {})) {
      const bool is_v6 = packet[0] >> 4 == 6;
      EXPECT_EQ(packet[is_v6 ? 6 : 9], is_v6 ? 58 : 1) << "no ICMP";
      const std::size_t at = is_v6 ? 40 : 20;
      std::string text = std::to_string(packet[at]) + "/" + std::to_string(packet[at + 1]);
      if (text == (is_v6 ? "2/0" : "3/4"))
        text += " " + std::to_string(packet[at + 6] * 256 + packet[at + 7]);
      errors.push_back(std::move(text));
    }
    return errors;
  }

  std::vector<net::PacketBytes> bytes;
  std::vector<bool> partial;
  std::vector<std::size_t> mtus;
  int writable = 0;
};

class UdpFlowsTest : public testing::Test {
 protected:
  UdpFlowsTest() {
    connection.set_version(http::Version::http3);
    connection.free = 100;
    flows.set_receiver(&receiver);
  }
  UdpFlowsOptions options() {
    return {.proxy = masque::ProxyTemplate::parse("https://proxy.example").value(),
            .fields = {{"authorization", "Bearer x"}},
            .connect =
                [this](auto connected) {
                  ++connects;
                  if (slow) return waiting.push_back(std::move(connected));
                  if (connect_error) return connected(std::unexpected(*connect_error));
                  connected(&connection);
                },
            .failed = [this](const Error& why) { failures.push_back(why.message); },
            .max_flows = 4};
  }
  static net::MadePacket udp(std::string_view payload, std::uint16_t source_port = 1000,
                             std::uint16_t destination_port = 2000, bool is_v6 = false) {
    return {.is_v6 = is_v6,
            .is_udp = true,
            .payload = {payload.begin(), payload.end()},
            .source_port = source_port,
            .destination_port = destination_port};
  }
  net::SendStatus send(const net::MadePacket& made, std::uint16_t segment_size = 0) {
    net::PacketBytes bytes = made.make();
    if (segment_size > 0) net::make_checksum_partial(bytes);
    return send(bytes, segment_size);
  }
  net::SendStatus send(net::PacketBytes bytes, std::uint16_t segment_size = 0) {
    const net::Packet packet{
        .bytes = bytes, .segment_size = segment_size, .checksum_partial = segment_size > 0};
    return flows.send({&packet, 1});
  }
  masque::ExchangeForTest& exchange(std::size_t number) { return connection.exchange(number); }
  void answer(std::size_t number, unsigned status = 200, std::string_view proxy_status = {}) {
    http::Response head{.status = status, .fields = {}};
    if (!proxy_status.empty()) head.fields.add("proxy-status", proxy_status);
    exchange(number).handler()->on_response(exchange(number), head);
  }
  void pass(Duration span) {
    timers.advance(timers.now() + span);
    timers.run_deferred();
  }

  net::Timers timers{Time{1000s}};
  masque::ConnectionForTest connection{timers};
  PacketsForTest receiver;
  bool slow = false;
  std::vector<std::function<void(Result<http::Connection*>)>> waiting;
  std::optional<Error> connect_error;
  std::vector<std::string> failures;
  int connects = 0;
  UdpFlows flows{timers, options()};
};

}  // namespace sallyport::client
