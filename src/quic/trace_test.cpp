// The events that a recorder gets from a connection.
#include "quic/application_for_test.h"
#include "quic/packet_forge_for_test.h"

#include <map>

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::Octets;

/// What all recorders of a test saw.
struct Log {
  struct Packet {
    trace::Direction direction;
    trace::PacketType type;
    std::uint64_t number;
    std::uint32_t version;
    std::size_t size;
    Octets frames;
    bool mtu_probe;
  };
  std::vector<Packet> packets;
  struct Dropped {
    trace::PacketType type;
    std::size_t size;
    trace::DropCause cause;
  };
  std::vector<Dropped> dropped;
  std::vector<std::pair<bool, std::uint64_t>> key_updates;
  std::vector<std::string> states, alpns, notes;
  std::vector<std::uint64_t> lost;
  std::vector<std::size_t> sizes;
  std::map<trace::Direction, Octets> parameters;
  std::size_t metrics = 0, datagram_bytes_sent = 0;
  trace::Metrics last_metrics;
  std::string title;
  Octets original_id;
  std::optional<std::uint64_t> closed_code;
  std::optional<trace::Closing> closing;
  std::string reason;
};

class LogRecorder final : public trace::Recorder {
 public:
  explicit LogRecorder(Log& log) : log_(log) {}
  void packet(Time, trace::Direction direction, const trace::Packet& packet) override {
    log_.packets.push_back({direction,
                            packet.type,
                            packet.number,
                            packet.version,
                            packet.size,
                            {packet.frames.begin(), packet.frames.end()},
                            packet.mtu_probe});
  }
  void datagrams(Time, trace::Direction direction, std::size_t, std::size_t bytes) override {
    if (direction == trace::Direction::sent) log_.datagram_bytes_sent += bytes;
  }
  void packet_lost(Time, trace::PacketType, std::uint64_t number) override { log_.lost.push_back(number); }
  void packet_dropped(Time, trace::PacketType type, std::size_t size, trace::DropCause cause,
                      std::string_view) override {
    log_.dropped.push_back({type, size, cause});
  }
  void metrics(Time, const trace::Metrics& metrics) override {
    ++log_.metrics;
    log_.last_metrics = metrics;
  }
  void path(Time, const net::NetPath&, std::size_t max_datagram_size) override {
    log_.sizes.push_back(max_datagram_size);
  }
  void transport_parameters(Time, trace::Direction owner, Bytes encoded) override {
    log_.parameters[owner].assign(encoded.begin(), encoded.end());
  }
  void alpn(Time, std::string_view protocol) override { log_.alpns.emplace_back(protocol); }
  void key_updated(Time, bool by_peer, std::uint64_t updates) override {
    log_.key_updates.emplace_back(by_peer, updates);
  }
  void state(Time, std::string_view state) override { log_.states.emplace_back(state); }
  void closed(Time, const trace::Closing& closing) override {
    log_.closed_code = closing.code;
    log_.closing = closing;
    log_.reason = closing.reason;
  }
  void http_frame(Time, trace::Direction, const trace::HttpFrame&) override {}
  void http_stream_type(Time, trace::Direction, std::int64_t, std::uint64_t) override {}
  void capsule(Time, trace::Direction, const trace::Capsule&) override {}
  void note(Time, std::string_view text) override { log_.notes.emplace_back(text); }

 private:
  Log& log_;
};

/// Clients' and servers' logs apart.
struct LogFactory final : trace::RecorderFactory {
  Log client, server;
  std::unique_ptr<trace::Recorder> start(Time, const trace::ConnectionIdentity& identity) override {
    Log& log = identity.vantage == trace::Vantage::client ? client : server;
    log.title = identity.title;
    log.original_id.assign(identity.original_destination_id.begin(), identity.original_destination_id.end());
    return std::make_unique<LogRecorder>(log);
  }
};

struct Traced : test::Pair {
  LogFactory logs;
  Traced() {
    environment.recorders = &logs;
    client_options.title = "hop 1";
  }
  ~Traced() {
    client.reset();
    endpoint.reset();
  }
};

