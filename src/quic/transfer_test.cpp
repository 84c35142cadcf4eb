// Streams and datagrams on an established connection: order, loss, flow control, resets, queues.
#include "quic/application_for_test.h"
#include "quic/datagram_frame.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::Pair;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

struct Echo : Pair {
  Echo() {
    on_accept = [](test::TestApplication& application) { application.echo = true; };
  }
  test::TestApplication::Stream& send(std::string data) {
    const StreamId id = *client->open_bidirectional();
    client_application.send(id, std::move(data), true);
    return client_application.streams[id];
  }
};

TEST(Transfer, BothWaysWithLossAndReordering) {
  Echo pair;
  pair.link.client.loss = pair.link.server.loss = 0.05;
  ASSERT_TRUE(pair.establish());
  int count = 0;
  pair.link.client.filter = [&](Bytes) {
    pair.link.client.delay = ++count % 7 == 0 ? 14ms : 10ms;
    return true;
  };
  const std::string data = pattern(1'000'000);
  auto& stream = pair.send(data);
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.received_fin; }, 300s));
  EXPECT_EQ(stream.received, data);
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.closed_code.has_value(); }));
  EXPECT_TRUE(stream.unacked.empty());
}

TEST(Transfer, ManyStreamsAtOnce) {
  Echo pair;
  ASSERT_TRUE(pair.establish());
  std::vector<test::TestApplication::Stream*> streams;
  streams.reserve(100);
  for (int i = 0; i < 100; ++i) streams.push_back(&pair.send(pattern(static_cast<std::size_t>(i) * 100)));
  ASSERT_TRUE(pair.simulation.run_until([&] {
    return std::all_of(streams.begin(), streams.end(), [](auto* stream) { return stream->received_fin; });
  }));
  for (std::size_t i = 0; i < streams.size(); ++i) EXPECT_EQ(streams[i]->received, pattern(i * 100));
}

TEST(Transfer, StreamLimitIsTold) {
  Pair pair;
  pair.server_options.config.peer_bidirectional_streams = 2;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.client->open_bidirectional());
  ASSERT_TRUE(pair.client->open_bidirectional());
  const auto third = pair.client->open_bidirectional();
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind, ErrorKind::resource);
  pair.simulation.run_for(100ms);
  const std::size_t before = pair.client_application.streams_available;
  pair.server().extend_peer_streams_bidirectional(1);
  ASSERT_TRUE(
      pair.simulation.run_until([&] { return pair.client_application.streams_available == before + 1; }));
  EXPECT_TRUE(pair.client->open_bidirectional());
}

