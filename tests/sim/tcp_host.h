// TcpHost: the TCP of one Host of the simulated network: its connections, its listeners, and what answers
// segments that belong to neither.
#pragma once

#include "link.h"
#include "net/tcp.h"
#include "net/timers.h"
#include "tcp_connection.h"
#include "tcp_stream.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace sallyport::sim {

class Host;
class TcpAcceptor;

class TcpHost {
 public:
  explicit TcpHost(Host& host);
  ~TcpHost();
  TcpHost(const TcpHost&) = delete;
  TcpHost& operator=(const TcpHost&) = delete;

  // For the Host:
  Result<std::unique_ptr<net::TcpListener>> listen(const net::SocketAddress& local,
                                                   const net::TcpOptions& options,
                                                   net::TcpListener::Accepted accepted);
  void arrive(const Packet& packet);
  /// A RST to both ends of every connection.
  void reset_all();
  /// From now on the connections are seen at `ip` (null: the address that they have) and other ports.
  void move(const net::IpAddress* ip);
  bool uses_port(std::uint16_t port) const;
  /// Connections that a program holds.
  std::size_t held_connections() const;

  /// The SYN leaves at once; `opened` tells of its answer, unless the stream was dropped before.
  Result<std::unique_ptr<TcpStream>> open(const net::SocketAddress& remote, TcpConnection::Opened opened);

  // For its connections and listeners:
  net::Timers& timers() const;
  /// The most data of a segment that fits the host's own link, at most 1,400 bytes.
  std::size_t mss_to(const net::SocketAddress& remote) const;
  void send(const net::NetPath& path, const TcpSegment& segment);
  /// Forgets closed connections at the end of the turn.
  void reap() { reap_.request(); }
  void forget(TcpAcceptor& acceptor) { std::erase(acceptors_, &acceptor); }

 private:
  TcpConnection* find(const net::NetPath& as_sent) const;
  TcpAcceptor* acceptor_of(const net::NetPath& as_sent) const;
  void accept(const net::NetPath& as_sent, const TcpSegment& syn);
  void hand_over(TcpConnection& connection);
  void refuse(const net::NetPath& as_sent, const TcpSegment& segment);

  Host& host_;
  std::vector<std::unique_ptr<TcpConnection>> connections_;
  std::vector<TcpAcceptor*> acceptors_;
  net::Deferred reap_;
};

}  // namespace sallyport::sim
