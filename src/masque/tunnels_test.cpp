// Both sides of a tunnel over the real HTTP/1.1, /2 and /3: UdpTunnel and TcpTunnel against Proxy.
#include "masque/tunnels_for_test.h"

#include <array>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

TEST_P(TunnelsTest, DatagramsPassBothWays) {
  outbound.names["a.example"] = {"8.8.8.8"};
  auto tunnel = open_udp("a.example");
  settle();
  ASSERT_EQ(next_hop, "8.8.8.8:443") << (closed ? closed->message : "");
  EXPECT_EQ(send(*tunnel, "aabbc", 2), net::SendStatus::sent);
  settle();
  ASSERT_EQ(path().runs.size(), 1u);
  EXPECT_EQ(path().runs[0].bytes, "aabbc");
  path().receive("xxyyz", 2);
  settle();
  EXPECT_EQ(inner.datagrams, (std::vector<std::string>{"xx", "yy", "z"}));
  tunnel.reset();
  settle();
  EXPECT_FALSE(path().open);
  EXPECT_EQ(proxy.counters().open[Protocol::udp], 0u);
}

TEST_P(TunnelsTest, DatagramsWaitForAsLongAsTheNameIsAskedFor) {  // RFC 9298 §5
  outbound.names["slow.example"] = {"8.8.8.8"};
  outbound.name_delay = 3s;
  auto tunnel = open_udp("slow.example");
  EXPECT_EQ(send(*tunnel, "first", 5), net::SendStatus::sent);
  settle(1s);
  EXPECT_EQ(send(*tunnel, "again", 5), net::SendStatus::sent);
  settle(1s);
  ASSERT_FALSE(next_hop) << "still asking";
  settle(3s);
  ASSERT_TRUE(next_hop);
  ASSERT_EQ(path().runs.size(), 1u);
  EXPECT_EQ(path().runs[0].bytes, "firstagain");
  EXPECT_EQ(proxy.counters().dropped_early, 0u);
}

/// A proxy that wants a token: it is asked for, taken and refused alike in all versions.
class TokensTest : public TunnelsTest {
 protected:
  TokensTest() : TunnelsTest({.tokens = TokenTable::parse("alice token-of-alice-01", "tokens").value()}) {
    outbound.names["a.example"] = {"8.8.8.8"};
  }
  std::unique_ptr<net::ByteStream> open_tcp(const http::Fields& fields) {
    auto stream = open_tcp_tunnel(*client, {"a.example", 443}, fields,
                                  {.opened = {}, .closed = [this](const Error& why) { closed = why; }});
    stream->set_receiver(&reader);
    return stream;
  }
};

TEST_P(TokensTest, WithoutOneNothingIsOpenedOrAskedFor) {
  auto tunnel = open_udp("a.example");
  settle();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, 401u);
  EXPECT_NE(closed->message.find("401, it requires a bearer token; give one with --token-file FILE"),
            std::string::npos);
  EXPECT_TRUE(outbound.askers.empty());
  EXPECT_TRUE(outbound.opened_udp.empty());
}

TEST_P(TokensTest, ConnectWithoutOneToo) {
  auto stream = open_tcp({});
  settle();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->code, 407u);
  EXPECT_NE(closed->message.find("407, it requires a bearer token"), std::string::npos);
  EXPECT_TRUE(outbound.askers.empty());
  EXPECT_TRUE(outbound.tcp_targets.empty());
}

TEST_P(TokensTest, AGoodOneOpensATunnel) {
  auto tunnel = open_udp("a.example", {{"authorization", "Bearer token-of-alice-01"}});
  settle();
  EXPECT_TRUE(next_hop) << (closed ? closed->message : "");
  tunnel.reset();
}

TEST_P(TokensTest, AGoodOneOpensAConnectionInEitherField) {
  auto stream = open_tcp({{"proxy-authorization", "Bearer token-of-alice-01"}});
  settle();
  EXPECT_FALSE(closed) << closed->message;
  EXPECT_EQ(outbound.tcp_targets.size(), 1u);
  EXPECT_EQ(proxy.counters().identities.at("alice").open, 1u);
}

/// Over HTTP/1.1 a tunnel has its connection for itself.
class SharedConnectionTest : public TunnelsTest {};

