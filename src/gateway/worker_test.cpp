// A worker on real sockets: `drained` is called when all of its listeners have drained.
#include "gateway/worker.h"

#include "admin/metric_set.h"
#include "files/folder_for_test.h"
#include "gateway/addresses.h"
#include "http/h3_connection.h"
#include "http/tcp_for_test.h"
#include "net/run_until_for_test.h"
#include "net/tcp.h"
#include "net/udp_socket.h"
#include "tls/certificate.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using http::test::get;
using http::test::RecordingConnection;
using http::test::RecordingExchange;
using testing::HasSubstr;

void run_until(net::EventLoop& loop, const std::function<bool()>& done) {
  net::run_until(loop, done, 60s);
}

std::shared_ptr<const tls::Trust> insecure_trust() {
  tls::TrustOptions options;
  options.insecure = true;
  return tls::Trust::make(options).value();
}

/// A client that asks for a file and never takes all of it.
class Holder {
 public:
  Holder(net::EventLoop& loop, const net::SocketAddress& server, bool quic) : loop_(loop) {
    handler_.consumes = false;
    quic ? connect_quic(server) : connect_tcp(server);
    run_until(loop_, [&] { return handler_.response.has_value(); });
  }
  ~Holder() { let_go(); }
  void let_go() {
    if (!connection_) return;
    connection_->close({ErrorKind::cancelled, "no longer needed"});
    run_turns(loop_, 5);  // the client gets GOAWAY
    connection_.reset();
  }

 private:
  void ask() {
    auto request = get("/large");
    request.authority = "a.test";
    connection_->request(std::move(request), handler_, true);
  }
  void connect_quic(const net::SocketAddress& server) {
    socket_ = net::UdpSocket::connect(loop_, server, {.warn_small_buffers = false}).value();
    quic::ClientOptions options;
    options.trust = insecure_trust();
    options.host = "a.test";
    const quic::Environment environment{loop_.timers(), system_random(), nullptr, nullptr};
    connection_ = http::make_h3_client(environment, *socket_, options, events_, http::Limits{}).value();
    ask();
  }
  void connect_tcp(const net::SocketAddress& server) {
    connecting_ =
        net::tcp_connect(loop_, server, 10s, {}, [this](Result<std::unique_ptr<net::ByteStream>> stream) {
          tls::ClientOptions options;
          options.trust = insecure_trust();
          options.host = "a.test";
          options.alpn = {"http/1.1"};
          handshake_ = tls::connect(loop_.timers(), std::move(stream.value()), options,
                                    [this](Result<std::unique_ptr<tls::Stream>> secured) {
                                      connection_ =
                                          http::make_h1_client(loop_.timers(), std::move(secured.value()), {},
                                                               events_, http::Limits{});
                                      ask();
                                    });
        });
  }

  net::EventLoop& loop_;
  RecordingExchange handler_;
  RecordingConnection events_;
  std::unique_ptr<net::UdpSocket> socket_;
  std::unique_ptr<net::TcpConnecting> connecting_;
  std::unique_ptr<tls::Handshake> handshake_;
  std::unique_ptr<http::Connection> connection_;
};

struct WorkerTest : testing::Test {
  WorkerTest() {
    folder.write("large", "");
    std::filesystem::resize_file(folder / "large", 256 << 20);
    folder.set_age("large", 100);
  }
  /// With two listeners.
  void start(bool tcp) {
    auto made = std::make_shared<config::Configuration>();
    const auto any = net::SocketAddress::parse("127.0.0.1:0").value();
    const auto credentials =
        tls::ServerCredentials::make({tls::make_self_signed({"a.test"}).value()}).value();
    for (const char* id : {"one", "other"})
      made->listeners.push_back({.id = id, .address = any, .tcp = tcp, .credentials = credentials});
    made->files =
        config::Files{.folder = folder.path(), .opened = files::ServedFolder::open(folder.path()).value()};
    worker = std::make_unique<Worker>(*inbound, *outbound, loop.timers(), setup, 0);
    ASSERT_TRUE(worker->apply(std::move(made)));
  }
  net::SocketAddress listener(std::size_t index) const {
    return (*std::next(worker->listeners().begin(), static_cast<std::ptrdiff_t>(index)))->address();
  }
  void drain() {
    worker->drain([this] { ++drained; });
    run_turns(loop, 20);
  }

