// PacketRouter: a kernel that routes, in place of a gateway's TUN device (RFC 9484): UDP packets that come
// out of CONNECT-IP tunnels leave its Host by sockets of it, so from its address and a port for each flow, as
// masquerading does it; what comes back, ICMP's "port unreachable" too, becomes packets to the client again.
#pragma once

#include "net/packet_port.h"
#include "network.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

namespace sallyport::sim {

class PacketRouter final : public net::PacketPort {
 public:
  PacketRouter(Network& network, Host& host);
  ~PacketRouter() override;

  void set_receiver(net::PacketReceiver* receiver) override { receiver_ = receiver; }
  /// Ordinary packets only. What is no UDP packet, or leads nowhere, is dropped and counted.
  net::SendStatus send(std::span<const net::Packet> packets) override;
  std::size_t mtu() const override { return 65'535; }

  /// Each has a socket of the host's, for as long as this lives.
  std::size_t flows() const { return flows_.size(); }
  std::uint64_t dropped() const { return dropped_; }

 private:
  class Flow;
  struct Key {
    net::IpAddress client, remote;
    std::uint16_t client_port, remote_port;
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  bool route(Bytes bytes);
  void deliver(MutableBytes packet);

  Network& network_;
  Host& host_;
  net::PacketReceiver* receiver_ = nullptr;
  std::map<Key, std::unique_ptr<Flow>> flows_;
  std::uint64_t dropped_ = 0;
};

}  // namespace sallyport::sim
