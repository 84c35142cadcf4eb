// FakeExchange: an ExchangeBase of a version that only notes what it is asked for, and a connection with one
// of them.
#pragma once

#include "http/exchange_base.h"
#include "http/tcp_for_test.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::http::test {

class FakeExchange final : public ExchangeBase {
 public:
  FakeExchange(ExchangeSet& set, Connection& connection, bool server)
      : ExchangeBase(set, connection, Version::http2, server) {}

  using ExchangeBase::begin_request;
  void set_request(Request request) { request_ = std::move(request); }
  std::int64_t stream_id() const override { return 1; }

  std::vector<std::string> log;
  std::size_t credit = 0;
  int bodies = 0;

 private:
  void submit_head(const Response& head, bool end) override {
    log.push_back("head " + std::to_string(head.status) + (end ? " end" : ""));
  }
  void submit_body() override { ++bodies; }
  void submit_reset(ResetCode code) override {
    log.push_back("reset " + std::to_string(static_cast<int>(code)));
  }
  void submit_stop(ResetCode) override { log.push_back("stop"); }
  void submit_credit(std::size_t bytes) override { credit += bytes; }
  bool peer_blocks() const override { return true; }
  void tunnel_opened() override { log.push_back("tunnel"); }
  void submit_limit() override { log.push_back("limit " + std::to_string(receive_limit())); }
};

inline std::string reset_of(ResetCode code) {
  return "reset " + std::to_string(static_cast<int>(code));
}

/// A connection with one exchange on it.
struct ExchangeBench final : Connection, ExchangeOwner {
  Clock clock;
  Limits limits;
  int gone = 0;
  std::size_t credit_at_end = 0;
  RecordingExchange handler;
  RecordingServer server;
  ConnectionInfo connection_info;
  FakeExchange* exchange = nullptr;
  ExchangeSet set{clock.timers, limits, *this};

  FakeExchange& serve(Request request = get("/"), std::optional<std::uint64_t> length = {}) {
    auto made = std::make_unique<FakeExchange>(set, *this, true);
    exchange = made.get();
    exchange->set_request(std::move(request));
    set.add(std::move(made));
    exchange->received_request(server, {}, length);
    return *exchange;
  }
  FakeExchange& ask(Request request = get("/"), bool end = true) {
    auto made = std::make_unique<FakeExchange>(set, *this, false);
    exchange = made.get();
    exchange->begin_request(std::move(request), handler, end);
    set.add(std::move(made));
    return *exchange;
  }
  void answer(unsigned status, std::optional<std::uint64_t> length = {}) {
    Response response{.status = status};
    if (length) response.fields.add("content-length", std::to_string(*length));
    exchange->received_response(response, {}, length);
  }
  RecordingExchange& served() { return server.last().handler; }

  void on_exchange_gone(ExchangeBase& ended) override {
    ++gone;
    credit_at_end = static_cast<FakeExchange&>(ended).credit;
  }
  Exchange& request(Request, ExchangeHandler&, bool) override { return *exchange; }
  bool can_request() const override { return true; }
  std::size_t open_exchanges() const override { return set.size(); }
  void shutdown() override {}
  void close(const Error&) override {}
  const ConnectionInfo& info() const override { return connection_info; }
  ConnectionCounters counters() const override { return set.counters; }
  net::Timers& timers() const override { return set.timers(); }
};

}  // namespace sallyport::http::test
