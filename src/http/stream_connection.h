// StreamConnection: what HTTP/1.1 and HTTP/2 have in common: a ByteStream below, a gathered write at the end
// of each turn, an idle timeout, and an end in order that gives the peer time to read our last words. Base of
// H1Server, H1Client and H2Connection.
#pragma once

#include "http/connection.h"
#include "http/exchange_base.h"
#include "http/limits.h"
#include "http/stream_gather.h"
#include "http/tcp_connection.h"
#include "net/byte_stream.h"
#include "net/timers.h"

#include <memory>
#include <optional>

namespace sallyport::http {

/// What make_h2_server() and its like are given.
struct StreamSetup {
  net::Timers& timers;
  std::unique_ptr<net::ByteStream> stream;
  const StreamSecurity& security;
  ConnectionHandler* handler;
  const Limits& limits;
};

class StreamConnection : public Connection, protected net::ByteStreamReceiver, protected ExchangeOwner {
 public:
  // Connection
  std::size_t open_exchanges() const override { return exchanges_.size(); }
  const ConnectionInfo& info() const override;
  ConnectionCounters counters() const override { return exchanges_.counters; }
  net::Timers& timers() const override { return timers_; }

 protected:
  StreamConnection(StreamSetup setup, Version version, bool server);
  ~StreamConnection() override;

  // What each version does.

  /// Bytes came, while the connection is open.
  virtual void received(Bytes bytes) = 0;
  /// The peer ended its direction, while the connection is open.
  virtual void received_fin() = 0;
  /// The end of a turn in which send_soon() was called, or the stream takes more again: put into gather()
  /// what there is to say.
  virtual void send() = 0;
  /// No exchange was open for the idle timeout: end the connection in order.
  virtual void idled() = 0;

  // For each version.

  void start();
  void send_soon() { send_.request(); }
  /// Ends the connection in order: our direction after what was gathered, open exchanges with `why` (or as
  /// closed), and the stream when all of it has left and the peer ended its own direction, or the peer took
  /// too long to.
  void end(const Error* why);
  /// Ends the connection now.
  void drop(const Error* why);
  /// Neither end() nor drop() yet.
  bool is_open() const { return phase_ == Phase::open; }
  /// To be called by the destructor of each version: exchanges that are left get on_closed while all of the
  /// connection is still there.
  void destroy_exchanges() { exchanges_.clear(); }

  ConnectionHandler* handler() const { return handler_; }
  net::ByteStream& stream() const { return *stream_; }
  StreamGather& gather() { return gather_; }
  /// The stream has enough for now; its on_stream_writable leads to send().
  bool is_full() const { return gather_.queued_bytes() > net::ByteStream::high_water; }
  bool is_server() const { return info_.server; }
  ExchangeSet& exchanges() { return exchanges_; }
  const Limits& limits() const { return limits_; }
  bool has_tls() const { return !info_.tls.empty(); }
  bool spend(std::uint32_t events) { return exchanges_.budget.spend(timers_.now(), events); }

 private:
  enum class Phase : std::uint8_t { open, ending, closed };

  // ExchangeOwner
  void on_idle() override;

  // net::ByteStreamReceiver
  void on_bytes(Bytes bytes) override;
  void on_end() override;
  void on_stream_writable() override;
  void on_stream_error(const Error& why) override;

  void linger(Time now);
  void remember(const Error* why);

  net::Timers& timers_;
  const Limits limits_;
  std::unique_ptr<net::ByteStream> stream_;
  ConnectionHandler* const handler_;
  mutable ConnectionInfo info_;  // the path is looked up when it is asked for
  StreamGather gather_;
  Phase phase_ = Phase::open;
  bool peer_ended_ = false;
  std::optional<Error> why_;
  std::size_t unsent_ = 0;  // while ending: what the stream still held at the last look
  Time give_up_{};          // while ending: when that has to be less
  ExchangeSet exchanges_;
  net::Timer linger_;
  net::Deferred send_;
  net::Deferred announce_;
};

}  // namespace sallyport::http
