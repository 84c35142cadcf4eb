// TcpFront: HTTP/2 and HTTP/1.1 on one TCP port: accepts, does the TLS handshake, and owns the connections.
// Plain HTTP is answered with an error (ClearTextRefusal). Also serves the admin port's HTTP/1.1 without TLS.
// From trusted load balancers it reads a PROXY header first.
#pragma once

#include "http/connection.h"
#include "http/connection_log.h"
#include "http/tcp_connection.h"
#include "net/inbound.h"
#include "net/proxy_header_reading.h"
#include "net/timers.h"
#include "tls/stream.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::http {

struct TcpFrontOptions {
  std::optional<tls::ServerOptions> tls;  ///< nullopt: plain HTTP/1.1
  Limits limits;
  std::vector<net::IpPrefix> proxy_protocol_from;  ///< a connection from there begins with a PROXY header
  bool reuse_port = false;
  unsigned leave_descriptors = 0;  ///< see net::TcpOptions
  Duration silence_timeout{};      ///< likewise
  std::size_t most_connections =
      std::numeric_limits<std::size_t>::max();  ///< above it, the oldest connection is closed
  ConnectionLog* log = nullptr;                 ///< not owned; null: no log
};

struct TcpFrontCounters {
  std::uint64_t handshakes_completed = 0, handshakes_failed = 0;
  std::uint64_t http1_total = 0, http2_total = 0;
  std::size_t http1_open = 0, http2_open = 0;
  /// PROXY headers: that name the client, or nobody; connections closed for want of a good one, or of the
  /// rest of it.
  std::uint64_t proxy_headers = 0, proxy_headers_without_client = 0;
  std::uint64_t proxy_headers_malformed = 0, proxy_headers_incomplete = 0;
  ConnectionCounters closed;  ///< sums over closed connections
};

class TcpFront {
 public:
  /// `requests` is not owned and must outlive the result.
  static Result<std::unique_ptr<TcpFront>> listen(net::Inbound& inbound, net::Timers& timers,
                                                  const net::SocketAddress& local, RequestHandler& requests,
                                                  TcpFrontOptions options);
  /// On a Unix socket at `path`.
  static Result<std::unique_ptr<TcpFront>> listen_unix(net::Inbound& inbound, net::Timers& timers,
                                                       const std::string& path, RequestHandler& requests,
                                                       TcpFrontOptions options);
  ~TcpFront();

  net::SocketAddress local() const { return listener_->local(); }
  /// For new handshakes. Only with TLS.
  void set_credentials(std::shared_ptr<const tls::ServerCredentials> credentials);
  /// Of new connections.
  void set_limits(const http::Limits& limits) { options_.limits = limits; }
  /// Likewise.
  void set_proxy_protocol_from(const std::vector<net::IpPrefix>& prefixes) {
    options_.proxy_protocol_from = prefixes;
  }
  /// Graceful shutdown: refuses new connections; open ones close after their last response. `drained` is
  /// called when all are closed, perhaps at once.
  void drain(std::function<void()> drained);
  const TcpFrontCounters& counters() const { return counters_; }
  const net::TcpCounters& tcp() const { return tcp_; }
  /// Open connections, including those in their handshake, or before it.
  std::size_t sessions() const { return sessions_.size(); }
  void for_each(const std::function<void(Connection&)>& visit) const;

 private:
  struct Session;
  using Sessions = std::list<Session>;

  TcpFront(net::Timers& timers, RequestHandler& requests, TcpFrontOptions options);
  static Result<std::unique_ptr<TcpFront>> make(net::Timers& timers, RequestHandler& requests,
                                                TcpFrontOptions options, const auto& listen);
  net::TcpOptions tcp_options();
  void accept(std::unique_ptr<net::ByteStream> stream);
  bool wants_proxy_header(const net::SocketAddress& peer) const;
  void read_proxy_header(Sessions::iterator session, std::unique_ptr<net::ByteStream> stream);
  /// Begins what the client sent: TLS, or HTTP/1.1.
  void begin(Sessions::iterator session, std::unique_ptr<net::ByteStream> stream);
  void put_away(std::unique_ptr<tls::Handshake> handshake);
  void refuse(Sessions::iterator session, std::unique_ptr<net::ByteStream> clear_text);
  void serve(Sessions::iterator session, std::unique_ptr<net::ByteStream> stream, std::string_view alpn,
             StreamSecurity security);
  void retire(Sessions::iterator session);
  /// Retires one without a connection, whose PROXY header, handshake or refusal goes on. Not inside their
  /// callbacks.
  void give_up(Sessions::iterator session);
  void close_oldest();
  void clean_up();

  net::Timers& timers_;
  RequestHandler& requests_;
  TcpFrontOptions options_;
  net::TcpCounters tcp_;  // outlives the members below
  std::unique_ptr<net::TcpListener> listener_;
  Sessions sessions_;
  Sessions retired_;                                       // until the end of the turn
  std::vector<std::unique_ptr<tls::Handshake>> finished_;  // likewise
  std::function<void()> drained_;
  TcpFrontCounters counters_;
  net::Deferred clean_up_;
};

/// Adds up `from` into `to`.
void add_counters(ConnectionCounters& to, const ConnectionCounters& from);

}  // namespace sallyport::http
