// Connections inside connections: the path of the inner one is made of the outer one's DATAGRAM frames, as in
// a chain of hops.
#include "quic/application_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::TestApplication;

/// A DatagramPath on an established connection's datagrams, as masque makes one (its prefix is a quarter
/// stream ID and a context ID).
class Flow final : public net::DatagramPath {
 public:
  explicit Flow(net::NetPath path) : path_(std::move(path)) {}
  Connection* connection = nullptr;

  void receive(Bytes payload, Time now) {
    if (receiver_ != nullptr && payload.size() > prefix_size)
      receiver_->on_datagrams(path_, {payload.subspan(prefix_size), payload.size() - prefix_size}, now);
  }
  void resize() {
    if (receiver_ != nullptr) receiver_->on_max_datagram_size(max_datagram_size());
  }
  void set_receiver(net::DatagramReceiver* receiver) override { receiver_ = receiver; }
  net::SendStatus send(const net::NetPath&, const net::DatagramRun& run) override {
    if (run.segment_size > max_datagram_size()) return net::SendStatus::too_large;
    bool all = true;
    run.for_each([&](Bytes datagram) {
      all &= connection->send_datagram(as_bytes(std::string_view("\0\0", 2)), datagram);
    });
    return all ? net::SendStatus::sent : net::SendStatus::dropped;
  }
  std::size_t max_datagram_size() const override {
    const std::size_t payload = connection->max_datagram_payload();
    return payload > prefix_size ? payload - prefix_size : 0;
  }
  net::NetPath net_path() const override { return path_; }

 private:
  static constexpr std::size_t prefix_size = 2;
  net::NetPath path_;
  net::DatagramReceiver* receiver_ = nullptr;
};

/// An Application that hands its datagrams to a Flow.
class FlowApplication final : public Application {
 public:
  explicit FlowApplication(Flow& flow) : flow_(flow) {}
  void on_established(Time) override {
    if (when_established) when_established();
  }
  Result<> on_stream_data(StreamId, Bytes, bool) override { return {}; }
  Result<> on_stream_reset(StreamId, std::uint64_t) override { return {}; }
  Result<> on_stop_sending(StreamId, std::uint64_t) override { return {}; }
  void on_stream_closed(StreamId, std::uint64_t, bool) override {}
  void on_stream_acked(StreamId, std::size_t) override {}
  void on_stream_unblocked(StreamId) override {}
  void on_datagram(Bytes payload, Time now) override { flow_.receive(payload, now); }
  Result<StreamData> next_stream_data() override { return StreamData{}; }
  void on_stream_written(StreamId, std::size_t) override {}
  void on_stream_blocked(StreamId) override {}
  void on_stream_shut(StreamId) override {}
  void on_max_datagram_payload(std::size_t) override { flow_.resize(); }
  void on_closed(const Closed&) override {}
  std::function<void()> when_established;

 private:
  Flow& flow_;
};

/// `depth` connections, each in the one before, and a TestApplication at both ends of the innermost.
struct Chain : test::Pair {
  struct Hop {
    std::unique_ptr<Flow> client_flow, server_flow;
    std::unique_ptr<FlowApplication> client_application;
    std::unique_ptr<Connection> client;
    std::unique_ptr<Endpoint> endpoint;
  };
  std::vector<Hop> hops;
  std::unique_ptr<Connection> innermost;
  std::unique_ptr<Endpoint> origin;

  explicit Chain(int depth) { extend(link.client, link.server, depth); }
  ~Chain() {
    innermost.reset();
    origin.reset();
    while (!hops.empty()) {
      hops.back().client.reset();
      hops.back().endpoint.reset();
      hops.pop_back();
    }
  }

