// Exchange: one request and its response, the same type for a server and a client and for all three versions.
// Bodies flow both ways under back-pressure; datagrams and capsules (RFC 9297) and CONNECT tunnels travel on
// it. Owned by its http::Connection; valid until the handler's on_closed returned.
#pragma once

#include "base/chunk.h"
#include "base/result.h"
#include "base/time.h"
#include "http/message.h"
#include "net/address.h"
#include "quic/datagram_queueing.h"

#include <cstdint>
#include <memory>
#include <string_view>

namespace sallyport::http {

class Connection;
class Exchange;

using quic::DatagramDrop;
using quic::WhenFull;

/// Stream errors, named once; each version maps them to its own (RFC 9113 §7, RFC 9114 §8.1; HTTP/1.1 closes
/// the connection).
enum class ResetCode : std::uint8_t {
  no_error,  ///< nothing wrong, we just need no more of it
  cancelled,
  refused,  ///< not processed: may be tried again
  internal_error,
  message_error,  ///< malformed
  connect_error,  ///< the far end of a CONNECT tunnel broke
  excessive_load,
  datagram_error,  ///< RFC 9297: a malformed datagram or capsule
};

/// Who uses an exchange. Not owned by it; lives until on_closed, which also comes when the connection is
/// destroyed. Any call may lead to Exchange::reset(), and so to on_closed in a later turn.
class ExchangeHandler {
 public:
  // Client only:
  virtual void on_informational(Exchange&, const Response& /*head: status 1xx*/) {}
  virtual void on_response(Exchange&, const Response& /*head*/) {}

  /// Valid during the call. Credit returns to the peer only by Exchange::consume().
  virtual void on_body(Exchange&, Bytes body) = 0;
  virtual void on_trailers(Exchange&, const Fields&) {}
  /// The peer's message is complete.
  virtual void on_end(Exchange&) = 0;
  /// There is room() again after it was 0: queued_bytes() fell to half of write_ahead(), or to nothing.
  virtual void on_writable(Exchange&) {}

  /// One HTTP datagram's payload (context ID and what follows), from a DATAGRAM frame or a DATAGRAM capsule.
  virtual void on_datagram(Exchange&, Bytes /*payload*/) {}
  /// Any other capsule, whole. Unknown types are to be ignored (RFC 9297 §3.2). The credit of its value
  /// returns to the peer by Exchange::consume(), as that of a body does. An Error resets the stream with
  /// datagram_error.
  virtual Result<> on_capsule(Exchange& exchange, std::uint64_t type, Bytes value);
  /// How an HTTP datagram begins that the peer drops unread, for as long as the tunnel is open: its
  /// connection probes the path's MTU with such (quic::Application::padding_datagram()). Empty: there is
  /// none.
  virtual Bytes padding_prefix() const { return {}; }
  /// Whether an HTTP datagram that came is such of the peer's: it is dropped, and counts as none.
  virtual bool is_padding(Bytes /*payload*/) const { return false; }
  /// Exchange::max_datagram_payload() changed.
  virtual void on_max_datagram_payload(Exchange&) {}
  /// There is room for datagrams again after send_datagram said no.
  virtual void on_datagrams_writable(Exchange&) {}
  /// A datagram that send_datagram took was dropped from the queue below (WhenFull::drop). Nothing but
  /// counting may be done here.
  virtual void on_datagram_dropped(Exchange&, DatagramDrop /*why*/) {}

  /// The last call, always made once. `why` is null when both messages completed; else what ended it. The
  /// exchange is destroyed after.
  virtual void on_closed(Exchange&, const Error* why) = 0;

 protected:
  ~ExchangeHandler() = default;
};

class Exchange {
 public:
  static constexpr std::size_t high_water = 256 * 1024;  ///< see write_ahead()

  virtual ~Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const Request& request() const { return request_; }
  Version version() const { return version_; }
  bool is_server() const { return server_; }
  Connection& connection() const { return connection_; }
  /// The stream's number on its connection (0 for HTTP/1.1): for traces.
  virtual std::int64_t stream_id() const = 0;
  void set_handler(ExchangeHandler* handler) { handler_ = handler; }
  /// Server: all of the request is known to be here, its body too. False in on_request says nothing: the end
  /// may come right after.
  bool request_complete() const { return request_complete_; }
  /// Client, in on_response: no body follows, and no trailers, as the end of the message is known to be here.
  /// False says nothing, as above.
  bool response_complete() const { return response_complete_; }
  /// Server, in on_request: no 100 (Continue) is said by itself. Whoever knows says it by inform().
  void hold_continue() { continue_held_ = true; }
  /// How long nothing may move before the exchange is given up, in place of Limits::idle_timeout; 0: for
  /// ever.
  virtual void set_idle_timeout(Duration) {}
  /// Server: who asks, as far as a credential told: for the record of it (ExchangeLog). Copied.
  virtual void set_identity(std::string_view) {}
  /// Server: the addresses that a tunnel has now, with commas between them, likewise.
  virtual void set_addresses(std::string_view) {}
  /// Server: the route and the backend that it was passed on to, and why that gave no response or not all of
  /// it (empty: it did), likewise.
  virtual void set_upstream(std::string_view /*route*/, std::string_view /*backend*/,
                            std::string_view /*error*/) {}