TEST(Transfer, FlowControlStopsAndResumes) {
  Pair pair;
  pair.server_options.config.initial_stream_window = 50'000;
  pair.on_accept = [](test::TestApplication& application) { application.consumes = false; };
  ASSERT_TRUE(pair.establish());
  const StreamId id = *pair.client->open_bidirectional();
  const std::string data = pattern(120'000);
  pair.client_application.send(id, data, true);
  pair.simulation.run_for(1s);
  auto& received = pair.server_application().streams[id];
  EXPECT_EQ(received.received.size(), 50'000u);
  EXPECT_TRUE(pair.client_application.streams[id].blocked);
  pair.server().consume(id, 50'000);
  pair.simulation.run_for(1s);
  EXPECT_GT(received.received.size(), 50'000u);
  pair.server_application().consumes = true;
  pair.server().consume(id, received.received.size() - 50'000);
  ASSERT_TRUE(pair.simulation.run_until([&] { return received.received_fin; }));
  EXPECT_EQ(received.received, data);
}

TEST(Transfer, AStreamsWindowGrowsToItsBoundOnALongFatPath) {
  constexpr std::size_t mebibyte = 1024 * 1024;
  Pair pair;
  pair.link.client.delay = pair.link.server.delay = 50ms;
  ASSERT_TRUE(pair.establish());
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, std::string(80 * mebibyte, 'x'), false);
  auto& received = pair.server_application().streams[id].received;
  ASSERT_TRUE(pair.simulation.run_until([&] { return received.size() >= 48 * mebibyte; }));
  // What the client was granted and the server did not consume, but for the credit that waits.
  pair.server_application().consumes = false;
  const std::size_t consumed = received.size();
  pair.simulation.run_for(5s);
  EXPECT_GE(received.size() - consumed, 15 * mebibyte);
  EXPECT_LE(received.size() - consumed, 16 * mebibyte);
}

TEST(Transfer, ResetAndStopSending) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, "partial", false);
  pair.simulation.run_for(100ms);
  pair.client->reset_stream(id, 7);
  pair.client->stop_sending(id, 8);
  ASSERT_TRUE(pair.simulation.run_until(
      [&] { return pair.server_application().streams[id].reset_code.has_value(); }));
  EXPECT_EQ(pair.server_application().streams[id].reset_code, 7u);
  EXPECT_EQ(pair.server_application().streams[id].stop_code, 8u);
  ASSERT_TRUE(
      pair.simulation.run_until([&] { return pair.client_application.streams[id].closed_code.has_value(); }));
}

TEST(Transfer, BulkLeavesInLongRuns) {
  Echo pair;
  ASSERT_TRUE(pair.establish());
  auto& stream = pair.send(pattern(2'000'000));
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.received_fin; }));
  EXPECT_GE(pair.link.client.largest_run, 16u);
  EXPECT_LT(pair.link.client.runs, pair.link.client.sent / 4);
}

TEST(Transfer, LostPacketsAreCounted) {
  Echo pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  const std::uint64_t before = pair.client->stats().packets_lost;
  int countdown = 20;
  pair.link.client.filter = [&](Bytes) { return --countdown != 0; };
  const std::uint64_t dropped_before = pair.link.client.lost;
  auto& stream = pair.send(pattern(500'000));
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.received_fin; }));
  EXPECT_EQ(pair.link.client.lost - dropped_before, 1u);
  EXPECT_EQ(pair.client->stats().packets_lost - before, 1u);
}

TEST(Transfer, BlockedPathIsWaitedFor) {
  Echo pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  pair.link.client.reports_blocked = true;
  auto& stream = pair.send(pattern(300'000));
  pair.simulation.run_for(50ms);
  const std::uint64_t sent = pair.link.client.runs;
  pair.simulation.run_for(200ms);
  EXPECT_EQ(pair.link.client.runs, sent);
  EXPECT_FALSE(stream.received_fin);
  pair.link.client.become_writable();
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.received_fin; }));
}

TEST(Transfer, BlockedServerPathIsWaitedForByAllItsConnections) {
  Echo pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  pair.link.server.reports_blocked = true;
  auto& stream = pair.send(pattern(300'000));
  pair.simulation.run_for(100ms);
  EXPECT_FALSE(stream.received_fin);
  pair.link.server.become_writable();
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.received_fin; }));
}

