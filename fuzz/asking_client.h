// What the fuzz targets of our clients share: handlers that ask for all kinds of things and check what they
// are told, whatever a hostile origin or hop answers: heads are clean, nothing comes after a message's end, a
// body has the length that was announced, every exchange ends once.
#pragma once

#include "http/tcp_for_test.h"
#include "invariants.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace sallyport::http::fuzz {

class Asked final : public ExchangeHandler {
 public:
  explicit Asked(Request request) : request_(std::move(request)) {}

  void on_informational(Exchange&, const Response& head) override {
    require(!answered_ && closed_ == 0 && head.status >= 100 && head.status < 200);
    check(head.fields);
  }
  void on_response(Exchange&, const Response& head) override {
    require(!answered_ && closed_ == 0 && head.status >= 200 && head.status <= 999);
    check(head.fields);
    answered_ = true;
    // RFC 9110 §9.3.6, §15.3.5, §15.4.5: these have no content, whatever length they name.
    const bool tunnel = request_.is_connect() && head.status < 300;
    bodiless_ = !tunnel && (request_.method == "HEAD" || head.status == 204 || head.status == 304);
    if (!tunnel && !bodiless_ && head.fields.find("content-length")) length_ = length_of(head);
  }
  void on_body(Exchange& exchange, Bytes body) override {
    require(answered_ && !ended_ && closed_ == 0 && !bodiless_ && !body.empty());
    received_ += body.size();
    exchange.consume(body.size());
  }
  void on_trailers(Exchange&, const Fields& trailers) override {
    require(answered_ && !ended_ && closed_ == 0);
    check(trailers);
  }
  void on_end(Exchange&) override {
    require(answered_ && !ended_ && closed_ == 0);
    ended_ = true;
    require(!length_ || *length_ == received_);
  }
  void on_datagram(Exchange& exchange, Bytes payload) override {
    require(closed_ == 0);
    exchange.send_datagram({}, payload);
  }
  Result<> on_capsule(Exchange&, std::uint64_t, Bytes) override {
    require(closed_ == 0);
    return {};
  }
  void on_closed(Exchange&, const Error* why) override {
    require(++closed_ == 1);
    require(why != nullptr || ended_);
  }

  bool is_closed() const { return closed_ == 1; }

 private:
  static std::optional<std::uint64_t> length_of(const Response& head) {
    const auto length = parse_content_length(*head.fields.find("content-length"));
    require(length.has_value());
    return length;
  }

  Request request_;
  bool answered_ = false, ended_ = false, bodiless_ = false;
  std::optional<std::uint64_t> length_;
  std::uint64_t received_ = 0;
  int closed_ = 0;
};

/// Starts requests of all kinds and keeps their handlers.
class Asker {
 public:
  static constexpr std::uint8_t kinds = 5;

  void ask(Connection& connection, std::uint8_t kind) {
    switch (kind % kinds) {
      case 0:
        start(connection, test::get("/"), true);
        return;
      case 1: {
        Request request = test::get("/");
        request.method = "HEAD";
        start(connection, std::move(request), true);
        return;
      }
      case 2:
        start(connection, test::connect("origin.test:443"), false);
        return;
      case 3: {
        Request request = test::extended_connect("connect-udp", "/.well-known/masque/udp/192.0.2.1/443/");
        request.fields.add("capsule-protocol", "?1");
        start(connection, std::move(request), false).use_capsules();
        return;
      }
      default: {
        Exchange& exchange = start(connection, test::post("/"), false);
        exchange.write(as_bytes("content"));
        exchange.finish({{"sum", "1"}});
        return;
      }
    }
  }
  bool all_closed() const {
    for (const auto& one : asked_)
      if (!one->is_closed()) return false;
    return true;
  }

 private:
  Exchange& start(Connection& connection, Request request, bool end) {
    Asked& one = *asked_.emplace_back(std::make_unique<Asked>(request));
    return connection.request(std::move(request), one, end);
  }

  std::vector<std::unique_ptr<Asked>> asked_;
};

}  // namespace sallyport::http::fuzz
