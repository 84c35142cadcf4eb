#include "http/connection_log.h"

#include "base/hex.h"
#include "base/log.h"
#include "http/h3_error.h"

#include <chrono>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace sallyport::http {
namespace {

/// One for all of them: a template's own would be one for each combination of arguments.
LogLimit limit(10ms, 500);

template <class... Arguments>
void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  const auto left_out = limit.allow(std::chrono::steady_clock::now());
  if (!left_out) return;
  const std::string text = fmt::format(format, std::forward<Arguments>(arguments)...);
  if (*left_out == 0)
    log_debug("{}", text);
  else
    log_debug("{} ({} messages about connections were suppressed before this one)", text, *left_out);
}

/// "connection 83948fc9 from 192.0.2.1:4433"
std::string named(std::string_view id, const net::SocketAddress& client) {
  return fmt::format("connection {} from {}", id, client.to_string());
}

std::string named(const quic::Connection& connection) {
  return named(to_hex(connection.original_destination_id()), connection.path().remote);
}

std::string agreed(std::string_view alpn, std::string_view version, std::string_view cipher,
                   std::string_view server_name, bool resumed) {
  return fmt::format("handshake complete: ALPN {}, {}, {}, {}{}", alpn.empty() ? "none" : alpn, version,
                     cipher, server_name.empty() ? "no SNI" : fmt::format("SNI '{}'", server_name),
                     resumed ? ", resumed" : "");
}

}  // namespace

void ConnectionLog::on_accepted(const quic::Connection& connection) {
  say("{}: accepted over QUIC", named(connection));
}

void ConnectionLog::on_established(const quic::Connection& connection) {
  say("{}: {}", named(connection),
      agreed(connection.alpn(), "TLS1.3", connection.cipher(), connection.server_name(),
             connection.stats().resumed));
}

void ConnectionLog::on_moved(const quic::Connection& connection) {
  say("{}: migrated to this address", named(connection));
}

void ConnectionLog::on_ended(const quic::Connection& connection, const quic::Closed& why, bool established) {
  if (established)
    say("{}: closed: {}", named(connection), why.to_error(name_of_h3).message);
  else
    say("{}: handshake failed: {}", named(connection), why.to_error(name_of_h3).message);
}

void ConnectionLog::refused(std::string_view id, const net::SocketAddress& balancer, const Error& why) {
  say("{}: closed: {}", named(id, balancer), why.message);
}

void ConnectionLog::accepted(std::string_view id, const net::SocketAddress& client) {
  say("{}: accepted over TCP", named(id, client));
}

void ConnectionLog::established(std::string_view id, const net::SocketAddress& client,
                                const tls::SessionInfo& session) {
  say("{}: {}", named(id, client),
      agreed(session.alpn, session.version, session.cipher, session.server_name, session.resumed));
}

void ConnectionLog::failed(std::string_view id, const net::SocketAddress& client, const Error& why) {
  say("{}: handshake failed: {}", named(id, client), why.message);
}

void ConnectionLog::closed(const Connection& connection, const Error* why) {
  const ConnectionInfo& info = connection.info();
  say("{}: closed: {}", named(info.id, info.path.remote),
      why != nullptr ? std::string_view(why->message) : "no error");
}

}  // namespace sallyport::http
