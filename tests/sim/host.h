// Host: a machine of the simulated network with one access link, and the Inbound and Outbound that its
// programs use.
#pragma once

#include "link.h"
#include "net/inbound.h"
#include "net/outbound.h"
#include "socket.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::sim {

class Network;
class TcpHost;

class Host final : public net::Inbound, public net::Outbound, private net::Resolver {
 public:
  Host(Network& network, std::string name, const net::IpAddress& address);
  ~Host() override;

  Link up, down;

  /// A server's UDP socket. `port` is free.
  std::unique_ptr<Socket> listen(std::uint16_t port);
  /// From now on the sockets that this host has are seen at other ports (NAT rebinding). TCP connections do
  /// not survive it: the other end does not know where those segments belong.
  void rebind_ports();
  /// The same at another address, where new sockets are opened from now on.
  void move_to(const net::IpAddress& address);
  /// A second interface: new sockets are opened there, and those that it has go on.
  void add_address(const net::IpAddress& address) { addresses_.push_back(address); }
  /// Both directions of its link, up or down.
  void set_down(bool is_down) { up.profile.down = down.profile.down = is_down; }
  /// A firewall drops all TCP, both ways, without a word.
  void set_tcp_down(bool is_down) { tcp_down_ = is_down; }
  /// A box on the way resets all TCP connections, those too that are being made.
  void reset_tcp_connections();
  /// What steering would give to one socket of a group goes to the next one, so that each such packet is a
  /// stray. The hash, which decides where there is no steering, stays as it is.
  void misroute(bool on) { misroutes_ = on; }
  /// The newest one.
  const net::IpAddress& address() const { return addresses_.back(); }
  bool has(const net::IpAddress& address) const;
  const std::string& name() const { return name_; }
  /// Of UDP.
  std::size_t open_sockets() const { return sockets_.size(); }
  /// Of TCP: those that a program holds, but no listeners.
  std::size_t open_connections() const;

  // net::Inbound
  Result<std::unique_ptr<net::UdpListener>> listen_udp(const net::SocketAddress& local,
                                                       const net::UdpSocketOptions& options) override;
  Result<std::unique_ptr<net::TcpListener>> listen_tcp(const net::SocketAddress& local,
                                                       const net::TcpOptions& options,
                                                       net::TcpListener::Accepted accepted) override;
  /// There are none here.
  Result<std::unique_ptr<net::TcpListener>> listen_unix(const std::string& path,
                                                        const net::TcpOptions& options,
                                                        net::TcpListener::Accepted accepted) override;

  // net::Outbound
  net::Resolver& resolver() override { return *this; }
  using Outbound::open_udp;
  Result<std::unique_ptr<net::DatagramPath>> open_udp(const net::SocketAddress& target,
                                                      net::UdpBuffers buffers) override;
  std::unique_ptr<net::TcpConnecting> open_tcp(const std::vector<net::SocketAddress>& targets,
                                               Duration timeout, net::TcpConnected connected,
                                               net::TcpAddressFailed failed) override;
  bool is_own(const net::IpAddress& address) override;

 private:
  friend class Network;
  friend class Socket;
  friend class TcpHost;
  /// Knows the hosts of the network by their names.
  std::unique_ptr<net::Resolution> resolve(const std::string& host, const net::IpAddress& asker,
                                           Answer answer) override;
  bool drops(Protocol protocol) const { return protocol == Protocol::tcp && tcp_down_; }
  /// Where a socket that asks for `local` is bound. `what` begins the error's message.
  Result<net::SocketAddress> bind(const net::SocketAddress& local, const std::string& what);
  std::uint16_t free_port();
  /// The newest address that can reach `target`.
  std::optional<net::IpAddress> source_for(const net::IpAddress& target) const;
  Socket* find_connected(const net::NetPath& as_sent) const;
  Socket* receiver_of(const Packet& packet) const;
  /// The sockets that share `socket`'s address; worker N is the N-th.
  std::vector<Socket*> group_of(const Socket& socket) const;
  void forget(Socket& socket);

  Network& network_;
  std::string name_;
  std::vector<net::IpAddress> addresses_;
  std::uint16_t next_port_ = 40000;
  bool behind_nat_ = false;  // which tells nobody that a port of it is closed
  bool tcp_down_ = false;
  bool misroutes_ = false;
  std::vector<Socket*> sockets_;
  std::unique_ptr<TcpHost> tcp_;
};

}  // namespace sallyport::sim
