#include "client/packet_relay.h"

#include "net/ip_packet.h"

namespace sallyport::client {
PacketRelay::PacketRelay(net::Timers& timers, net::PacketPort& device, const net::CoalescerOptions& coalesce)
    : device_(device),
      coalescer_([this](const net::Packet& packet) { to_device(packet); }, coalesce),
      flush_(timers, [this](Time) { coalescer_.flush(); }) {
  device_.set_receiver(this);
}

PacketRelay::~PacketRelay() {
  device_.set_receiver(nullptr);
  if (tunnel_ != nullptr) tunnel_->set_receiver(nullptr);
}

void PacketRelay::set_tunnel(net::PacketPort* tunnel) {
  if (tunnel_ != nullptr) tunnel_->set_receiver(nullptr);
  tunnel_ = tunnel;
  if (tunnel_ != nullptr) tunnel_->set_receiver(&down_);
  device_.set_reading(true);
}

void PacketRelay::to_device(const net::Packet& packet) {
  const auto status = device_.send({&packet, 1});
  if (status != net::SendStatus::sent && status != net::SendStatus::blocked) ++counters_.dropped_device;
}

void PacketRelay::on_packets(std::span<net::Packet> packets, Time now) {
  for (const net::Packet& packet : packets) up(packet, now);
}

void PacketRelay::up(const net::Packet& packet, Time now) {
  const auto parsed = net::parse_ip(packet.bytes);
  if (!parsed) {
    ++counters_.dropped_invalid;
    return;
  }
  masque::IpRejection why{net::IcmpError::no_route};
  if (tunnel_ != nullptr) {
    net::clamp_mss_to_mtu(packet.bytes, *parsed, mtu(), packet.checksum_partial);
    switch (tunnel_->send({&packet, 1})) {
      case net::SendStatus::blocked:
        device_.set_reading(false);
        [[fallthrough]];
      case net::SendStatus::sent:
        ++counters_.packets_up;
        counters_.bytes_up += packet.bytes.size();
        return;
      case net::SendStatus::too_large:
        ++counters_.dropped_too_large;
        why = {net::IcmpError::packet_too_big, tunnel_->mtu()};
        break;
      default:
        ++counters_.dropped_queue;
        return;
    }
  } else {
    ++counters_.dropped_no_tunnel;
  }
  const MutableBytes answer =
      answers_.answer(why, packet.bytes.first(parsed->total_length), *parsed, limit_, now);
  if (!answer.empty()) to_device({.bytes = answer});
}

void PacketRelay::from_tunnel(std::span<net::Packet> packets, Time) {
  for (const net::Packet& packet : packets) {
    ++counters_.packets_down;
    counters_.bytes_down += packet.bytes.size();
    if (const auto parsed = net::parse_ip(packet.bytes)) net::clamp_mss_to_mtu(packet.bytes, *parsed, mtu());
    coalescer_.add(packet);
  }
  flush_.request();
}

}  // namespace sallyport::client
