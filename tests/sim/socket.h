// Socket: a UDP socket of a Host of the simulated network, connected or listening.
#pragma once

#include "base/lifetime.h"
#include "link.h"
#include "net/inbound.h"
#include "net/timers.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace sallyport::sim {

class Host;

/// What arrives at one moment from one peer in equal sizes is delivered as one run, as UDP_GRO would have it.
/// Now and then its send queue is full, where LinkProfile::blocked says so.
class Socket final : public net::UdpListener {
 public:
  /// A default `remote`: not connected. With `reuse_port` it is one of a group, where others are bound to the
  /// same `local`.
  Socket(Host& host, net::SocketAddress local, net::SocketAddress remote, bool reuse_port = false);
  ~Socket() override;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void set_receiver(net::DatagramReceiver* receiver) override { receiver_ = receiver; }
  net::SendStatus send(const net::NetPath& to, const net::DatagramRun& run) override;
  std::size_t max_datagram_size() const override { return 65'527; }
  net::NetPath net_path() const override { return {local_, remote_}; }
  Result<> steer(const net::SteeringLayout& layout) override;
  net::UdpSocketStats stats() const override { return stats_; }

 private:
  friend class Network;
  friend class Host;
  bool is_connected() const { return remote_.port() != 0; }
  Packet packet_to(const net::NetPath& to, const net::DatagramRun& run) const;
  void send_backlog(Time now);
  void deliver(Time now);

  Host& host_;
  net::SocketAddress local_, remote_;
  net::SocketAddress seen_as_;  // by the rest of the world; a NAT may change it
  const bool reuse_port_;
  std::optional<net::SteeringLayout> steering_;  // the whole group's
  net::DatagramReceiver* receiver_ = nullptr;
  std::vector<Packet> arrived_;
  std::vector<Packet> backlog_;  // what waits for room in the send queue
  std::size_t backlog_bytes_ = 0;
  net::Timer has_room_;  // armed while the send queue is full
  net::UdpSocketStats stats_;
  Lifetime lifetime_;  // the receiver may destroy the socket
};

}  // namespace sallyport::sim