TEST(Trace, BothSidesSeeTheSamePackets) {
  for (const std::uint32_t version : {version_1, version_2}) {
    Traced pair;
    pair.client_options.config.versions = pair.server_options.config.versions = {version};
    ASSERT_TRUE(pair.establish());
    pair.simulation.run_for(1s);
    pair.client_application.send(*pair.client->open_bidirectional(), std::string(50'000, 'x'), true);
    pair.simulation.run_for(1s);
    std::vector<Log::Packet> sent, received;
    for (const auto& packet : pair.logs.client.packets)
      if (packet.direction == trace::Direction::sent) sent.push_back(packet);
    for (const auto& packet : pair.logs.server.packets)
      if (packet.direction == trace::Direction::received) received.push_back(packet);
    ASSERT_GT(sent.size(), 40u);
    ASSERT_EQ(sent.size(), received.size());
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      EXPECT_EQ(sent[i].type, received[i].type);
      EXPECT_EQ(sent[i].number, received[i].number);
      EXPECT_EQ(sent[i].version, sent[i].type == trace::PacketType::one_rtt ? 0 : version);
      EXPECT_EQ(sent[i].frames, received[i].frames);
      bytes += sent[i].size;
    }
    EXPECT_EQ(bytes, pair.logs.client.datagram_bytes_sent);
    EXPECT_EQ(bytes, pair.client->stats().bytes_sent);
    EXPECT_EQ(sent.size(), pair.client->stats().packets_sent);
    EXPECT_EQ(sent[0].type, trace::PacketType::initial);
    EXPECT_EQ(pair.logs.client.original_id, pair.logs.server.original_id);
    EXPECT_EQ(pair.logs.client.title, "hop 1");
  }
}

TEST(Trace, TellsOfTheHandshake) {
  Traced pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  EXPECT_EQ(pair.logs.client.states,
            (std::vector<std::string>{"handshake_started", "handshake_complete", "handshake_confirmed"}));
  EXPECT_EQ(pair.logs.server.alpns, std::vector<std::string>{"h3"});
  EXPECT_FALSE(pair.logs.client.parameters[trace::Direction::sent].empty());
  EXPECT_FALSE(pair.logs.client.parameters[trace::Direction::received].empty());
  EXPECT_FALSE(pair.logs.server.parameters[trace::Direction::received].empty());
  EXPECT_GT(pair.logs.client.metrics, 0u);
}

TEST(Trace, TellsWhatTheConnectionMeasures) {
  Traced pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  const trace::Metrics& told = pair.logs.client.last_metrics;
  const Stats stats = pair.client->stats();
  EXPECT_EQ(told.min_rtt, stats.min_rtt);
  EXPECT_EQ(told.smoothed_rtt, stats.smoothed_rtt);
  EXPECT_EQ(told.latest_rtt, stats.latest_rtt);
  EXPECT_EQ(told.congestion_window, stats.congestion_window);
  EXPECT_EQ(told.bytes_in_flight, 0u);
  EXPECT_GT(told.rtt_variance, Duration::zero()) << "half of the first sample, and then less";
  EXPECT_LT(told.rtt_variance, told.min_rtt);
}

/// Our own TLS would not send so many; a peer's may.
TEST(Trace, LongTransportParametersAreToldWhole) {
  Traced pair;
  pair.client_options.config.versions.assign(500, version_1);
  pair.serve();
  pair.connect();
  EXPECT_GT(pair.logs.client.parameters[trace::Direction::sent].size(), 2000u);
}

TEST(Trace, TellsOfLossesKeyUpdatesAndTheEnd) {
  Traced pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  ASSERT_TRUE(pair.client->update_keys());
  int countdown = 10;
  pair.link.client.filter = [&](Bytes) { return --countdown != 0; };
  pair.client_application.send(*pair.client->open_bidirectional(), std::string(200'000, 'x'), true);
  pair.simulation.run_for(2s);
  EXPECT_EQ(pair.logs.client.lost.size(), 1u);
  using Update = std::pair<bool, std::uint64_t>;
  EXPECT_EQ(pair.logs.client.key_updates, (std::vector<Update>{{false, 1}}));
  EXPECT_EQ(pair.logs.server.key_updates, (std::vector<Update>{{true, 1}}));
  pair.client->close(0x10c, "enough");
  pair.simulation.run_for(1s);
  EXPECT_EQ(pair.logs.client.closed_code, 0x10cu);
  EXPECT_EQ(pair.logs.server.closed_code, 0x10cu);
}

TEST(Trace, TellsWhyAConnectionEnded) {
  using Cause = trace::Closing::Cause;
  {
    Traced pair;
    ASSERT_TRUE(pair.establish());
    pair.simulation.run_for(1s);
    pair.client->close(0x10c, "enough");
    pair.simulation.run_for(1s);
    for (const Log* log : {&pair.logs.client, &pair.logs.server}) {
      ASSERT_TRUE(log->closing);
      EXPECT_EQ(log->closing->cause, Cause::connection_close);
      EXPECT_TRUE(log->closing->application);
      EXPECT_EQ(log->reason, "enough");
    }
    EXPECT_FALSE(pair.logs.client.closing->by_peer);
    EXPECT_TRUE(pair.logs.server.closing->by_peer);
    EXPECT_EQ(pair.logs.client.states.back(), "closing");
    EXPECT_EQ(pair.logs.server.states.back(), "draining");
  }
  {
    Traced pair;
    pair.client_options.config.idle_timeout = 5s;
    ASSERT_TRUE(pair.establish());
    ASSERT_TRUE(pair.simulation.run_until([&] { return pair.logs.client.closing.has_value(); }));
    EXPECT_EQ(pair.logs.client.closing->cause, Cause::idle_timeout);
    EXPECT_FALSE(pair.logs.client.closing->by_peer);
    EXPECT_EQ(pair.logs.client.states.back(), "closed");
  }
  {
    Traced pair;
    ASSERT_TRUE(pair.establish());
    pair.simulation.run_for(1s);
    pair.link.server.set_receiver(nullptr);
    pair.endpoint.reset();
    pair.serve();
    pair.client_application.send(*pair.client->open_bidirectional(), "anybody?", true);
    ASSERT_TRUE(pair.simulation.run_until([&] { return pair.logs.client.closing.has_value(); }));
    EXPECT_EQ(pair.logs.client.closing->cause, Cause::stateless_reset);
    EXPECT_TRUE(pair.logs.client.closing->by_peer);
    EXPECT_EQ(pair.logs.client.packets.back().type, trace::PacketType::stateless_reset);
  }
  {
    Traced pair;
    pair.client_options.config.versions = {version_2};
    pair.server_options.config.versions = {version_1};
    pair.serve();
    pair.connect();
    ASSERT_TRUE(pair.simulation.run_until([&] { return pair.logs.client.closing.has_value(); }));
    EXPECT_EQ(pair.logs.client.closing->cause, Cause::version_mismatch);
    const Log::Packet& last = pair.logs.client.packets.back();
    EXPECT_EQ(last.type, trace::PacketType::version_negotiation);
    ASSERT_GE(last.frames.size(), 4u) << "the versions that were offered";
    EXPECT_EQ(last.frames.size() % 4, 0u);
  }
}

/// What has no event of its own.
TEST(Trace, NotesAPathThatIsGivenUp) {
  Traced pair;
  test::LinkEnd other(pair.simulation,
                      {*net::SocketAddress::parse("192.0.2.99:2000"), pair.link.client.net_path().remote});
  other.connect(pair.link.server);
  pair.link.server.connect(other);
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  other.loss = 1;
  ASSERT_TRUE(pair.client->migrate(other));
  pair.simulation.run_for(10s);
  EXPECT_EQ(pair.logs.client.notes,
            std::vector<std::string>{"path validation failed, the migration is abandoned"});
  pair.client.reset();
}

TEST(Trace, NotesEarlyDataThatIsRefused) {
  Traced pair;
  tls::SessionCache sessions;
  pair.client_options.sessions = &sessions;
  pair.client_options.early_data = true;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  pair.client->close(0x100, {});
  pair.simulation.run_for(1s);
  pair.client.reset();
  pair.endpoint.reset();
  pair.server_options.early_data = false;
  pair.serve();
  pair.client_application = {};
  pair.connect();
  ASSERT_TRUE(pair.client->can_send_early());
  pair.client_application.send(*pair.client->open_bidirectional(), "early", true);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->is_established(); }));
  EXPECT_EQ(pair.logs.client.notes, std::vector<std::string>{"0-RTT rejected by the server"});
  pair.client.reset();
}

