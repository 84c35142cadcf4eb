// What a recorder is told of a connection.
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
  };
  std::vector<Packet> packets;
  std::vector<std::string> states, alpns, key_updates;
  std::vector<std::uint64_t> lost;
  std::vector<std::size_t> sizes;
  std::map<trace::Direction, Octets> parameters;
  std::size_t metrics = 0, datagram_bytes_sent = 0;
  std::string title;
  Octets original_id;
  std::optional<std::uint64_t> closed_code;
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
                            {packet.frames.begin(), packet.frames.end()}});
  }
  void datagrams(Time, trace::Direction direction, std::size_t, std::size_t bytes) override {
    if (direction == trace::Direction::sent) log_.datagram_bytes_sent += bytes;
  }
  void packet_lost(Time, trace::PacketType, std::uint64_t number) override { log_.lost.push_back(number); }
  void packet_dropped(Time, std::size_t, std::string_view) override {}
  void metrics(Time, const trace::Metrics&) override { ++log_.metrics; }
  void path(Time, const net::NetPath&, std::size_t max_datagram_size) override {
    log_.sizes.push_back(max_datagram_size);
  }
  void transport_parameters(Time, trace::Direction owner, Bytes encoded) override {
    log_.parameters[owner].assign(encoded.begin(), encoded.end());
  }
  void alpn(Time, std::string_view protocol) override { log_.alpns.emplace_back(protocol); }
  void key_updated(Time, std::string_view, std::string_view trigger) override {
    log_.key_updates.emplace_back(trigger);
  }
  void state(Time, std::string_view state) override { log_.states.emplace_back(state); }
  void closed(Time, bool, bool, std::uint64_t code, std::string_view) override { log_.closed_code = code; }
  void http_frame(Time, trace::Direction, const trace::HttpFrame&) override {}
  void http_stream_type(Time, trace::Direction, std::int64_t, std::string_view) override {}
  void capsule(Time, trace::Direction, const trace::Capsule&) override {}
  void note(Time, std::string_view) override {}

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
  EXPECT_EQ(pair.logs.client.key_updates, std::vector<std::string>{"local_update"});
  EXPECT_EQ(pair.logs.server.key_updates, std::vector<std::string>{"remote_update"});
  pair.client->close(0x10c, "enough");
  pair.simulation.run_for(1s);
  EXPECT_EQ(pair.logs.client.closed_code, 0x10cu);
  EXPECT_EQ(pair.logs.server.closed_code, 0x10cu);
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
