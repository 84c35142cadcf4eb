#include "packet_router.h"

#include "net/icmp_error.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"
#include "net/udp_header.h"

#include <array>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::sim {

class PacketRouter::Flow final : public net::DatagramReceiver {
 public:
  Flow(PacketRouter& router, const Key& key, std::unique_ptr<net::DatagramPath> path)
      : router_(router), key_(key), path_(std::move(path)) {
    path_->set_receiver(this);
  }

  void send(Bytes payload, net::Ecn ecn) {
    // What the host's queue has no room for is lost, as it is in a kernel.
    [[maybe_unused]] const auto status = path_->send({}, {payload, payload.size(), ecn});
  }

 private:
  void on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time) override {
    run.for_each([&](Bytes payload) {
      std::vector<std::uint8_t> packet = packet_of({.source = key_.remote,
                                                    .destination = key_.client,
                                                    .source_port = key_.remote_port,
                                                    .destination_port = key_.client_port,
                                                    .ecn = run.ecn},
                                                   payload);
      router_.deliver(packet);
    });
  }

  void on_unreachable(net::Unreachable, const Error&) override {
    const std::vector<std::uint8_t> ours = packet_of({.source = key_.client,
                                                      .destination = key_.remote,
                                                      .source_port = key_.client_port,
                                                      .destination_port = key_.remote_port},
                                                     {});
    std::array<std::uint8_t, net::max_icmp_error> error{};
    const std::size_t size = net::write_icmp_error(error, net::IcmpError::port_unreachable, ours,
                                                   *net::parse_ip(ours), key_.remote);
    router_.deliver(MutableBytes(error).first(size));
  }

  static std::vector<std::uint8_t> packet_of(const net::UdpHeader& header, Bytes payload) {
    const std::size_t headers = net::udp_headers_size(header.source.is_v6());
    std::vector<std::uint8_t> packet(headers + payload.size());
    net::write_udp_headers(packet, header, payload);
    copy_bytes(payload, packet.data() + headers);
    return packet;
  }

  PacketRouter& router_;
  const Key key_;
  const std::unique_ptr<net::DatagramPath> path_;
};

PacketRouter::PacketRouter(Network& network, Host& host) : network_(network), host_(host) {}
PacketRouter::~PacketRouter() = default;

net::SendStatus PacketRouter::send(std::span<const net::Packet> packets) {
  for (const net::Packet& packet : packets) {
    EXPECT_EQ(packet.segment_size, 0);
    EXPECT_FALSE(packet.checksum_partial);
    if (!route(packet.bytes)) ++dropped_;
  }
  return net::SendStatus::sent;
}

bool PacketRouter::route(Bytes bytes) {
  const auto parsed = net::parse_ip(bytes);
  if (!parsed || !net::has_valid_header_checksum(bytes, *parsed)) return false;
  const auto payload = net::udp_payload(bytes, *parsed);
  if (!payload) return false;
  const Key key{parsed->source, parsed->destination, parsed->source_port, parsed->destination_port};
  auto flow = flows_.find(key);
  if (flow == flows_.end()) {
    auto path = host_.open_udp(net::SocketAddress(key.remote, key.remote_port));
    if (!path) return false;
    flow = flows_.emplace(key, std::make_unique<Flow>(*this, key, std::move(*path))).first;
  }
  flow->second->send(*payload, static_cast<net::Ecn>(parsed->traffic_class & 3U));
  return true;
}

void PacketRouter::deliver(MutableBytes bytes) {
  net::Packet packet{.bytes = bytes};
  if (receiver_ != nullptr) receiver_->on_packets({&packet, 1}, network_.now());
}

}  // namespace sallyport::sim