  void extend(net::DatagramPath& client_path, net::DatagramPath& server_path, int depth) {
    if (depth == 0) {
      origin = std::make_unique<Endpoint>(environment, server_path, server_options,
                                          [this](Connection& connection) {
                                            auto application = std::make_unique<TestApplication>();
                                            application->connection = &connection;
                                            application->echo = true;
                                            return application;
                                          });
      innermost =
          std::move(*Connection::connect(environment, client_path, client_application, client_options));
      client_application.connection = innermost.get();
      return;
    }
    Hop hop;
    const auto address = [depth](const char* host) {
      net::SocketAddress result = *net::SocketAddress::parse(host);
      result.set_port(static_cast<std::uint16_t>(1000 + depth));
      return result;
    };
    const net::SocketAddress near = address("198.51.100.1:1"), far = address("198.51.100.2:1");
    hop.client_flow = std::make_unique<Flow>(net::NetPath{near, far});
    hop.server_flow = std::make_unique<Flow>(net::NetPath{far, near});
    hop.client_application = std::make_unique<FlowApplication>(*hop.client_flow);
    Flow* client_flow = hop.client_flow.get();
    Flow* server_flow = hop.server_flow.get();
    FlowApplication* application = hop.client_application.get();
    hop.endpoint = std::make_unique<Endpoint>(environment, server_path, server_options,
                                              [server_flow](Connection& connection) {
                                                server_flow->connection = &connection;
                                                return std::make_unique<FlowApplication>(*server_flow);
                                              });
    hop.client = std::move(*Connection::connect(environment, client_path, *application, client_options));
    client_flow->connection = hop.client.get();
    // The inner handshake starts as soon as the outer one is complete.
    application->when_established = [this, client_flow, server_flow, depth] {
      extend(*client_flow, *server_flow, depth - 1);
    };
    hops.push_back(std::move(hop));
  }
  bool is_up() const { return innermost && innermost->is_established(); }
};

TEST(Nested, EachHandshakeTakesOneRoundTripAndNoMore) {
  for (int depth = 1; depth <= 4; ++depth) {
    Chain chain(depth);
    const Time start = chain.simulation.timers.now();
    ASSERT_TRUE(chain.simulation.run_until([&] { return chain.is_up(); })) << depth;
    EXPECT_EQ(chain.simulation.timers.now() - start, (depth + 1) * 20ms);
  }
}

TEST(Nested, TransfersThroughTwoHops) {
  Chain chain(2);
  ASSERT_TRUE(chain.simulation.run_until([&] { return chain.is_up(); }));
  const StreamId id = *chain.innermost->open_bidirectional();
  std::string data(1'000'000, 'x');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 + i / 253);
  chain.client_application.send(id, data, true);
  auto& stream = chain.client_application.streams[id];
  ASSERT_TRUE(chain.simulation.run_until([&] { return stream.received_fin; }));
  EXPECT_TRUE(stream.received == data);
}

TEST(Nested, EachLevelFindsWhatTheOneAroundItCarries) {
  Chain chain(2);
  ASSERT_TRUE(chain.simulation.run_until([&] { return chain.is_up(); }));
  chain.simulation.run_for(2s);
  // Each level costs header (12), tag (16), DATAGRAM header (3) and the flow's prefix (2).
  EXPECT_EQ(chain.hops[0].client->stats().max_udp_payload, 1472u);
  EXPECT_EQ(chain.hops[1].client->stats().max_udp_payload, 1472u - 33);
  EXPECT_EQ(chain.innermost->stats().max_udp_payload, 1472u - 66);
}

TEST(Nested, NarrowerOuterPathNarrowsTheInner) {
  Chain chain(1);
  ASSERT_TRUE(chain.simulation.run_until([&] { return chain.is_up(); }));
  chain.simulation.run_for(2s);
  ASSERT_EQ(chain.innermost->stats().max_udp_payload, 1472u - 33);
  chain.link.client.set_max_size(1350);
  chain.simulation.run_for(100ms);
  EXPECT_EQ(chain.innermost->stats().max_udp_payload, 1350u - 33);
}

TEST(Nested, LossyOuterLink) {
  Chain chain(2);
  chain.link.client.loss = chain.link.server.loss = 0.02;
  ASSERT_TRUE(chain.simulation.run_until([&] { return chain.is_up(); }));
  const StreamId id = *chain.innermost->open_bidirectional();
  chain.client_application.send(id, std::string(300'000, 'x'), true);
  ASSERT_TRUE(
      chain.simulation.run_until([&] { return chain.client_application.streams[id].received_fin; }, 300s));
}

}  // namespace
}  // namespace sallyport::quic
