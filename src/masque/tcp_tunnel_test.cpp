#include "masque/tcp_tunnel.h"

#include "masque/doubles_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

class Reader final : public net::ByteStreamReceiver {
 public:
  void on_bytes(Bytes bytes) override { received += as_text(bytes); }
  void on_end() override { ended = true; }
  void on_stream_writable() override { ++writable; }
  void on_stream_error(const Error& why) override { error = why; }
  std::string received;
  std::optional<Error> error;
  int writable = 0;
  bool ended = false;
};

class TcpTunnelTest : public testing::Test {
 protected:
  TcpTunnelTest() {
    stream = open_tcp_tunnel(connection, {"2001:db8::1", 443}, {{"x", "y"}},
                             {.opened = [this](const std::string& hop) { next_hop = hop; },
                              .closed = [this](const Error& why) { closed = why; }});
    exchange = &connection.last();
    stream->set_receiver(&reader);
  }
  void answer(unsigned status, const http::Fields& fields = {}) {
    exchange->handler()->on_response(*exchange, {status, fields});
  }

  net::Timers timers{Time{1000s}};
  ConnectionForTest connection{timers};
  Reader reader;
  std::optional<Error> closed;
  std::optional<std::string> next_hop;
  std::unique_ptr<net::ByteStream> stream;
  ExchangeForTest* exchange = nullptr;
};

TEST_F(TcpTunnelTest, AsksForTheTarget) {
  const http::Request& request = exchange->request();
  EXPECT_EQ(request.method, "CONNECT");
  EXPECT_EQ(request.authority, "[2001:db8::1]:443");
  EXPECT_TRUE(request.path.empty());
  EXPECT_TRUE(request.scheme.empty());
  EXPECT_TRUE(request.protocol.empty());
  EXPECT_EQ(request.fields.find("x"), "y");
}

TEST_F(TcpTunnelTest, WritesBeforeTheAnswerAndReadsAfter) {
  stream->write(as_bytes("hello"));
  EXPECT_EQ(exchange->body, "hello");
  answer(200);
  stream->set_reading(true);
  exchange->receive_body("world");
  EXPECT_EQ(reader.received, "world");
  EXPECT_EQ(exchange->consumed, 5u);
  exchange->handler()->on_writable(*exchange);
  EXPECT_EQ(reader.writable, 1);
}

TEST_F(TcpTunnelTest, WhatComesWhileNobodyReadsIsHeldWithItsCredit) {
  answer(200);
  exchange->receive_body("one");
  exchange->receive_body("two");
  exchange->handler()->on_end(*exchange);
  ConnectionForTest::close_exchange(*exchange);
  timers.run_deferred();
  EXPECT_EQ(exchange->consumed, 0u);
  EXPECT_FALSE(reader.ended);
  stream->set_reading(true);
  EXPECT_TRUE(reader.received.empty()) << "not from inside set_reading";
  timers.run_deferred();
  EXPECT_EQ(reader.received, "onetwo");
  EXPECT_TRUE(reader.ended);
  EXPECT_FALSE(reader.error);
}

TEST_F(TcpTunnelTest, HeldBytesGiveCreditWhenTheyAreRead) {
  answer(200);
  exchange->receive_body("one");
  stream->set_reading(true);
  exchange->receive_body("two");  // may not overtake
  timers.run_deferred();
  EXPECT_EQ(reader.received, "onetwo");
  EXPECT_EQ(exchange->consumed, 6u);
}

TEST_F(TcpTunnelTest, EndsInOrder) {
  answer(200);
  stream->set_reading(true);
  stream->finish();
  EXPECT_TRUE(exchange->finished);
  stream->write(as_bytes("late"));
  EXPECT_TRUE(exchange->body.empty());
  exchange->handler()->on_end(*exchange);
  timers.run_deferred();
  EXPECT_TRUE(reader.ended);
  stream.reset();
  EXPECT_TRUE(exchange->resets.empty());
}

TEST_F(TcpTunnelTest, ARefusalIsToldOnce) {
  answer(502, {{"proxy-status", "p; error=connection_refused"}});
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->kind, ErrorKind::refused);
  ASSERT_TRUE(reader.error);
  EXPECT_EQ(reader.error->message,
            "the hop refused the tunnel to [2001:db8::1]:443: 502, connection_refused");
  reader.error.reset();
  const Error why{ErrorKind::cancelled, "reset"};
  ConnectionForTest::close_exchange(*exchange, &why);
  EXPECT_FALSE(reader.error);
  stream->write(as_bytes("late"));
}

TEST_F(TcpTunnelTest, TheEndOfItsConnectionIsToldInEachVersion) {
  for (const auto version : {http::Version::http1_1, http::Version::http2, http::Version::http3}) {
    ConnectionForTest over{timers};
    over.set_version(version);
    Reader at_end;
    std::optional<Error> told;
    const auto tunnel = open_tcp_tunnel(over, {"a.example", 443}, {},
                                        {.opened = {}, .closed = [&](const Error& why) { told = why; }});
    tunnel->set_receiver(&at_end);
    tunnel->set_reading(true);
    over.last().handler()->on_response(over.last(), {200, {}});
    const Error why{ErrorKind::closed, "connection reset by peer"};
    ConnectionForTest::close_exchange(over.last(), &why);
    ASSERT_TRUE(at_end.error);
    EXPECT_EQ(at_end.error->message, "the tunnel to a.example:443 ended: connection reset by peer");
    ASSERT_TRUE(told);
    EXPECT_EQ(told->message, at_end.error->message);
  }
}

