// Proxy and TcpFlow: CONNECT requests in, bytes both ways.
#include "masque/doubles_for_test.h"
#include "masque/proxy.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

/// What the target's end of the TCP stream sees.
class Peer final : public net::ByteStreamReceiver {
 public:
  void on_bytes(Bytes bytes) override { received += as_text(bytes); }
  void on_end() override { ended = true; }
  void on_stream_error(const Error&) override { broken = true; }
  std::string received;
  bool ended = false, broken = false;
};

class TcpProxyTest : public testing::Test {
 protected:
  ExchangeForTest& ask(std::string_view authority) {
    http::Request request;
    request.method = "CONNECT";
    request.path.clear();
    request.authority = authority;
    ExchangeForTest& exchange = connection.receive(std::move(request));
    proxy().on_request(exchange);
    return exchange;
  }
  /// An open tunnel, and the target reading.
  ExchangeForTest& open() {
    ExchangeForTest& exchange = ask("8.8.8.8:443");
    timers.run_deferred();
    outbound.tcp_peer->set_receiver(&peer);
    outbound.tcp_peer->set_reading(true);
    timers.run_deferred();
    return exchange;
  }
  void send_from_target(const std::string& bytes) {
    outbound.tcp_peer->write(as_bytes(bytes));
    timers.run_deferred();
  }
  Proxy& proxy() {
    if (!proxy_) proxy_ = std::make_unique<Proxy>(timers, outbound, options);
    return *proxy_;
  }
  void pass(Duration duration) {
    timers.advance(timers.now() + duration);
    timers.run_deferred();
  }

  net::Timers timers{Time{1000s}};
  OutboundForTest outbound{timers};
  ConnectionForTest connection{timers};
  ProxyOptions options;
  Peer peer;

 private:
  std::unique_ptr<Proxy> proxy_;
};

unsigned status(const ExchangeForTest& exchange) {
  return exchange.responses.empty() ? 0 : exchange.responses[0].status;
}

TEST_F(TcpProxyTest, BytesPassBothWays) {
  ExchangeForTest& exchange = open();
  EXPECT_EQ(status(exchange), 200u);
  EXPECT_FALSE(exchange.capsules);
  EXPECT_FALSE(exchange.responses[0].fields.contains("capsule-protocol"));
  exchange.receive_body("up");
  timers.run_deferred();
  EXPECT_EQ(peer.received, "up");
  EXPECT_EQ(exchange.consumed, 2u);
  send_from_target("down");
  EXPECT_EQ(exchange.body, "down");
  EXPECT_EQ(proxy().counters().bytes_up, 2u);
  EXPECT_EQ(proxy().counters().bytes_down, 4u);
  EXPECT_EQ(proxy().counters().open[Protocol::tcp], 1u);
}

TEST_F(TcpProxyTest, WhatComesBeforeTheTargetAnsweredWaitsForIt) {
  ExchangeForTest& exchange = ask("8.8.8.8:443");
  exchange.receive_body("early ");
  exchange.handler()->on_end(exchange);
  EXPECT_EQ(exchange.consumed, 0u);
  timers.run_deferred();
  outbound.tcp_peer->set_receiver(&peer);
  outbound.tcp_peer->set_reading(true);
  timers.run_deferred();
  EXPECT_EQ(peer.received, "early ");
  EXPECT_TRUE(peer.ended);
  EXPECT_EQ(exchange.consumed, 6u);
}

TEST_F(TcpProxyTest, EachSideEndsItsDirectionAlone) {
  ExchangeForTest& exchange = open();
  exchange.handler()->on_end(exchange);
  timers.run_deferred();
  EXPECT_TRUE(peer.ended);
  EXPECT_FALSE(exchange.finished);
  send_from_target("still");
  EXPECT_EQ(exchange.body, "still");
  outbound.tcp_peer->finish();
  timers.run_deferred();
  EXPECT_TRUE(exchange.finished);
  ConnectionForTest::close_exchange(exchange);
  timers.run_deferred();
  EXPECT_FALSE(peer.broken);
  EXPECT_EQ(proxy().counters().open[Protocol::tcp], 0u);
}

TEST_F(TcpProxyTest, ATargetThatDoesNotReadHoldsTheClientBack) {
  ExchangeForTest& exchange = open();
  outbound.tcp_peer->set_reading(false);
  const std::string block(100 * 1024, 'x');
  for (int i = 0; i < 4; ++i) exchange.receive_body(block);
  EXPECT_EQ(exchange.consumed, 2 * block.size());
  outbound.tcp_peer->set_reading(true);
  timers.run_deferred();
  EXPECT_EQ(exchange.consumed, 4 * block.size());
  EXPECT_EQ(peer.received.size(), 4 * block.size());
}