TEST(Transfer, KeyUpdatesBothWays) {
  Echo pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  ASSERT_TRUE(pair.client->update_keys());
  auto& first = pair.send(pattern(100'000));
  ASSERT_TRUE(pair.simulation.run_until([&] { return first.received_fin; }));
  EXPECT_EQ(pair.client->stats().key_updates, 1u);
  EXPECT_EQ(pair.server().stats().key_updates, 1u);
  pair.simulation.run_for(10s);
  ASSERT_TRUE(pair.server().update_keys());
  auto& second = pair.send(pattern(100'000));
  ASSERT_TRUE(pair.simulation.run_until([&] { return second.received_fin; }));
  EXPECT_EQ(pair.client->stats().key_updates, 2u);
  EXPECT_EQ(second.received, pattern(100'000));
}

TEST(Transfer, CongestionMarksAreCountedAndSlowTheSenderDown) {
  Echo pair;
  ASSERT_TRUE(pair.establish());
  auto& first = pair.send(pattern(500'000));
  ASSERT_TRUE(pair.simulation.run_until([&] { return first.received_fin; }));
  EXPECT_EQ(pair.server().stats().ecn_marked, 0u);
  const std::uint64_t window = pair.client->stats().congestion_window;
  pair.link.client.marks_congestion = true;
  auto& second = pair.send(pattern(500'000));
  ASSERT_TRUE(pair.simulation.run_until([&] { return second.received_fin; }));
  EXPECT_GT(pair.server().stats().ecn_marked, 100u);
  EXPECT_LT(pair.client->stats().congestion_window, window);
  EXPECT_EQ(pair.client->stats().packets_lost, 0u);
}

TEST(Transfer, EcnCanBeSwitchedOff) {
  Echo pair;
  pair.client_options.config.ecn = false;
  pair.link.client.marks_congestion = true;
  ASSERT_TRUE(pair.establish());
  auto& stream = pair.send(pattern(100'000));
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.received_fin; }));
  EXPECT_EQ(pair.server().stats().ecn_marked, 0u);
}

TEST(Datagrams, ArriveWithTheirPrefix) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.client->peer_takes_datagrams());
  ASSERT_TRUE(pair.client->send_datagram(as_bytes("pre"), as_bytes("fix")));
  ASSERT_TRUE(pair.client->send_datagram({}, as_bytes("two")));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_application().datagrams.size() == 2; }));
  EXPECT_EQ(pair.server_application().datagrams, (std::vector<std::string>{"prefix", "two"}));
  EXPECT_EQ(pair.client->stats().datagrams_sent, 2u);
  EXPECT_EQ(pair.server().stats().datagrams_received, 2u);
}

// During a search datagrams larger than the proven size may be sent.
TEST(Datagrams, TheProvenSizeFitsTheProvenPacket) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  const std::size_t packet = pair.client->stats().max_udp_payload;
  EXPECT_EQ(packet, minimum_udp_payload) << "the search goes on";
  EXPECT_LT(pair.client->proven_datagram_payload(), packet);
  EXPECT_GT(pair.client->max_datagram_payload(), packet);
  pair.simulation.run_for(5s);
  EXPECT_EQ(pair.client->proven_datagram_payload(), pair.client->max_datagram_payload());
}

TEST(Datagrams, SmallOnesShareAPacket) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  const std::uint64_t before = pair.link.client.sent;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(50, 'd'))));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_application().datagrams.size() == 20; }));
  EXPECT_EQ(pair.link.client.sent - before, 1u);
}

TEST(Datagrams, LargestFitsOnePacketExactly) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  const std::size_t largest = pair.client->max_datagram_payload();
  // 1,472 less header (1 + 8 + 3), tag (16), type (1) and length (2).
  EXPECT_EQ(largest, 1472u - 12 - 16 - 3);
  ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(largest, 'd'))));
  EXPECT_FALSE(pair.client->send_datagram({}, as_bytes(std::string(largest + 1, 'd'))));
  EXPECT_EQ(pair.client->stats().datagrams_dropped_size, 1u);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_application().datagrams.size() == 1; }));
  EXPECT_EQ(pair.server_application().datagrams[0].size(), largest);
}

TEST(Datagrams, PeersFrameLimitIsKept) {
  Pair pair;
  pair.server_options.config.max_datagram_frame_size = 200;
  ASSERT_TRUE(pair.establish());
  EXPECT_EQ(pair.client->max_datagram_payload(), 200u - 3);
  ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(197, 'd'))));
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_application().datagrams.size() == 1; }));
}

/// What a frame with a length is made of, written out again.
TEST(Datagrams, RoomInAFrameIsExact) {
  const auto frame_of = [](std::size_t payload) {
    return 1 + (payload < 64 ? 1 : payload < 16384 ? 2 : 4) + payload;
  };
  for (std::size_t frame = 0; frame <= 16'500; ++frame) {
    const std::size_t room = largest_datagram_payload(frame);
    if (room > 0) {
      EXPECT_LE(frame_of(room), frame);
    }
    EXPECT_GT(frame_of(room + 1), frame);
  }
}

