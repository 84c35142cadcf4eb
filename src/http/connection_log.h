// ConnectionLog: logs the life of connections and the reasons of failed handshakes, at --log-level debug
// only. One for each worker; all together are limited to a hundred lines a second in the long run, and log
// the number of suppressed lines.
#pragma once

#include "http/connection.h"
#include "quic/endpoint.h"
#include "tls/session_info.h"

#include <cstdint>
#include <string_view>

namespace sallyport::http {

class ConnectionLog final : public quic::ConnectionWatcher {
 public:
  // quic::ConnectionWatcher
  void on_accepted(const quic::Connection& connection) override;
  void on_established(const quic::Connection& connection) override;
  void on_moved(const quic::Connection& connection) override;
  void on_ended(const quic::Connection& connection, const quic::Closed& why, bool established) override;

  // TCP. `id` as in ConnectionInfo.
  /// Before its handshake, for want of a PROXY header. `balancer`: who made the connection.
  void refused(std::string_view id, const net::SocketAddress& balancer, const Error& why);
  void accepted(std::string_view id, const net::SocketAddress& client);
  void established(std::string_view id, const net::SocketAddress& client, const tls::SessionInfo& session);
  void failed(std::string_view id, const net::SocketAddress& client, const Error& why);
  void closed(const Connection& connection, const Error* why);
};

}  // namespace sallyport::http