TEST_P(SharedConnectionTest, ABusyTunnelLeavesAnotherItsShare) {
  std::array<Inner, 2> inners;
  std::array<std::unique_ptr<UdpTunnel>, 2> tunnels;
  for (std::size_t i = 0; i < 2; ++i) {
    tunnels[i] = open_udp("8.8.8.8");
    tunnels[i]->set_receiver(&inners[i]);
    settle();
  }
  const std::string run(50 * 1200, 'x');  // both targets always have more
  for (std::size_t step = 0; step < 200; ++step) {
    for (std::size_t i = 0; i < 2; ++i) {
      const PathRecord& record = *outbound.opened_udp[(step + i) % 2].second;
      for (int batch = 0; batch < 4 && record.reading; ++batch) record.receive(run, 1200);
    }
    settle(1ms);
  }
  const std::size_t first = inners[0].datagrams.size(), second = inners[1].datagrams.size();
  EXPECT_GT(first + second, 1000u);
  EXPECT_LT(first, 2 * second);
  EXPECT_LT(second, 2 * first);
}

TEST_P(TunnelsTest, TheLargestPayloadPasses) {
  auto tunnel = open_udp("8.8.8.8");
  settle();
  if (GetParam() == http::Version::http3)
    EXPECT_GT(tunnel->max_datagram_size(), 1350u) << "the path carries 1,472 bytes";
  else
    EXPECT_EQ(tunnel->max_datagram_size(), 65'527u);
  const std::string largest(tunnel->max_datagram_size(), 'x');
  EXPECT_EQ(send(*tunnel, largest, largest.size()), net::SendStatus::sent);
  settle();
  ASSERT_EQ(path().runs.size(), 1u);
  EXPECT_EQ(path().runs[0].bytes.size(), largest.size());
}

TEST_P(TunnelsTest, WhatIsSentBeforeTheAnswerArrives) {
  outbound.names["a.example"] = {"8.8.8.8"};
  auto tunnel = open_udp("a.example");
  EXPECT_EQ(send(*tunnel, "first", 5), net::SendStatus::sent);
  settle();
  ASSERT_TRUE(next_hop);
  ASSERT_EQ(path().runs.size(), 1u);
  EXPECT_EQ(path().runs[0].bytes, "first");
}

TEST_P(TunnelsTest, ABurstWaitsAndIsNotLost) {
  auto tunnel = open_udp("8.8.8.8");
  settle();
  std::string run(64 * 1000, 'x');
  std::size_t taken = 0;
  for (net::SendStatus status = net::SendStatus::sent; status == net::SendStatus::sent && taken < 100;
       ++taken)
    status = send(*tunnel, run, 1000);
  EXPECT_LT(taken, 100u) << "the queue has an end";
  EXPECT_EQ(send(*tunnel, run, 1000), net::SendStatus::dropped);
  settle();
  EXPECT_GE(inner.writable, 1);
  EXPECT_EQ(proxy.counters().datagrams_up, taken * 64);
}

TEST_P(TunnelsTest, ARefusalReachesTheUser) {
  auto tunnel = open_udp("10.0.0.1");
  settle();
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->kind, ErrorKind::denied);
  EXPECT_EQ(closed->message,
            "the hop refused the tunnel to 10.0.0.1:443: 403, destination_ip_prohibited (10.0.0.1 is a "
            "private address, "
            "which this proxy reaches only with --allow 10.0.0.1)");
}

TEST_P(TunnelsTest, TheProxysIdleTimeoutEndsTheClientsPath) {
  auto tunnel = open_udp("8.8.8.8");
  settle();
  settle(ProxyOptions{}.udp_idle + 1s);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->message, "the hop ended the tunnel to 8.8.8.8:443");
  EXPECT_EQ(proxy.counters().open[Protocol::udp], 0u);
}

TEST_P(TunnelsTest, ALostConnectionEndsBothSides) {
  auto tunnel = open_udp("8.8.8.8");
  settle();
  client->close({ErrorKind::cancelled, "pulled the plug"});
  settle();
  EXPECT_TRUE(closed);
  EXPECT_FALSE(path().open);
  EXPECT_EQ(proxy.counters().open[Protocol::udp], 0u);
}

TEST_P(TunnelsTest, ATcpTunnelCarriesMuchBothWaysAndEndsInOrder) {
  auto stream = open_tcp_tunnel(*client, {"8.8.8.8", 443}, {}, {});
  stream->set_receiver(&reader);
  stream->set_reading(true);
  std::string up(3'000'000, '\0'), down(2'000'000, '\0');
  for (std::size_t i = 0; i < up.size(); ++i) up[i] = static_cast<char>(i * 7 + i / 251);
  for (std::size_t i = 0; i < down.size(); ++i) down[i] = static_cast<char>(i * 5 + i / 253);
  stream->write(as_bytes(up));
  stream->finish();
  settle();
  ASSERT_TRUE(outbound.tcp_peer);
  EXPECT_GT(stream->queued_bytes(), 0u) << "a target that does not read holds the client back";
  outbound.tcp_peer->set_receiver(&target);
  outbound.tcp_peer->set_reading(true);
  outbound.tcp_peer->write(as_bytes(down));
  outbound.tcp_peer->finish();
  settle(20s);
  EXPECT_TRUE(target.received == up);
  EXPECT_TRUE(target.ended);
  EXPECT_TRUE(reader.received == down);
  EXPECT_TRUE(reader.ended);
  EXPECT_FALSE(reader.error);
  EXPECT_EQ(proxy.counters().open[Protocol::tcp], 0u);
}

