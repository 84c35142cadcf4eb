// Connection: an HTTP connection of any version, server's or client's side, behind one interface. Made by
// the functions of http/h3_connection.h and http/tcp_connection.h.
#pragma once

#include "base/result.h"
#include "http/exchange.h"
#include "http/exchange_log.h"
#include "http/limits.h"
#include "net/address.h"
#include "net/timers.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace sallyport::quic {
class Connection;
}

namespace sallyport::tls {
class ServedCertificate;
struct ClientCertificate;
}  // namespace sallyport::tls

namespace sallyport::http {

/// A server's way to what was asked. Called when a request's head is complete and valid; must call
/// Exchange::set_handler before it returns, and may respond at once. Outlives its connections.
class RequestHandler {
 public:
  virtual void on_request(Exchange& exchange) = 0;
  /// Who is told of exchanges that ended, those that were never handed to on_request too; null: nobody. Asked
  /// once a connection; outlives it.
  virtual ExchangeLog* log() { return nullptr; }

 protected:
  ~RequestHandler() = default;
};

/// Who holds a connection.
class ConnectionHandler {
 public:
  /// Client: requests may be sent (they may also be sent, and wait, before this). HTTP/3: the peer's SETTINGS
  /// are known.
  virtual void on_ready(Connection&) {}
  /// The peer drains: no new requests on this connection; those above its last stream ID are closed with kind
  /// refused.
  virtual void on_goaway(Connection&) {}
  /// The last call; the connection may be destroyed in a later turn (not inside). `why` is null after an
  /// orderly close.
  virtual void on_connection_closed(Connection&, const Error* why) = 0;

 protected:
  ~ConnectionHandler() = default;
};

/// What is true of all exchanges of a connection.
struct ConnectionInfo {
  Version version{};
  bool server = false;
  net::NetPath path;
  /// The peer showed that it is at path.remote; over QUIC that takes a handshake, or a token.
  bool address_validated = true;
  std::string server_name;  ///< SNI
  std::string tls;          ///< "TLS1.3", or empty over plain text
  std::string cipher;       ///< the IANA name of the cipher suite, where it is known
  std::string id;           ///< names the connection in logs; over QUIC also its qlog file
  /// A server: the certificate that this connection was given, by which it is known whether a host may be
  /// asked for on it (RFC 9110 §7.4: answer 421 when not). Null over plain text and where it is not known;
  /// then there is nothing to check.
  std::shared_ptr<const tls::ServedCertificate> certificate;
  /// A server: the client certificate that it asked for and verified; null where there is none. Over QUIC
  /// known before the first request.
  std::shared_ptr<const tls::ClientCertificate> client_certificate;
};

/// Counted since the start, for metrics and for `get --json`.
struct ConnectionCounters {
  std::uint64_t requests = 0;
  std::uint64_t datagrams_in = 0, datagrams_out = 0;
  std::uint64_t datagrams_dropped_unknown_stream =
      0;  ///< for a finished or unknown stream, after the short hold
  /// _queue: refused by send_datagram, whose caller may keep them for later.
  std::uint64_t datagrams_dropped_queue = 0, datagrams_dropped_size = 0;
  std::uint64_t datagrams_dropped_sojourn = 0, datagrams_dropped_full = 0;  ///< by DatagramDrop
  std::uint64_t resets_in = 0, resets_out = 0, budget_exceeded = 0;
};

/// What a server's RequestHandler wants to remember of a connection; goes with it.
class ConnectionNote {
 public:
  virtual ~ConnectionNote() = default;
};

class Connection {
 public:
  virtual ~Connection() = default;

  /// Client: starts an exchange. `handler` gets on_closed even when the request never left. `end`: no body
  /// follows. Waits in a queue for the peer's stream limit. Extended CONNECT waits for the peer's SETTINGS
  /// and fails with kind protocol if it does not do them.
  virtual Exchange& request(Request request, ExchangeHandler& handler, bool end) = 0;
  /// False once closing, draining, or (HTTP/1.1) busy.
  virtual bool can_request() const = 0;
  /// Client: how many requests would leave at once rather than wait for the peer's stream limit; 0 while that
  /// is not known.
  virtual std::size_t free_streams() const { return can_request() ? 1 : 0; }
  virtual std::size_t open_exchanges() const = 0;
  /// Server: GOAWAY, then closes when the last exchange is done. Client: closes when the last exchange is
  /// done.
  virtual void shutdown() = 0;
  /// At once; open exchanges get on_closed.
  virtual void close(const Error& why) = 0;
  /// As it is now; a peer over QUIC may move, so what is kept of it may age. Valid as long as the connection.
  virtual const ConnectionInfo& info() const = 0;
  virtual ConnectionCounters counters() const = 0;
  virtual net::Timers& timers() const = 0;
  /// The QUIC connection below HTTP/3; null for the others.
  virtual quic::Connection* quic() const { return nullptr; }

  /// Null until it is set. A connection has one, so its server's handlers have to agree on who writes it.
  const ConnectionNote* note() const { return note_.get(); }
  void set_note(std::unique_ptr<ConnectionNote> note) { note_ = std::move(note); }

 private:
  std::unique_ptr<ConnectionNote> note_;
};

}  // namespace sallyport::http