TEST_F(TcpProxyTest, AClientThatDoesNotReadHoldsTheTargetBack) {
  ExchangeForTest& exchange = open();
  exchange.queued = http::Exchange::high_water + 1;
  send_from_target("one");
  send_from_target("two");
  EXPECT_EQ(exchange.body, "one");
  exchange.queued = 0;
  exchange.handler()->on_writable(exchange);
  timers.run_deferred();
  EXPECT_EQ(exchange.body, "onetwo");
}

TEST_F(TcpProxyTest, ABrokenTargetResetsTheTunnel) {
  ExchangeForTest& exchange = open();
  outbound.tcp_peer->close();
  timers.run_deferred();
  EXPECT_EQ(exchange.resets, std::vector{http::ResetCode::connect_error});
  exchange.receive_body("late");
  EXPECT_EQ(exchange.consumed, 4u);
}

TEST_F(TcpProxyTest, AResetClientBreaksTheTargetsStream) {
  ExchangeForTest& exchange = open();
  const Error why{ErrorKind::closed, "reset"};
  ConnectionForTest::close_exchange(exchange, &why);
  timers.run_deferred();
  EXPECT_TRUE(peer.broken);
}

TEST_F(TcpProxyTest, LastBytesReachASlowTargetAfterTheExchange) {
  ExchangeForTest& exchange = open();
  outbound.tcp_peer->set_reading(false);
  exchange.receive_body("last");
  exchange.handler()->on_end(exchange);
  outbound.tcp_peer->finish();
  outbound.tcp_peer->set_reading(false);
  timers.run_deferred();
  ConnectionForTest::close_exchange(exchange);
  pass(1s);
  EXPECT_EQ(proxy().counters().open[Protocol::tcp], 1u);
  outbound.tcp_peer->set_reading(true);
  timers.run_deferred();
  EXPECT_EQ(peer.received, "last");
  EXPECT_TRUE(peer.ended);
  pass(1s);
  EXPECT_EQ(proxy().counters().open[Protocol::tcp], 0u);
  EXPECT_FALSE(peer.broken);
}

TEST_F(TcpProxyTest, ATargetThatNeverReadsIsLeftAfterAWhile) {
  ExchangeForTest& exchange = open();
  outbound.tcp_peer->set_reading(false);
  exchange.receive_body("last");
  exchange.handler()->on_end(exchange);
  ConnectionForTest::close_exchange(exchange);
  for (int i = 0; i < 40; ++i) pass(1s);
  EXPECT_EQ(proxy().counters().open[Protocol::tcp], 0u);
}

TEST_F(TcpProxyTest, TellsWhyATargetCannotBeReached) {
  outbound.tcp_error = Error{ErrorKind::refused, "connection refused"};
  ExchangeForTest& refused = ask("8.8.8.8:443");
  refused.receive_body("early");
  timers.run_deferred();
  EXPECT_EQ(status(refused), 502u);
  EXPECT_EQ(refused.consumed, 5u);
  EXPECT_EQ(refused.responses[0].fields.find("proxy-status"),
            "sallyport; error=connection_refused; details=\"connection refused\"");
  outbound.tcp_error = Error{ErrorKind::timeout, "no answer"};
  ExchangeForTest& slow = ask("8.8.8.8:443");
  timers.run_deferred();
  EXPECT_EQ(status(slow), 504u);
  EXPECT_EQ(status(ask("127.0.0.1:443")), 403u);
  EXPECT_EQ(status(ask("8.8.8.8")), 400u);
  EXPECT_EQ(outbound.tcp_targets.size(), 2u) << "nothing forbidden was connected to";
}

TEST_F(TcpProxyTest, TriesOnlyAllowedAddressesInTurnOfFamilies) {
  outbound.names["a.example"] = {"2606:4700::1", "2606:4700::2", "10.0.0.1", "8.8.8.8"};
  ask("a.example:443");
  timers.run_deferred();
  EXPECT_EQ(outbound.tcp_targets,
            (std::vector<std::string>{"[2606:4700::1]:443", "[2606:4700::2]:443", "8.8.8.8:443"}));
}

TEST_F(TcpProxyTest, SwitchedOff) {
  options.protocols.erase(Protocol::tcp);
  EXPECT_EQ(status(ask("8.8.8.8:443")), 501u);
}

TEST_F(TcpProxyTest, IdleTunnelsEnd) {
  ExchangeForTest& exchange = open();
  pass(options.tcp_idle - 1s);
  exchange.receive_body("x");
  pass(options.tcp_idle - 1s);
  EXPECT_TRUE(exchange.resets.empty());
  pass(1s);
  EXPECT_EQ(exchange.resets, std::vector{http::ResetCode::cancelled});
  EXPECT_TRUE(peer.broken);
}

}  // namespace
}  // namespace sallyport::masque