TEST_P(TunnelsTest, AClientThatDoesNotReadHoldsTheTargetBack) {
  auto stream = open_tcp_tunnel(*client, {"8.8.8.8", 443}, {}, {});
  stream->set_receiver(&reader);
  settle();
  ASSERT_TRUE(outbound.tcp_peer);
  outbound.tcp_peer->write(as_bytes(std::string(8'000'000, 'x')));
  settle();
  EXPECT_GT(outbound.tcp_peer->queued_bytes(), 4'000'000u);
  stream->set_reading(true);
  settle(20s);
  EXPECT_EQ(reader.received.size(), 8'000'000u);
}

TEST_P(TunnelsTest, ARefusedTcpTunnelSaysWhy) {
  outbound.tcp_error = Error{ErrorKind::refused, "8.8.8.8:443 refused"};
  auto stream = open_tcp_tunnel(*client, {"8.8.8.8", 443}, {}, {});
  stream->set_receiver(&reader);
  stream->write(as_bytes("hello"));
  settle();
  ASSERT_TRUE(reader.error);
  EXPECT_EQ(reader.error->kind, ErrorKind::refused);
  EXPECT_EQ(reader.error->message,
            "the hop refused the tunnel to 8.8.8.8:443: 502, connection_refused (8.8.8.8:443 refused)");
}

/// The end of a link, for whoever wants to own its path.
class Borrowed final : public net::DatagramPath {
 public:
  explicit Borrowed(net::DatagramPath& path) : path_(path) {}
  void set_receiver(net::DatagramReceiver* receiver) override { path_.set_receiver(receiver); }
  net::SendStatus send(const net::NetPath&, const net::DatagramRun& run) override {
    return path_.send(path_.net_path(), run);
  }
  std::size_t max_datagram_size() const override { return path_.max_datagram_size(); }
  net::NetPath net_path() const override { return path_.net_path(); }

 private:
  net::DatagramPath& path_;
};

TEST_P(TunnelsTest, AConnectionRunsInATunnel) {
  using quic::test::TestApplication;
  outbound.make_udp = [&] { return std::make_unique<Borrowed>(beyond.client); };
  quic::ServerOptions server_options;
  server_options.credentials = quic::test::Pair::credentials();
  quic::Endpoint origin(environment, beyond.server, server_options, [](quic::Connection& quic) {
    auto application = std::make_unique<TestApplication>();
    application->connection = &quic;
    application->echo = true;
    return application;
  });
  settle();
  auto tunnel = open_udp("8.8.8.8");
  TestApplication application;
  const Time begun = timers.now();
  const auto connection =
      quic::Connection::connect(environment, *tunnel, application, client_options()).value();
  application.connection = connection.get();
  ASSERT_TRUE(simulation.run_until([&] { return connection->is_established(); }, 5s))
      << (application.closed ? application.closed->reason : "");
  // The inner handshake follows right behind the request: one round trip of both links, and not one more for
  // the answer.
  const Duration link_round_trip = GetParam() == http::Version::http3 ? 20ms : 0ms;
  EXPECT_LT(timers.now() - begun, link_round_trip + 20ms + 5ms);
  const auto id = connection->open_bidirectional().value();
  const std::string much(1'000'000, 'm');
  application.send(id, much, true);
  ASSERT_TRUE(simulation.run_until([&] { return application.streams[id].received_fin; }, 20s));
  EXPECT_TRUE(application.streams[id].received == much);
  EXPECT_LT(proxy.counters().dropped_size, 10u) << "nothing but the origin's probes for a larger path";
  EXPECT_EQ(proxy.counters().dropped_queue, 0u);
}

INSTANTIATE_TEST_SUITE_P(Versions, SharedConnectionTest,
                         testing::Values(http::Version::http2, http::Version::http3), [](const auto& tested) {
                           return tested.param == http::Version::http2 ? "http2" : "http3";
                         });
INSTANTIATE_TEST_SUITE_P(Versions, TunnelsTest, all_versions, version_name);
INSTANTIATE_TEST_SUITE_P(Versions, TokensTest, all_versions, version_name);

}  // namespace
}  // namespace sallyport::masque