  /// Server: what the request is known by in other logs, likewise.
  virtual void set_request_id(std::string_view) {}

  // Sending
  /// Server: 1xx, any number, before respond().
  virtual void inform(const Response& head) = 0;
  /// Server: the final response; `end` when no body follows. Over HTTP/1.1 the framing (content-length,
  /// chunked, upgrade) is chosen here.
  virtual void respond(const Response& head, bool end = false) = 0;
  /// Takes all of it. Pause when room() is 0, or at the latest when queued_bytes() passes high_water.
  virtual void write(Chunk body) = 0;
  /// False once write() drops what it is given: the exchange is over (on_closed follows) or our message has
  /// its end. queued_bytes() stays low then, so whoever writes until it is high has to ask.
  virtual bool can_write() const { return true; }
  /// Takes it by Chunk::share(): without a copy where it was just read into a Chunk and is large; small
  /// pieces are gathered.
  virtual void write(Bytes body) { write(Chunk::share(body)); }
  virtual std::size_t queued_bytes() const = 0;
  /// Above how many queued bytes room() is 0: high_water at most, and less over QUIC, where the congestion
  /// window is small: what is read long before it can leave is memory held for nothing.
  virtual std::size_t write_ahead() const { return high_water; }
  /// How large the next piece is best made now; 0: wait for on_writable, which will come. Less where much is
  /// queued on all of the connection, so that many that nobody reads do not hold as much as one each.
  virtual std::size_t room() { return queued_bytes() > write_ahead() ? 0 : Chunk::pooled_size; }
  /// Ends our message, with trailers or without.
  virtual void finish(const Fields& trailers = {}) = 0;
  /// Ends both directions at once. on_closed follows in a later turn.
  virtual void reset(ResetCode code) = 0;
  /// `why`: what on_closed will be told, and what the connection says if it ends with the exchange
  /// (HTTP/1.1).
  virtual void reset(ResetCode code, const Error& /*why*/) { reset(code); }
  /// Stop reading the peer's body but let ours finish (a server that answered early).
  virtual void stop_reading(ResetCode code = ResetCode::no_error) = 0;

  // Receiving
  virtual void consume(std::size_t bytes) = 0;
  /// Bounds what the peer may have sent of its message, and on_body's handler not consumed, about: where that
  /// may grow with the data rate, up to 16 MiB, without it. What a stream is granted from its start stays
  /// granted (HTTP/2: 512 KiB; HTTP/3: quic::Config::initial_stream_window, which is the least as well), and
  /// so does what was granted before this is called. Only lowers the limit. Where use_capsules() is called
  /// before a body comes, it is at least two of the longest capsules, so that each has room.
  virtual void set_receive_limit(std::size_t /*bytes*/) {}

  // Datagrams and capsules. After use_capsules() the body in both directions is a capsule sequence (RFC 9297
  // §3): on_body is no longer called, on_datagram and on_capsule are.
  virtual void use_capsules() = 0;
  /// As a DATAGRAM frame where the connection has them, else as a capsule. `prefix` and `payload` are joined
  /// and copied once. False: not taken, which the connection counts: too large, or the queue is full, until
  /// on_datagrams_writable.
  virtual bool send_datagram(Bytes prefix, Bytes payload) = 0;
  /// For datagrams that are sent from now on; until it is called their sender can wait.
  void set_when_full(WhenFull what) { when_full_ = what; }
  virtual void send_capsule(std::uint64_t type, Bytes value) = 0;
  /// Largest payload of send_datagram, prefix included, now. Capsules carry up to 65,535.
  virtual std::size_t max_datagram_payload() const = 0;
  virtual std::size_t queued_datagram_bytes() const = 0;
  /// True where datagrams go as DATAGRAM frames (HTTP/3, both sides agreed).
  virtual bool datagrams_unreliable() const = 0;

 protected:
  Exchange(Connection& connection, Version version, bool server)
      : connection_(connection), version_(version), server_(server) {}

  Connection& connection_;
  ExchangeHandler* handler_ = nullptr;
  Request request_;
  Version version_;
  bool server_;
  bool request_complete_ = false, response_complete_ = false;
  bool continue_held_ = false;
  WhenFull when_full_ = WhenFull::refuse;
};

inline Result<> ExchangeHandler::on_capsule(Exchange& exchange, std::uint64_t, Bytes value) {
  exchange.consume(value.size());
  return {};
}

}  // namespace sallyport::http
