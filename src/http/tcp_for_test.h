// What the tests of HTTP/1.1 and HTTP/2 share: a client and a server joined in memory, in simulated time, and
// handlers that record.
#pragma once

#include "http/connection.h"
#include "http/tcp_connection.h"
#include "net/memory_stream.h"
#include "net/timers.h"
#include "tls/served_certificate.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::http::test {

/// Notes what happens on one exchange. Consumes what it reads unless told not to.
class RecordingExchange final : public ExchangeHandler {
 public:
  void on_informational(Exchange&, const Response& head) override { interim.push_back(head.status); }
  void on_response(Exchange&, const Response& head) override {
    response = head;
    if (then_response) then_response();
  }
  void on_body(Exchange& exchange, Bytes bytes) override {
    body += as_text(bytes);
    unconsumed += bytes.size();
    if (consumes) exchange.consume(std::exchange(unconsumed, 0));
    if (then_body) then_body(exchange);
  }
  void on_trailers(Exchange&, const Fields& fields) override { trailers = fields; }
  void on_end(Exchange& exchange) override {
    ended = true;
    if (then_end) then_end(exchange);
  }
  void on_writable(Exchange& exchange) override {
    ++writable;
    if (then_writable) then_writable(exchange);
  }
  void on_datagrams_writable(Exchange&) override { ++datagrams_writable; }
  void on_datagram_dropped(Exchange&, DatagramDrop why) override {
    ++(why == DatagramDrop::sojourn ? dropped_sojourn : dropped_full);
  }
  Bytes padding_prefix() const override { return as_bytes(padding); }
  bool is_padding(Bytes datagram) const override {
    return !peers_padding.empty() && as_text(datagram).starts_with(peers_padding);
  }
  void on_datagram(Exchange&, Bytes payload) override { datagrams.emplace_back(as_text(payload)); }
  Result<> on_capsule(Exchange& exchange, std::uint64_t type, Bytes value) override {
    capsules.emplace_back(type, as_text(value));
    unconsumed += value.size();
    if (consumes) exchange.consume(std::exchange(unconsumed, 0));
    return {};
  }
  void on_closed(Exchange&, const Error* why) override {
    ++closed;
    if (why != nullptr) error = *why;
    if (then_closed) then_closed();
  }

  /// Closed, once, and without an error.
  bool is_well() const { return closed == 1 && !error; }

  std::vector<unsigned> interim;
  std::optional<Response> response;
  std::string body;
  std::string padding;        ///< padding_prefix()
  std::string peers_padding;  ///< what is_padding() knows; empty: nothing
  std::optional<Fields> trailers;
  bool ended = false;
  int writable = 0, datagrams_writable = 0;
  std::uint64_t dropped_sojourn = 0, dropped_full = 0;
  std::vector<std::string> datagrams;
  std::vector<std::pair<std::uint64_t, std::string>> capsules;
  int closed = 0;
  std::optional<Error> error;

  bool consumes = true;
  std::size_t unconsumed = 0;
  std::function<void()> then_response, then_closed;
  std::function<void(Exchange&)> then_body, then_end, then_writable;
};

/// A server's handler: records each exchange and does with it what the test says.
class RecordingServer final : public RequestHandler {
 public:
  struct Taken {
    Request request;
    Exchange* exchange;
    RecordingExchange handler;
  };
  void on_request(Exchange& exchange) override {
    auto taken = std::make_unique<Taken>();
    taken->request = exchange.request();
    taken->exchange = &exchange;
    exchange.set_handler(&taken->handler);
    requests.push_back(std::move(taken));
    if (then) then(exchange, requests.back()->handler);
  }
  ExchangeLog* log() override { return record_to; }
  Taken& last() { return *requests.back(); }

  ExchangeLog* record_to = nullptr;  ///< to be set before there is a connection

  std::vector<std::unique_ptr<Taken>> requests;
  std::function<void(Exchange&, RecordingExchange&)> then;
};

class RecordingConnection final : public ConnectionHandler {
 public:
  void on_ready(Connection&) override { ++ready; }
  void on_goaway(Connection&) override { ++goaway; }
  void on_connection_closed(Connection&, const Error* why) override {
    ++closed;
    if (why != nullptr) error = *why;
  }
  int ready = 0, goaway = 0, closed = 0;
  std::optional<Error> error;
};

/// One end of a stream with no HTTP on it: says what the test says and notes what comes.
class RawEnd final : public net::ByteStreamReceiver {
 public:
  explicit RawEnd(std::unique_ptr<net::ByteStream> given) : stream(std::move(given)) {
    stream->set_receiver(this);
    stream->set_reading(true);
  }
  void on_bytes(Bytes bytes) override {
    received += as_text(bytes);
    if (takes && --*takes == 0) stream->set_reading(false);
  }
  void on_end() override { ended = true; }
  void on_stream_error(const Error& why) override { error = why; }
  void say(std::string_view text) { stream->write(as_bytes(text)); }

