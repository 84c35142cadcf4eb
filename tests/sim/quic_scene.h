// QuicScene: a QUIC client and a QUIC server on the simulated network, with nothing above them but an
// application that echoes streams. The stage of the scenarios that quic-interop-runner plays.
#pragma once

#include "network.h"
#include "quic/application_for_test.h"
#include "quic/endpoint.h"
#include "tls/session_cache.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace sallyport::sim {

class QuicScene {
 public:
  enum class Family { v4, v6 };
  /// A client's connection and what lies under it.
  struct Client {
    std::unique_ptr<net::DatagramPath> path;
    quic::test::TestApplication application;
    std::unique_ptr<quic::Connection> connection;  // goes first
    quic::Stats stats() const { return connection->stats(); }
  };

  /// 10 ms of delay in each direction, 50 Mbit/s.
  explicit QuicScene(std::uint64_t seed = 1, Family family = Family::v4);
  ~QuicScene();

  /// Applies to all four directions of the two links.
  void each_link(const std::function<void(LinkProfile&)>& change);
  /// Starts the server, by `server_options`.
  void serve();
  /// Starts a connection, by `client_options`, from a socket of its own.
  Client& connect();
  /// serve(), connect(), and the handshake on both sides.
  Client& establish();
  bool established(const Client& client) const;

  /// Sends `bytes` on a new stream; the server sends them back.
  quic::StreamId begin_echo(Client& client, std::size_t bytes);
  /// All came back, just as it was.
  bool echoed(const Client& client, quic::StreamId id) const;
  /// Both, at most `limit` from now.
  bool echo(Client& client, std::size_t bytes, Duration limit = 60s);

  /// The server's side of the open connection that was accepted last; null when there is none.
  quic::test::TestApplication* server_application() const;
  quic::Stats server_stats() const;

  Network network;
  Host& client_host;
  Host& server_host;
  tls::SessionCache sessions;
  quic::ServerOptions server_options;
  quic::ClientOptions client_options;
  std::unique_ptr<quic::Endpoint> endpoint;

 private:
  quic::Environment environment() { return {network.timers(), network.random()}; }

  std::unique_ptr<Socket> server_socket_;
  std::deque<Client> clients_;
  // All that were accepted; the endpoint's, which destroys those that close.
  std::vector<std::pair<const quic::Connection*, quic::test::TestApplication*>> server_applications_;
};

}  // namespace sallyport::sim