  files::FolderForTest folder;
  net::EventLoop loop;
  const std::unique_ptr<net::Inbound> inbound = net::make_kernel_inbound(loop);
  const std::unique_ptr<net::Outbound> outbound = net::make_kernel_outbound(loop, {});
  const std::shared_ptr<const WorkerSetup> setup = std::make_shared<WorkerSetup>();
  std::unique_ptr<Worker> worker;
  int drained = 0;
};

TEST_F(WorkerTest, WithoutConnectionsItHasDrainedAtOnce) {
  for (const bool tcp : {true, false}) {
    start(tcp);
    drained = 0;
    drain();
    EXPECT_EQ(drained, 1) << tcp;
  }
}

/// Which listener, and whether the connection that holds it open is QUIC's.
class WorkerHeld : public WorkerTest, public testing::WithParamInterface<std::tuple<std::size_t, bool>> {};

INSTANTIATE_TEST_SUITE_P(By, WorkerHeld, testing::Combine(testing::Values(0u, 1u), testing::Bool()));

TEST_P(WorkerHeld, HasDrainedOnceTheLastConnectionOfAnyListenerEnds) {
  const auto [index, quic] = GetParam();
  start(true);
  Holder holder(loop, listener(index), quic);
  drain();
  EXPECT_EQ(drained, 0);
  holder.let_go();
  run_until(loop, [&] { return drained > 0; });
  run_turns(loop, 20);
  EXPECT_EQ(drained, 1);
}

/// Of the turns that a handshake takes, the one in which it ends is among these.
TEST_F(WorkerTest, DrainsInAnyTurnOfAHandshake) {
  for (int turns = 0; turns < 40; ++turns) {
    start(true);
    drained = 0;
    std::unique_ptr<tls::Handshake> handshake;
    std::unique_ptr<tls::Stream> secured;
    const auto connecting =
        net::tcp_connect(loop, listener(0), 60s, {}, [&](Result<std::unique_ptr<net::ByteStream>> stream) {
          if (!stream) return;  // the listener was closed first
          tls::ClientOptions options;
          options.trust = insecure_trust();
          options.host = "a.test";
          options.alpn = {"http/1.1"};
          handshake = tls::connect(loop.timers(), std::move(stream.value()), options,
                                   [&](Result<std::unique_ptr<tls::Stream>> stream_or_error) {
                                     if (stream_or_error) secured = std::move(*stream_or_error);
                                   });
        });
    // Posted work runs behind what the sockets brought in a turn, and before what that deferred to its end.
    int left = turns;
    std::function<void()> count_down = [&] {
      if (--left >= 0) return loop.post(count_down);
      worker->drain([&] { ++drained; });
    };
    loop.post(count_down);
    run_turns(loop, turns + 20);
    secured.reset();
    handshake.reset();
    run_until(loop, [&] { return drained > 0; });
    EXPECT_EQ(drained, 1) << turns;
    admin::MetricSet figures;
    worker->collect(figures);
    EXPECT_THAT(figures.to_text(), HasSubstr("sallyport_connections_open{version=\"http/1\"} 0")) << turns;
  }
}

TEST_F(WorkerTest, WaitsForAllOfSeveralListeners) {
  start(true);
  Holder first(loop, listener(0), false);
  Holder second(loop, listener(1), true);
  drain();
  EXPECT_EQ(drained, 0);
  first.let_go();
  run_turns(loop, 20);
  EXPECT_EQ(drained, 0);
  second.let_go();
  run_until(loop, [&] { return drained > 0; });
  EXPECT_EQ(drained, 1);
}

}  // namespace
}  // namespace sallyport::gateway