  std::unique_ptr<net::ByteStream> stream;
  std::string received;
  std::optional<int> takes;  ///< reading stops after so many pieces
  bool ended = false;
  std::optional<Error> error;
};

class Clock {
 public:
  net::Timers timers{Time{} + 1h};
  /// Everything that can be done without time passing.
  void settle() {
    while (timers.has_deferred()) timers.run_deferred();
  }
  void pass(Duration time) {
    const Time until = timers.now() + time;
    settle();
    while (timers.next_deadline() <= until) {
      timers.advance(timers.next_deadline());
      settle();
    }
    timers.advance(until);
    settle();
  }
};

/// One direction of a link with a rate: hands on one piece of its end's stream, then rests.
class SlowEnd final : public net::ByteStreamReceiver {
 public:
  SlowEnd(net::Timers& timers, std::unique_ptr<net::ByteStream> given, Duration pause)
      : stream(std::move(given)), timers_(timers), pause_(pause), rest_(timers, [this](Time) {
          if (!gone_) stream->set_reading(true);
        }) {
    stream->set_receiver(this);
    stream->set_reading(true);
  }
  void on_bytes(Bytes bytes) override {
    to->stream->write(bytes);
    stream->set_reading(false);
    rest_.arm(timers_.now() + pause_);
  }
  void on_end() override { to->stream->finish(); }
  void on_stream_error(const Error&) override {
    gone_ = true;
    to->stream->close();
  }

  std::unique_ptr<net::ByteStream> stream;
  SlowEnd* to = nullptr;

 private:
  net::Timers& timers_;
  const Duration pause_;
  net::Timer rest_;
  bool gone_ = false;
};

/// A client and a server of the same version, joined.
class Pair {
 public:
  enum class Speaks : std::uint8_t { h1, h2 };
  Clock clock;
  const std::shared_ptr<const tls::ServedCertificate> certificate =
      std::make_shared<const tls::ServedCertificate>(std::vector<std::string>{"example.com"}, "ab01");
  explicit Pair(Speaks speaks, std::size_t piece = 64 * 1024, const Limits& limits = {},
                ExchangeLog* log = nullptr) {
    requests.record_to = log;
    auto [near, far] = net::make_memory_streams(clock.timers, {.piece = piece});
    join(speaks, std::move(near), std::move(far), limits);
  }
  /// Joined by a link that carries `piece` bytes in each `pause`, either way.
  Pair(Speaks speaks, std::size_t piece, Duration pause, const Limits& limits) {
    auto [near, middle] = net::make_memory_streams(clock.timers, {.piece = piece});
    auto [other, far] = net::make_memory_streams(clock.timers, {.piece = piece});
    up_ = std::make_unique<SlowEnd>(clock.timers, std::move(middle), pause);
    down_ = std::make_unique<SlowEnd>(clock.timers, std::move(other), pause);
    up_->to = down_.get();
    down_->to = up_.get();
    join(speaks, std::move(near), std::move(far), limits);
  }

 private:
  void join(Speaks speaks, std::unique_ptr<net::ByteStream> near, std::unique_ptr<net::ByteStream> far,
            const Limits& limits) {
    const StreamSecurity security{.server_name = "example.com", .tls = "TLS1.3", .certificate = certificate};
    if (speaks == Speaks::h1) {
      client = make_h1_client(clock.timers, std::move(near), security, client_events, limits);
      server = make_h1_server(clock.timers, std::move(far), security, requests, &server_events, limits);
    } else {
      client = make_h2_client(clock.timers, std::move(near), security, client_events, limits);
      server = make_h2_server(clock.timers, std::move(far), security, requests, &server_events, limits);
    }
  }

  std::unique_ptr<SlowEnd> up_, down_;

 public:
  RecordingConnection client_events, server_events;
  RecordingServer requests;
  std::unique_ptr<Connection> client, server;
};

inline Request get(std::string path) {
  Request request;
  request.authority = "example.com";
  request.path = std::move(path);
  return request;
}

inline Request post(std::string path) {
  Request request = get(std::move(path));
  request.method = "POST";
  return request;
}

inline Request extended_connect(std::string protocol, std::string path) {
  Request request = get(std::move(path));
  request.method = "CONNECT";
  request.protocol = std::move(protocol);
  return request;
}

inline Request connect(std::string target) {
  Request request;
  request.method = "CONNECT";
  request.authority = std::move(target);
  request.path.clear();
  return request;
}

inline Response status(unsigned code, Fields fields = {}) {
  return {.status = code, .fields = std::move(fields)};
}

}  // namespace sallyport::http::test