TEST_F(TcpTunnelTest, SaysWhatItIsConnectedTo) {
  EXPECT_FALSE(next_hop);
  answer(200, {{"proxy-status", "p; next-hop=\"192.0.2.1:443\""}});
  EXPECT_EQ(next_hop, "192.0.2.1:443");
  EXPECT_FALSE(closed);
}

// docs/threat-model.md, "lying hop".
TEST_F(TcpTunnelTest, AProxyThatAnswersAnythingElseEndsWithOneError) {
  for (const unsigned status : {301u, 307u, 400u, 404u, 503u}) {
    ConnectionForTest over{timers};
    Reader at_end;
    int said = 0;
    const auto tunnel = open_tcp_tunnel(
        over, {"a.example", 443}, {},
        {.opened = {}, .closed = [&](const Error& why) {
           ++said;
           EXPECT_NE(why.message.find(std::to_string(status)), std::string::npos) << why.message;
         }});
    tunnel->set_receiver(&at_end);
    tunnel->set_reading(true);
    over.last().handler()->on_response(over.last(), {status, {{"location", "https://elsewhere.example/"}}});
    over.last().receive_body("a page");
    EXPECT_EQ(said, 1);
    ASSERT_TRUE(at_end.error);
    ASSERT_TRUE(over.last().reset_why) << "over HTTP/1.1 it is why the connection ends, too";
    EXPECT_EQ(over.last().reset_why->message, at_end.error->message);
    EXPECT_EQ(over.last().resets, std::vector{http::ResetCode::cancelled});
    EXPECT_TRUE(at_end.received.empty());
  }
}

TEST_F(TcpTunnelTest, ARefusalMayDestroyTheTunnel) {
  std::unique_ptr<net::ByteStream> tunnel = open_tcp_tunnel(
      connection, {"a.example", 443}, {}, {.opened = {}, .closed = [&](const Error&) { tunnel.reset(); }});
  ExchangeForTest& refused_exchange = connection.last();
  refused_exchange.handler()->on_response(refused_exchange, {403, {}});
  EXPECT_EQ(tunnel, nullptr);
  EXPECT_EQ(refused_exchange.resets, std::vector{http::ResetCode::cancelled});
}

TEST_F(TcpTunnelTest, AnEndMayDestroyTheTunnel) {
  struct Leaver final : net::ByteStreamReceiver {
    void on_bytes(Bytes bytes) override { received += as_text(bytes); }
    void on_end() override { stream->reset(); }
    void on_stream_error(const Error&) override {}
    std::unique_ptr<net::ByteStream>* stream = nullptr;
    std::string received;
  } leaver;
  leaver.stream = &stream;
  answer(200);
  exchange->receive_body("held");
  exchange->handler()->on_end(*exchange);
  stream->set_receiver(&leaver);
  stream->set_reading(true);
  timers.run_deferred();
  EXPECT_EQ(leaver.received, "held");
  EXPECT_EQ(stream, nullptr);
  EXPECT_EQ(exchange->resets, std::vector{http::ResetCode::cancelled}) << "our direction had not ended";
}

TEST_F(TcpTunnelTest, ClosedWhileItDeliversItReturnsAllCredit) {
  struct Closer final : net::ByteStreamReceiver {
    void on_bytes(Bytes bytes) override {
      received += as_text(bytes);
      stream->close();
    }
    void on_end() override {}
    void on_stream_error(const Error&) override {}
    net::ByteStream* stream = nullptr;
    std::string received;
  } closer;
  closer.stream = stream.get();
  answer(200);
  exchange->receive_body("one");
  exchange->receive_body("two");
  stream->set_receiver(&closer);
  stream->set_reading(true);
  timers.run_deferred();
  EXPECT_EQ(closer.received, "one");
  EXPECT_EQ(exchange->consumed, 6u);
}

TEST_F(TcpTunnelTest, ATunnelThatBreaksIsToldOfAsARefusalIs) {
  answer(200);
  const Error why{ErrorKind::closed, "connect error", 0x10f};
  ConnectionForTest::close_exchange(*exchange, &why);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, 0x10fu);
  ASSERT_TRUE(reader.error);
  EXPECT_EQ(reader.error->code, 0x10fu);
}

TEST_F(TcpTunnelTest, ClosingDropsTheTunnelSilently) {
  answer(200);
  stream->close();
  EXPECT_EQ(exchange->resets, std::vector{http::ResetCode::cancelled});
  exchange->receive_body("late");
  EXPECT_TRUE(reader.received.empty());
  EXPECT_EQ(exchange->consumed, 4u);
}

}  // namespace
}  // namespace sallyport::masque
