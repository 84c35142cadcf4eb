// What a recorder is told of HTTP/3: frames, stream types, settings, datagrams and capsules.
#include "http/h3_for_test.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::H3Pair;
using test::RecordingExchange;
using trace::Direction;
using trace::HttpFrameKind;

struct Log {
  struct Frame {
    Direction direction;
    HttpFrameKind kind;
    std::int64_t stream_id;
    std::uint64_t length, id;
    std::string fields;
  };
  std::vector<Frame> frames;
  std::vector<std::pair<Direction, std::uint64_t>> streams;
  std::vector<std::pair<Direction, trace::Capsule>> capsules;

  const Frame* find(Direction direction, HttpFrameKind kind) const {
    const auto found = std::ranges::find_if(
        frames, [&](const Frame& frame) { return frame.direction == direction && frame.kind == kind; });
    return found == frames.end() ? nullptr : &*found;
  }
};

class LogRecorder final : public trace::Recorder {
 public:
  explicit LogRecorder(Log& log) : log_(log) {}
  void packet(Time, Direction, const trace::Packet&) override {}
  void datagrams(Time, Direction, std::size_t, std::size_t) override {}
  void packet_lost(Time, trace::PacketType, std::uint64_t) override {}
  void packet_dropped(Time, trace::PacketType, std::size_t, trace::DropCause, std::string_view) override {}
  void metrics(Time, const trace::Metrics&) override {}
  void path(Time, const net::NetPath&, std::size_t) override {}
  void transport_parameters(Time, Direction, Bytes) override {}
  void alpn(Time, std::string_view) override {}
  void key_updated(Time, bool, std::uint64_t) override {}
  void state(Time, std::string_view) override {}
  void closed(Time, const trace::Closing&) override {}
  void http_frame(Time, Direction direction, const trace::HttpFrame& frame) override {
    log_.frames.push_back(
        {direction, frame.kind, frame.stream_id, frame.length, frame.id, std::string(frame.fields)});
  }
  void http_stream_type(Time, Direction owner, std::int64_t, std::uint64_t type) override {
    log_.streams.emplace_back(owner, type);
  }
  void capsule(Time, Direction direction, const trace::Capsule& capsule) override {
    log_.capsules.emplace_back(direction, capsule);
  }
  void note(Time, std::string_view) override {}

 private:
  Log& log_;
};

/// Records both sides.
struct Factory final : trace::RecorderFactory {
  Log client, server;
  std::unique_ptr<trace::Recorder> start(Time, const trace::ConnectionIdentity& identity) override {
    return std::make_unique<LogRecorder>(identity.vantage == trace::Vantage::client ? client : server);
  }
};

struct RecordedPair : H3Pair {
  Factory factory;
  RecordedPair() { environment.recorders = &factory; }
  ~RecordedPair() {
    client.reset();
    endpoint.reset();
  }
};

TEST(H3Trace, BothSidesSeeTheSameMessages) {
  RecordedPair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200, .fields = {{"x-a", "b"}}});
    exchange.write(as_bytes("hello"));
    exchange.finish({{"x-sum", "1"}});
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  pair.client->request(test::get("/traced"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));

  const Log& client = pair.factory.client;
  const Log& server = pair.factory.server;
  for (const auto& [sender, receiver] : {std::pair{&client, &server}, {&server, &client}}) {
    for (const HttpFrameKind kind : {HttpFrameKind::settings, HttpFrameKind::headers}) {
      const auto* const sent = sender->find(Direction::sent, kind);
      const auto* const received = receiver->find(Direction::received, kind);
      ASSERT_NE(sent, nullptr);
      ASSERT_NE(received, nullptr);
      EXPECT_EQ(sent->fields, received->fields);
      EXPECT_EQ(sent->length, received->length);
      EXPECT_EQ(sent->stream_id, received->stream_id);
    }
    EXPECT_EQ(sender->streams.front(), std::pair(Direction::sent, std::uint64_t{0}));
  }
  const std::string& request = client.find(Direction::sent, HttpFrameKind::headers)->fields;
  EXPECT_NE(request.find(":path: /traced\n"), std::string::npos);
  const std::string& response = server.find(Direction::sent, HttpFrameKind::headers)->fields;
  EXPECT_EQ(response, ":status: 200\nx-a: b\n");
  ASSERT_NE(client.find(Direction::received, HttpFrameKind::data), nullptr);
  EXPECT_EQ(client.find(Direction::received, HttpFrameKind::data)->length, 5u);
  EXPECT_EQ(client.frames.back().fields, "x-sum: 1\n");
}