TEST(Trace, TellsOfPacketsThatAreNotAuthentic) {
  Traced pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  ASSERT_TRUE(pair.logs.server.dropped.empty());
  bool spoil = true;
  pair.link.client.filter = [&](Bytes datagram) {
    if (!std::exchange(spoil, false)) return true;
    Octets spoilt(datagram.begin(), datagram.end());
    spoilt.back() ^= 1;
    pair.link.server.inject(pair.link.client.net_path().local, spoilt);
    return false;
  };
  pair.client_application.send(*pair.client->open_bidirectional(), "hello", true);
  pair.simulation.run_for(1s);
  ASSERT_EQ(pair.logs.server.dropped.size(), 1u);
  EXPECT_EQ(pair.logs.server.dropped[0].type, trace::PacketType::one_rtt);
  EXPECT_EQ(pair.logs.server.dropped[0].cause, trace::DropCause::decryption_failure);
  EXPECT_GT(pair.logs.server.dropped[0].size, 20u);
}

/// Or each later packet would look like a probe of the path's size.
TEST(Trace, TellsTheSizeThatThePathIsFoundToTake) {
  Traced pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  for (const Log* log : {&pair.logs.client, &pair.logs.server}) {
    ASSERT_FALSE(log->sizes.empty());
    EXPECT_EQ(log->sizes.front(), 1200u);
    EXPECT_EQ(log->sizes.back(), 1472u);
  }
  const auto large = [&] {
    std::size_t probes = 0, others = 0;
    for (const auto& packet : pair.logs.client.packets)
      if (packet.direction == trace::Direction::sent && packet.size > 1200)
        ++(packet.mtu_probe ? probes : others);
    return std::pair(probes, others);
  };
  const std::size_t probes = large().first;
  EXPECT_GT(probes, 0u);
  pair.client_application.send(*pair.client->open_bidirectional(), std::string(50'000, 'x'), true);
  pair.simulation.run_for(1s);
  EXPECT_EQ(large().first, probes);
  EXPECT_GT(large().second, 20u);
}

TEST(Trace, IdleTurnsRepeatNoMetrics) {
  Traced pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(5s);
  const std::size_t before = pair.logs.client.metrics;
  pair.client->want_write();
  pair.simulation.run_for(1s);
  EXPECT_EQ(pair.logs.client.metrics, before);
}

}  // namespace
}  // namespace sallyport::quic
