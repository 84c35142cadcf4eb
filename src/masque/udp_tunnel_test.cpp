#include "masque/udp_tunnel.h"

#include "masque/doubles_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using namespace std::string_literals;

class Inner final : public net::DatagramReceiver {
 public:
  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time) override {
    last_path = path;
    datagrams.emplace_back(as_text(run.bytes));
  }
  void on_path_writable(Time) override { ++writable; }
  void on_max_datagram_size(std::size_t bytes) override { max_sizes.push_back(bytes); }
  void on_path_closed(const Error& why) override { closed = why; }

  net::NetPath last_path;
  std::vector<std::string> datagrams;
  std::vector<std::size_t> max_sizes;
  std::optional<Error> closed;
  int writable = 0;
};

class UdpTunnelTest : public testing::Test {
 protected:
  UdpTunnelTest() { open(); }
  void open() {
    tunnel =
        std::make_unique<UdpTunnel>(connection, ProxyTemplate::parse("https://proxy.example:4443").value(),
                                    Target{"example.org", 443}, http::Fields{{"authorization", "Bearer x"}},
                                    TunnelEvents{[this](const std::string& hop) { next_hop = hop; },
                                                 [this](const Error& why) { closed.push_back(why); }});
    tunnel->set_receiver(&inner);
    exchange = &connection.last();
  }
  void answer(unsigned status, const http::Fields& fields = {}) {
    exchange->handler()->on_response(*exchange, {status, fields});
  }
  net::SendStatus send(std::string_view bytes, std::size_t segment_size) {
    return tunnel->send({}, {as_bytes(bytes), segment_size});
  }

  net::Timers timers{Time{1000s}};
  ConnectionForTest connection{timers};
  Inner inner;
  std::optional<std::string> next_hop;
  std::vector<Error> closed;
  std::unique_ptr<UdpTunnel> tunnel;
  ExchangeForTest* exchange = nullptr;
};

TEST_F(UdpTunnelTest, AsksForTheTunnel) {
  const http::Request& request = exchange->request();
  EXPECT_EQ(request.method, "CONNECT");
  EXPECT_EQ(request.protocol, "connect-udp");
  EXPECT_EQ(request.scheme, "https");
  EXPECT_EQ(request.authority, "proxy.example:4443");
  EXPECT_EQ(request.path, "/.well-known/masque/udp/example.org/443/");
  EXPECT_EQ(request.fields.find("capsule-protocol"), "?1");
  EXPECT_EQ(request.fields.find("authorization"), "Bearer x");
  EXPECT_TRUE(exchange->capsules);
}

TEST_F(UdpTunnelTest, SendsBeforeTheAnswer) {
  EXPECT_EQ(send("aabbc", 2), net::SendStatus::sent);
  EXPECT_EQ(exchange->datagrams, (std::vector{"\0aa"s, "\0bb"s, "\0c"s}));
  answer(200, {{"proxy-status", "p; next-hop=\"192.0.2.1:443\""}});
  EXPECT_EQ(next_hop, "192.0.2.1:443");
  EXPECT_EQ(tunnel->counters().datagrams_out, 3u);
  EXPECT_EQ(tunnel->counters().bytes_out, 5u);
}

TEST_F(UdpTunnelTest, ABlockedSendIsTakenAndTheNextOneIsNot) {
  exchange->datagram_room = 1;
  EXPECT_EQ(send("aabb", 2), net::SendStatus::blocked);
  EXPECT_EQ(send("cc", 2), net::SendStatus::dropped);
  EXPECT_EQ(inner.writable, 0);
  exchange->make_datagram_room(5);
  EXPECT_EQ(inner.writable, 1);
  EXPECT_EQ(exchange->datagrams, (std::vector{"\0aa"s, "\0bb"s}));
  EXPECT_EQ(send("dd", 2), net::SendStatus::sent);
  EXPECT_EQ(tunnel->counters().dropped_queue, 1u);
}

TEST_F(UdpTunnelTest, GoesOnWhenTheRequestLeavesAtLast) {
  exchange->datagram_room = 0;
  EXPECT_EQ(send("aa", 2), net::SendStatus::blocked);
  exchange->datagram_room = 5;
  exchange->handler()->on_max_datagram_payload(*exchange);
  EXPECT_EQ(exchange->datagrams, std::vector{"\0aa"s});
  EXPECT_EQ(inner.writable, 1);
}

