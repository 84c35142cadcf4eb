// TcpFront over streams in memory: PROXY headers before plain HTTP/1.1. Behind TLS they are in tests/e2e.
#include "http/tcp_front.h"

#include "http/tcp_for_test.h"
#include "net/memory_stream.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::Clock;
using test::RawEnd;
using test::RecordingServer;
using testing::StartsWith;

/// Listens nowhere; accepts what the test says.
class Door final : public net::Inbound {
 public:
  Result<std::unique_ptr<net::UdpListener>> listen_udp(const net::SocketAddress&,
                                                       const net::UdpSocketOptions&) override {
    return fail(ErrorKind::resource, "no UDP here");
  }
  Result<std::unique_ptr<net::TcpListener>> listen_tcp(const net::SocketAddress&, const net::TcpOptions&,
                                                       net::TcpListener::Accepted accepted) override {
    accept = std::move(accepted);
    return std::make_unique<Listener>();
  }
  Result<std::unique_ptr<net::TcpListener>> listen_unix(const std::string&, const net::TcpOptions&,
                                                        net::TcpListener::Accepted) override {
    return fail(ErrorKind::resource, "no Unix socket here");
  }
  net::TcpListener::Accepted accept;

 private:
  struct Listener final : net::TcpListener {
    net::SocketAddress local() const override { return {}; }
    void close() override {}
  };
};

struct TcpFrontTest : testing::Test {
  void listen(std::vector<net::IpPrefix> balancers) {
    front = TcpFront::listen(door, clock.timers, {}, server,
                             {.tls = std::nullopt, .proxy_protocol_from = std::move(balancers)})
                .value();
  }
  /// From the address that all streams in memory have, 0.0.0.0.
  std::unique_ptr<RawEnd> connect(const std::string& says) {
    auto [near, far] = net::make_memory_streams(clock.timers);
    auto client = std::make_unique<RawEnd>(std::move(near));
    door.accept(std::move(far));
    client->say(says);
    clock.settle();
    return client;
  }
  std::string last_client() { return server.last().exchange->connection().info().path.remote.to_string(); }

  const std::vector<net::IpPrefix> trusted{*net::IpPrefix::parse("192.0.2.0/24"),
                                           *net::IpPrefix::parse("0.0.0.0/32")};
  const std::string header = "PROXY TCP4 198.51.100.7 192.0.2.1 56324 80\r\n";
  const std::string request = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
  Clock clock;
  Door door;
  RecordingServer server;
  std::unique_ptr<TcpFront> front;
};

TEST_F(TcpFrontTest, TheClientIsWhoThePROXYHeaderNames) {
  listen(trusted);
  const auto client = connect(header + request);
  ASSERT_EQ(server.requests.size(), 1u);
  EXPECT_EQ(last_client(), "198.51.100.7:56324");
  const auto checked = connect("PROXY UNKNOWN\r\n" + request);
  ASSERT_EQ(server.requests.size(), 2u);
  EXPECT_EQ(last_client(), "0.0.0.0:0");
  EXPECT_EQ(front->counters().proxy_headers, 1u);
  EXPECT_EQ(front->counters().proxy_headers_without_client, 1u);
  EXPECT_EQ(front->counters().http1_total, 2u);
}

TEST_F(TcpFrontTest, ItIsBelievedFromTheNamedAddressesOnly) {
  listen({*net::IpPrefix::parse("192.0.2.0/24"), *net::IpPrefix::parse("::/0")});
  const auto liar = connect(header + request);
  EXPECT_THAT(liar->received, StartsWith("HTTP/1.1 400 "));
  EXPECT_TRUE(server.requests.empty());
  const auto plain = connect(request);
  ASSERT_EQ(server.requests.size(), 1u);
  EXPECT_EQ(last_client(), "0.0.0.0:0");
  EXPECT_EQ(front->counters().proxy_headers, 0u);
  // For new connections.
  front->set_proxy_protocol_from(trusted);
  plain->say(request);
  clock.settle();
  const auto believed = connect(header + request);
  EXPECT_EQ(last_client(), "198.51.100.7:56324");
}

TEST_F(TcpFrontTest, WithoutAGoodOneTheConnectionIsClosed) {
  listen(trusted);
  for (const std::string& says : {request, std::string("PROXY TCP4 a b c d\r\n") + request}) {
    const auto client = connect(says);
    EXPECT_TRUE(client->error);
    EXPECT_EQ(client->received, "");
  }
  EXPECT_EQ(front->counters().proxy_headers_malformed, 2u);
  connect("").reset();  // as health checks do
  clock.settle();
  EXPECT_EQ(front->counters().proxy_headers_incomplete, 1u);
  const auto silent = connect("PROXY ");
  clock.pass(tls::handshake_timeout - 1ms);
  EXPECT_FALSE(silent->error);
  clock.pass(2ms);
  EXPECT_TRUE(silent->error);
  EXPECT_EQ(front->counters().proxy_headers_incomplete, 2u);
  EXPECT_EQ(front->sessions(), 0u);
  EXPECT_TRUE(server.requests.empty());
}

TEST_F(TcpFrontTest, DrainingDoesNotWaitForOne) {
  listen(trusted);
  const auto silent = connect("PROXY ");
  EXPECT_EQ(front->sessions(), 1u);
  int drained = 0;
  front->drain([&] { ++drained; });
  clock.settle();
  EXPECT_EQ(drained, 1);
  EXPECT_TRUE(silent->error);
}

}  // namespace
}  // namespace sallyport::http
