// Host: a machine of the simulated network with one access link, and the Outbound that its programs use.
#pragma once

#include "base/lifetime.h"
#include "link.h"
#include "net/outbound.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::sim {

class Network;
class Host;

/// A UDP socket of a Host. What arrives at one moment from one peer in equal sizes is delivered as one run,
/// as UDP_GRO would have it.
class Socket final : public net::DatagramPath {
 public:
  /// A default `remote`: not connected.
  Socket(Host& host, net::SocketAddress local, net::SocketAddress remote);
  ~Socket() override;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void set_receiver(net::DatagramReceiver* receiver) override { receiver_ = receiver; }
  net::SendStatus send(const net::NetPath& to, const net::DatagramRun& run) override;
  std::size_t max_datagram_size() const override { return 65'527; }
  net::NetPath net_path() const override { return {local_, remote_}; }

 private:
  friend class Network;
  friend class Host;
  bool is_connected() const { return remote_.port() != 0; }
  void deliver(Time now);

  Host& host_;
  net::SocketAddress local_, remote_;
  net::SocketAddress seen_as_;  // by the rest of the world; a NAT may change it
  net::DatagramReceiver* receiver_ = nullptr;
  std::vector<Packet> arrived_;
  Lifetime lifetime_;  // the receiver may destroy the socket
};

class Host final : public net::Outbound, private net::Resolver {
 public:
  Host(Network& network, std::string name, const net::IpAddress& address);

  Link up, down;

  /// A server's socket. `port` is free.
  std::unique_ptr<Socket> listen(std::uint16_t port);
  /// From now on the sockets that this host has are seen at other ports (NAT rebinding).
  void rebind_ports();
  /// The same at another address, where new sockets are opened from now on.
  void move_to(const net::IpAddress& address);
  /// A second interface: new sockets are opened there, and those that it has go on.
  void add_address(const net::IpAddress& address) { addresses_.push_back(address); }
  /// Both directions of its link, up or down.
  void set_down(bool is_down) { up.profile.down = down.profile.down = is_down; }
  /// The newest one.
  const net::IpAddress& address() const { return addresses_.back(); }
  bool has(const net::IpAddress& address) const;
  const std::string& name() const { return name_; }
  std::size_t open_sockets() const { return sockets_.size(); }

  // net::Outbound
  net::Resolver& resolver() override { return *this; }
  using Outbound::open_udp;
  Result<std::unique_ptr<net::DatagramPath>> open_udp(const net::SocketAddress& target,
                                                      net::UdpBuffers buffers) override;
  /// There is no TCP here: every attempt fails, in a later turn.
  std::unique_ptr<net::TcpConnecting> open_tcp(const std::vector<net::SocketAddress>& targets,
                                               Duration timeout, net::TcpConnected connected) override;

 private:
  friend class Network;
  friend class Socket;
  /// Knows the hosts of the network by their names.
  std::unique_ptr<net::Resolution> resolve(const std::string& host, const net::IpAddress& asker,
                                           Answer answer) override;
  Socket* find(const net::NetPath& as_sent) const;

  Network& network_;
  std::string name_;
  std::vector<net::IpAddress> addresses_;
  std::uint16_t next_port_ = 40000;
  bool behind_nat_ = false;  // which tells nobody that a port of it is closed
  std::vector<Socket*> sockets_;
};

}  // namespace sallyport::sim