TEST_F(UdpTunnelTest, ItsSizeIsTheExchangesLessTheContext) {
  EXPECT_EQ(tunnel->max_datagram_size(), 1299u);
  EXPECT_EQ(send(std::string(1299, 'x'), 1299), net::SendStatus::sent);
  EXPECT_EQ(send(std::string(1300, 'x'), 1300), net::SendStatus::too_large);
  exchange->max_payload = 1200;
  exchange->handler()->on_max_datagram_payload(*exchange);
  exchange->handler()->on_max_datagram_payload(*exchange);
  EXPECT_EQ(inner.max_sizes, std::vector<std::size_t>{1199});
  exchange->max_payload = 65'535;
  EXPECT_EQ(tunnel->max_datagram_size(), 65'527u);
  exchange->max_payload = 0;
  EXPECT_EQ(tunnel->max_datagram_size(), 0u);
  EXPECT_EQ(tunnel->counters().dropped_size, 1u);
}

TEST_F(UdpTunnelTest, DeliversPayloadsOfContextZero) {
  answer(200);
  exchange->receive_datagram("\0hello"s);
  exchange->receive_datagram("\2other"s);
  exchange->receive_datagram(""s);
  exchange->receive_datagram("\xbf\xff\xff\xff" + std::string(1200, '\0'));  // a probe of the path's MTU
  EXPECT_EQ(inner.datagrams, std::vector{"hello"s});
  EXPECT_EQ(inner.last_path, tunnel->net_path());
  EXPECT_EQ(tunnel->counters().dropped_context, 2u);
  EXPECT_EQ(tunnel->counters().bytes_in, 5u);
}

TEST_F(UdpTunnelTest, PathsOfTwoTunnelsDiffer) {
  const net::NetPath first = tunnel->net_path();
  EXPECT_EQ(first, tunnel->net_path());
  open();
  EXPECT_NE(first.local, tunnel->net_path().local);
  EXPECT_NE(first.remote, tunnel->net_path().remote);
}

TEST_F(UdpTunnelTest, ARefusalSaysWhy) {
  answer(403, {{"proxy-status", "p; error=destination_ip_prohibited; details=\"10.0.0.1 is private\""}});
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].kind, ErrorKind::denied);
  EXPECT_EQ(closed[0].code, 403u);
  EXPECT_EQ(
      closed[0].message,
      "the hop refused the tunnel to example.org:443: 403, destination_ip_prohibited (10.0.0.1 is private)");
  ASSERT_TRUE(inner.closed);
  EXPECT_EQ(inner.closed->message, closed[0].message);
  EXPECT_FALSE(exchange->resets.empty());
  EXPECT_EQ(send("x", 1), net::SendStatus::dropped);
  exchange->receive_datagram("\0late"s);
  const Error why{ErrorKind::cancelled, "reset"};
  ConnectionForTest::close_exchange(*exchange, &why);
  EXPECT_EQ(closed.size(), 1u);
  EXPECT_TRUE(inner.datagrams.empty());
  EXPECT_FALSE(next_hop);
}

TEST_F(UdpTunnelTest, KindsOfRefusal) {
  struct Case {
    unsigned status;
    std::string_view proxy_status;
    ErrorKind kind;
  };
  for (const Case& c :
       {Case{502, "p; error=dns_error", ErrorKind::resolve},
        Case{502, "p;error=connection_refused", ErrorKind::refused}, Case{504, "", ErrorKind::timeout},
        Case{503, "p;error=destination_unavailable", ErrorKind::unreachable},
        Case{407, "", ErrorKind::denied}, Case{429, "", ErrorKind::resource},
        Case{404, "broken;;", ErrorKind::http}, Case{302, "", ErrorKind::http}}) {
    open();
    closed.clear();
    answer(c.status,
           c.proxy_status.empty() ? http::Fields{} : http::Fields{{"proxy-status", c.proxy_status}});
    ASSERT_EQ(closed.size(), 1u) << c.status;
    EXPECT_EQ(closed[0].kind, c.kind) << c.status;
    EXPECT_EQ(closed[0].code, c.status);
  }
}

TEST_F(UdpTunnelTest, AHopThatAsksForATokenIsExplained) {
  const auto told = [&](unsigned status, const http::Fields& fields) {
    open();
    closed.clear();
    answer(status, fields);
    return closed.empty() ? std::string() : closed[0].message;
  };
  // open() shows a token.
  EXPECT_NE(told(401, {{"www-authenticate", "Bearer realm=\"x\", error=\"invalid_token\""}})
                .find("401, it rejected the bearer token of --token-file"),
            std::string::npos);
  EXPECT_NE(told(407, {{"proxy-authenticate", "Basic realm=\"x\""}})
                .find("another authentication scheme than Bearer"),
            std::string::npos);
  EXPECT_NE(told(407, {}).find("407, it rejected the bearer token"), std::string::npos);
}

