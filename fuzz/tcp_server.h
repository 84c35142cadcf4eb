// What the fuzz targets of HTTP/1.1 and HTTP/2 share: a server fed with an input in pieces, a handler that
// does all that handlers do, and what must hold whatever comes: every exchange ends once, nothing comes after
// a message's end, heads are clean, the connection goes away.
#pragma once

#include "http/tcp_for_test.h"
#include "invariants.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace sallyport::http::fuzz {

class Handler final : public RequestHandler {
 public:
  struct One final : ExchangeHandler {
    void on_body(Exchange& exchange, Bytes body) override {
      require(closed == 0 && !ended);
      received += body.size();
      if (exchange.request().path != "/hold") exchange.consume(body.size());
      if (answered && exchange.queued_bytes() < Exchange::high_water) exchange.write(body);
      if (exchange.request().path == "/reset") exchange.reset(ResetCode::cancelled);
      if (exchange.request().path == "/stop") exchange.stop_reading();
    }
    void on_trailers(Exchange&, const Fields& trailers) override {
      require(closed == 0 && !ended);
      check(trailers);
    }
    void on_end(Exchange& exchange) override {
      require(closed == 0 && !ended);
      ended = true;
      const auto length = exchange.request().fields.find("content-length");
      if (length && !exchange.request().is_connect()) require(parse_content_length(*length) == received);
      if (!answered) exchange.respond(test::status(200));
      exchange.finish({{"sum", "1"}});
    }
    void on_datagram(Exchange& exchange, Bytes payload) override { exchange.send_datagram({}, payload); }
    void on_closed(Exchange&, const Error*) override { ++closed; }

    bool answered = false, ended = false;
    int closed = 0;
    std::size_t received = 0;
  };

  void on_request(Exchange& exchange) override {
    const Request& request = exchange.request();
    check(request.fields);
    require(is_token(request.method));
    require(request.path.find_first_of(" \r\n\t#") == std::string::npos);
    require(request.authority.empty() || is_authority(request.authority));
    One& one = *made.emplace_back(std::make_unique<One>());
    exchange.set_handler(&one);
    if (request.path == "/404") return exchange.respond(test::status(404, {{"content-length", "0"}}), true);
    if (!request.protocol.empty()) exchange.use_capsules();
    if (request.path == "/early" || request.is_connect()) {
      one.answered = true;
      exchange.respond(test::status(200));
    }
  }

  std::vector<std::unique_ptr<One>> made;
};

using Make = std::function<std::unique_ptr<Connection>(net::Timers&, std::unique_ptr<net::ByteStream>,
                                                       RequestHandler&)>;

/// The input's first octet says how large the pieces are, and whether the client half-closes, closes, or just
/// stops.
inline int run(Bytes input, const Make& make) {
  if (input.empty()) return 0;
  const std::uint8_t how = input[0];
  input = input.subspan(1);
  test::Clock clock;
  Handler handler;
  auto [near, far] = net::make_memory_streams(
      clock.timers, {.piece = (how & 0x3f) == 0 ? std::size_t{65536} : std::size_t{how} & 0x3f});
  auto connection = make(clock.timers, std::move(far), handler);
  {
    test::RawEnd client(std::move(near));
    client.stream->write(input);
    if ((how & 0x40) != 0) client.stream->finish();
    clock.settle();
    if ((how & 0x80) != 0) client.stream->close();
    // An hour takes every timeout; only what became a tunnel may still stand then.
    clock.pass(1h);
  }
  clock.pass(1h);
  require(connection->open_exchanges() == 0);
  for (const auto& one : handler.made) require(one->closed == 1);
  return 0;
}

}  // namespace sallyport::http::fuzz