/// A peer's frames, as it made them.
struct RecordedClient : test::RawClient {
  Factory factory;
  RecordedClient() { environment.recorders = &factory; }
  ~RecordedClient() {
    connection.reset();
    endpoint.reset();
  }
};

TEST(H3Trace, TellsEverySettingAndStreamTypeOfThePeer) {
  using test::frame, test::varint;
  RecordedClient peer;
  ASSERT_TRUE(peer.meet(false));
  // One that we know, one of ours to ignore (RFC 9114 §7.2.4.1), one that nobody knows.
  peer.say_control(frame(0x4, varint(0x33) + varint(1) + varint(0x21 + 0x1f * 5) + varint(77) +
                                  varint(0x4242) + varint(1u << 20)));
  peer.say_uni(varint(0x21 + 0x1f * 7) + "ignore this");
  peer.run_for(100ms);
  const auto* const settings = peer.factory.server.find(Direction::received, HttpFrameKind::settings);
  ASSERT_NE(settings, nullptr);
  EXPECT_EQ(settings->fields, "51=1\n188=77\n16962=1048576\n");
  EXPECT_TRUE(std::ranges::find(peer.factory.server.streams,
                                std::pair(Direction::received, std::uint64_t{0x21 + 0x1f * 7})) !=
              peer.factory.server.streams.end());
}

TEST(H3Trace, TellsThePriorityThatIsGiven) {
  using test::frame, test::varint;
  RecordedClient peer;
  ASSERT_TRUE(peer.meet(false));
  peer.say_control(test::settings_frame() + frame(0xf0700, varint(4) + "u=1, i") + frame(0xd, varint(9)));
  peer.run_for(100ms);
  const auto* const update = peer.factory.server.find(Direction::received, HttpFrameKind::priority_update);
  ASSERT_NE(update, nullptr);
  EXPECT_EQ(update->id, 4u);
  EXPECT_EQ(update->fields, "u=1, i");
  const auto* const push = peer.factory.server.find(Direction::received, HttpFrameKind::max_push_id);
  ASSERT_NE(push, nullptr);
  EXPECT_EQ(push->id, 9u);
}

TEST(H3Trace, DatagramsCapsulesAndGoaway) {
  RecordedPair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.use_capsules();
    exchange.respond({.status = 200});
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(test::connect_udp(), handler, false);
  exchange.use_capsules();
  ASSERT_TRUE(pair.run_until([&] { return handler.response.has_value(); }));
  exchange.send_datagram(as_bytes("abc"), {});
  exchange.send_capsule(0x99, as_bytes("value"));
  pair.server().shutdown();
  pair.run_for(100ms);
  const auto saw = [](const Log& log, Direction direction, std::uint64_t type, std::uint64_t length,
                      bool frame) {
    return std::ranges::any_of(log.capsules, [&](const auto& entry) {
      return entry.first == direction && entry.second.type == type && entry.second.length == length &&
             entry.second.as_datagram_frame == frame;
    });
  };
  EXPECT_TRUE(saw(pair.factory.client, Direction::sent, 0, 3, true));
  EXPECT_TRUE(saw(pair.factory.server, Direction::received, 0, 3, true));
  EXPECT_TRUE(saw(pair.factory.client, Direction::sent, 0x99, 5, false));
  EXPECT_TRUE(saw(pair.factory.server, Direction::received, 0x99, 5, false));
  const auto* const goaway = pair.factory.client.find(Direction::received, HttpFrameKind::goaway);
  ASSERT_NE(goaway, nullptr);
  EXPECT_EQ(goaway->id, (std::uint64_t{1} << 62) - 4);
}

}  // namespace
}  // namespace sallyport::http