// docs/threat-model.md, "lying hop".
TEST_F(UdpTunnelTest, AProxyThatLiesEndsWithOneError) {
  for (const auto& [status, field] :
       {std::pair{200u, "content-type"}, {200u, "transfer-encoding"}, {204u, "x"}, {206u, "x"}}) {
    open();
    closed.clear();
    inner.closed.reset();
    answer(status, {{field, "x"}});
    ASSERT_EQ(closed.size(), 1u) << status << field;
    EXPECT_EQ(closed[0].kind, ErrorKind::protocol);
    EXPECT_NE(closed[0].message.find("does not speak CONNECT-UDP"), std::string::npos) << closed[0].message;
    EXPECT_TRUE(inner.closed);
    EXPECT_FALSE(exchange->resets.empty());
  }
  open();
  closed.clear();
  answer(200);
  exchange->receive_datagram("\0"s + std::string(65528, 'x'));
  EXPECT_EQ(exchange->resets, std::vector{http::ResetCode::datagram_error});
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].kind, ErrorKind::protocol);
}

// docs/threat-model.md, "lying hop".
TEST_F(UdpTunnelTest, AProxyThatSendsLittleButOtherContextsIsNone) {
  answer(200);
  for (int i = 0; i < 1000; ++i) exchange->receive_datagram("\2other"s);
  EXPECT_TRUE(closed.empty());
  exchange->receive_datagram("\2other"s);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].kind, ErrorKind::protocol);
  EXPECT_NE(closed[0].message.find("unregistered context IDs"), std::string::npos);
  EXPECT_EQ(exchange->resets, std::vector{http::ResetCode::datagram_error});

  open();
  closed.clear();
  answer(200);
  for (int i = 0; i < 5000; ++i) {
    exchange->receive_datagram("\0ours"s);
    exchange->receive_datagram("\2other"s);
  }
  EXPECT_TRUE(closed.empty()) << "an extension of which we know nothing is dropped";
}

TEST_F(UdpTunnelTest, TheProxysEndEndsThePath) {
  answer(200);
  exchange->handler()->on_end(*exchange);
  EXPECT_TRUE(exchange->finished);
  ASSERT_TRUE(inner.closed);
  EXPECT_EQ(inner.closed->message, "the hop ended the tunnel to example.org:443");
  ConnectionForTest::close_exchange(*exchange);
  EXPECT_EQ(closed.size(), 1u);
}

TEST_F(UdpTunnelTest, ALostConnectionEndsThePath) {
  const Error why{ErrorKind::timeout, "hop 1 went silent", 7};
  ConnectionForTest::close_exchange(*exchange, &why);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].kind, ErrorKind::timeout);
  EXPECT_EQ(closed[0].code, 7u);
  EXPECT_EQ(closed[0].message, "the tunnel to example.org:443 ended: hop 1 went silent");
  EXPECT_EQ(tunnel->max_datagram_size(), 1299u);
}

TEST_F(UdpTunnelTest, DestroyingItEndsTheExchange) {
  tunnel.reset();
  EXPECT_EQ(exchange->resets, std::vector{http::ResetCode::cancelled});
  open();
  answer(200);
  tunnel.reset();
  EXPECT_TRUE(exchange->finished);
  EXPECT_TRUE(exchange->resets.empty());
  exchange->receive_body("rest");  // what still comes is let go
  EXPECT_EQ(exchange->consumed, 4u);
  ConnectionForTest::close_exchange(*exchange);
}

/// It is its connection's to destroy from then on.
TEST_F(UdpTunnelTest, LeavesAClosedExchangeAlone) {
  for (const bool opened : {false, true}) {
    open();
    if (opened) answer(200);
    const http::ExchangeHandler* const last_handler = exchange->handler();
    ConnectionForTest::close_exchange(*exchange);
    tunnel.reset();
    EXPECT_EQ(exchange->handler(), last_handler);
    EXPECT_FALSE(exchange->finished);
    EXPECT_TRUE(exchange->resets.empty());
  }
}

TEST_F(UdpTunnelTest, ClosedMayDestroyTheTunnel) {
  tunnel = std::make_unique<UdpTunnel>(connection, ProxyTemplate::parse("https://p").value(), Target{"a", 1},
                                       http::Fields{},
                                       TunnelEvents{nullptr, [this](const Error&) { tunnel.reset(); }});
  tunnel->set_receiver(&inner);
  exchange = &connection.last();
  answer(403);
  EXPECT_FALSE(tunnel);
  EXPECT_FALSE(inner.closed);
  EXPECT_EQ(exchange->resets, std::vector{http::ResetCode::cancelled});
}

}  // namespace
}  // namespace sallyport::masque