TEST(Datagrams, TheLargestIsTakenByAPeerWithAnyLimit) {
  for (const std::size_t limit : {3, 65, 66, 67, 68}) {
    Pair pair;
    pair.server_options.config.max_datagram_frame_size = limit;
    ASSERT_TRUE(pair.establish());
    const std::size_t largest = pair.client->max_datagram_payload();
    ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(largest, 'd'))));
    EXPECT_FALSE(pair.client->send_datagram({}, as_bytes(std::string(largest + 1, 'd'))));
    ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_application().datagrams.size() == 1; }));
    EXPECT_TRUE(pair.client->is_established());
  }
}

TEST(Datagrams, PeerWithoutTheExtension) {
  Pair pair;
  pair.server_options.config.max_datagram_frame_size = 0;
  ASSERT_TRUE(pair.establish());
  EXPECT_FALSE(pair.client->peer_takes_datagrams());
  EXPECT_EQ(pair.client->max_datagram_payload(), 0u);
  EXPECT_FALSE(pair.client->send_datagram({}, as_bytes("x")));
  EXPECT_FALSE(pair.client->send_datagram({}, {}));
  pair.simulation.run_for(1s);
  EXPECT_TRUE(pair.client->is_established());
}

TEST(Datagrams, QueueIsBoundedAndTellsWhenThereIsRoom) {
  Pair pair;
  pair.client_options.config.datagram_queue.bytes = 200'000;  // of which one flow has half
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  const std::string payload(1000, 'd');
  int taken = 0;
  for (int i = 0; i < 150; ++i) taken += pair.client->send_datagram({}, as_bytes(payload));
  EXPECT_EQ(taken, 100);
  EXPECT_EQ(pair.client->queued_datagram_bytes(), 100'000u);
  EXPECT_EQ(pair.client->stats().datagrams_dropped_queue, 50u);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.writable == 1; }));
  EXPECT_LE(pair.client->queued_datagram_bytes(), 67'000u);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->queued_datagram_bytes() == 0; }));
  EXPECT_EQ(pair.client_application.writable, 1u);
}

TEST(Datagrams, ThoseThatWaitedForTooLongAreCountedAsSuch) {
  Pair pair;
  pair.client_options.config.datagram_queue.sojourn_limit = 30ms;  // a round trip and a half
  ASSERT_TRUE(pair.establish());
  const std::string payload(1000, 'd');
  for (int i = 0; i < 400; ++i)
    ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(payload), 0, WhenFull::drop));
  pair.simulation.run_for(5s);
  const Stats stats = pair.client->stats();
  EXPECT_GT(stats.datagrams_dropped_sojourn, 0u);
  EXPECT_EQ(stats.datagrams_dropped_full, 0u);
  EXPECT_EQ(pair.server_application().datagrams.size() + stats.datagrams_dropped_sojourn, 400u);
}

TEST(Datagrams, LostOnesAreCountedNotRepeated) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  int countdown = 3;
  pair.link.client.filter = [&](Bytes) { return --countdown != 0; };
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(1000, 'd'))));
  pair.simulation.run_for(2s);
  EXPECT_EQ(pair.server_application().datagrams.size(), 9u);
  EXPECT_EQ(pair.client->stats().datagrams_lost, 1u);
}

TEST(Datagrams, ShareTheConnectionWithStreams) {
  Echo pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(1s);
  auto& stream = pair.send(pattern(400'000));
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(1000, 'd'))));
  // Neither waits for the other's end.
  auto& uploaded = pair.server_application().streams[0].received;
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.server_application().datagrams.size() >= 200; }));
  EXPECT_GT(uploaded.size(), 100'000u);
  EXPECT_LT(uploaded.size(), 400'000u);
  ASSERT_TRUE(pair.simulation.run_until([&] { return stream.received_fin; }));
}

}  // namespace
}  // namespace sallyport::quic
