// Path MTU discovery: packet sizes on links with a small or changing MTU.
#include "quic/path_mtu.h"

#include "quic/application_for_test.h"

#include <algorithm>
#include <set>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::Pair;

TEST(PathMtu, ProbesTheLimitFirstThenHalves) {
  const auto sizes = PathMtu::probe_sizes(1472);
  ASSERT_GE(sizes.size(), 3u);
  EXPECT_EQ(sizes[0], 1472);
  EXPECT_EQ(sizes[1], 1336);
  EXPECT_EQ(sizes[2], 1268);
  // Whatever the path carries is among them.
  const std::set<std::uint16_t> sorted(sizes.begin(), sizes.end());
  for (unsigned carried = 1201; carried <= 1472; ++carried)
    EXPECT_TRUE(sorted.contains(static_cast<std::uint16_t>(carried))) << carried;
}

TEST(PathMtu, NothingToProbeAtTheMinimum) {
  EXPECT_TRUE(PathMtu::probe_sizes(1200).empty());
}

TEST(PathMtu, ProbeListStaysShortForJumboPaths) {
  EXPECT_LE(PathMtu::probe_sizes(65'527).size(), 129u);
}

TEST(PathMtu, DatagramsMayUseTheLimitUntilTheSearchEnds) {
  PathMtu mtu(1472, true);
  const Time start(100s);
  EXPECT_EQ(mtu.stream_packet_size(), 1200u);
  EXPECT_EQ(mtu.datagram_packet_size(), 1472u);
  mtu.start(start);
  EXPECT_EQ(mtu.stream_packet_size(), 1200u);
  EXPECT_EQ(mtu.datagram_packet_size(), 1472u);
  mtu.on_probe_not_taken(start + 1s, 100ms, true);  // nothing was ever answered
  EXPECT_EQ(mtu.datagram_packet_size(), 1200u);
}

TEST(PathMtu, SwitchedOffItStaysAtTheMinimum) {
  PathMtu mtu(1472, false);
  mtu.start(Time(100s));
  EXPECT_EQ(mtu.stream_packet_size(), 1200u);
  EXPECT_EQ(mtu.datagram_packet_size(), 1200u);
  EXPECT_FALSE(mtu.wants_probe());
}

AckRanges acknowledgement(std::uint64_t first, std::uint64_t last) {
  AckRanges ack;
  ack.ranges[0] = {first, last};
  ack.count = 1;
  return ack;
}

/// A connection that settled on 1,200 bytes, and tests 1,400 with padding.
struct Testing {
  PathMtu mtu{1472, true};
  Time now{100s};
  Testing() {
    mtu.start(now);
    mtu.on_probe_not_taken(now += 1s, 100ms, true);
    mtu.on_refused(1400, now);
    mtu.set_padding(true);
  }
  void probe(std::uint64_t number) {
    EXPECT_TRUE(mtu.welcomes_padding());
    EXPECT_EQ(mtu.padding_size(), 1400u);
    mtu.on_sent(number, 1400, {}, now);
    mtu.on_sent(number + 1, 60, {}, now);
    mtu.on_padding_sent(now);
    EXPECT_FALSE(mtu.welcomes_padding());
  }
};

TEST(PathMtu, AProbeThatTheSmallPacketBehindItOvertookCounts) {
  Testing testing;
  PathMtu& mtu = testing.mtu;
  testing.probe(10);
  mtu.on_ack(acknowledgement(11, 11), testing.now);
  EXPECT_EQ(mtu.proven(), 1200u);
  testing.probe(12);
  mtu.on_ack(acknowledgement(13, 13), testing.now);
  EXPECT_FALSE(mtu.welcomes_padding()) << "two of one size are enough";
  mtu.on_ack(acknowledgement(12, 13), testing.now);
  EXPECT_EQ(mtu.proven(), 1400u);
}

TEST(PathMtu, ARefusalTestsTheSizeThatIsNeededAndNoOther) {
  Testing testing;
  PathMtu& mtu = testing.mtu;
  EXPECT_EQ(mtu.datagram_packet_size(), 1200u) << "with padding nothing else is at risk";
  testing.probe(10);
  mtu.on_ack(acknowledgement(10, 11), testing.now);
  EXPECT_EQ(mtu.proven(), 1400u);
  EXPECT_FALSE(mtu.welcomes_padding());
  testing.now += 60s;
  mtu.on_refused(1473, testing.now);
  EXPECT_FALSE(mtu.welcomes_padding()) << "more than the limit";
  mtu.on_refused(1400, testing.now);
  EXPECT_FALSE(mtu.welcomes_padding()) << "fits meanwhile";
}

TEST(PathMtu, ASearchWithPaddingIsTrustedForFiveSeconds) {
  Testing testing;
  PathMtu& mtu = testing.mtu;
  testing.probe(10);
  mtu.on_ack(acknowledgement(10, 11), testing.now);
  testing.now += 4s;
  mtu.on_refused(1450, testing.now);
  EXPECT_FALSE(mtu.welcomes_padding());
  testing.now += 1s;
  mtu.on_refused(1450, testing.now);
  EXPECT_TRUE(mtu.welcomes_padding());
  EXPECT_EQ(mtu.padding_size(), 1450u);
}

/// The largest packet that passed each way in a while of transfers.
struct Measured : Pair {
  std::size_t largest_up = 0, largest_down = 0;
  Measured() {
    on_accept = [](test::TestApplication& application) { application.echo = true; };
  }
  void set_mtu(std::size_t mtu) { link.client.mtu = link.server.mtu = mtu; }
  bool transfer(std::size_t size = 400'000) {
    largest_up = largest_down = 0;
    link.client.filter = [this](Bytes datagram) {
      largest_up = std::max(largest_up, datagram.size());
      return true;
    };
    link.server.filter = [this](Bytes datagram) {
      largest_down = std::max(largest_down, datagram.size());
      return true;
    };
    const StreamId id = *client->open_bidirectional();
    client_application.send(id, std::string(size, 'x'), true);
    return simulation.run_until([&] { return client_application.streams[id].received_fin; });
  }
};

TEST(PathMtuOnALink, TheLimitIsReachedAfterOneRoundTrip) {
  Measured pair;
  ASSERT_TRUE(pair.establish());
  pair.simulation.run_for(25ms);
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1472u);
  pair.simulation.run_for(25ms);
  EXPECT_EQ(pair.server().stats().max_udp_payload, 1472u);
  ASSERT_TRUE(pair.transfer());
  EXPECT_EQ(pair.largest_up, 1472u);
  EXPECT_EQ(pair.largest_down, 1472u);
}

TEST(PathMtuOnALink, V6LeavesRoomForItsHeader) {
  Measured pair;
  test::LinkPair v6(pair.simulation, "[2001:db8::1]:1000", "[2001:db8::2]:443");
  pair.endpoint = std::make_unique<Endpoint>(pair.environment, v6.server, pair.server_options,
                                             [&](Connection& connection) {
                                               auto application = std::make_unique<test::TestApplication>();
                                               application->connection = &connection;
                                               return application;
                                             });
  pair.client = std::move(
      *Connection::connect(pair.environment, v6.client, pair.client_application, pair.client_options));
  pair.simulation.run_for(1s);
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1452u);
  pair.client.reset();
  pair.endpoint.reset();
}

TEST(PathMtuOnALink, NarrowLinkIsFoundToTheByteAndTold) {
  for (const std::size_t mtu : {1210u, 1252u, 1300u, 1399u, 1471u}) {
    Measured pair;
    pair.set_mtu(mtu);
    ASSERT_TRUE(pair.establish());
    ASSERT_TRUE(pair.transfer());  // meanwhile
    pair.simulation.run_for(30s);
    const std::size_t found = pair.client->stats().max_udp_payload;
    EXPECT_LE(found, mtu);
    EXPECT_EQ(found, mtu);
    EXPECT_EQ(pair.client->max_datagram_payload(), found - 31);
    EXPECT_EQ(pair.client_application.payload_sizes.back(), found - 31);
    ASSERT_TRUE(pair.transfer());
    EXPECT_LE(pair.largest_up, mtu);
    EXPECT_LE(pair.largest_down, mtu);
  }
}

TEST(PathMtuOnALink, StreamsDoNotSufferFromTheSearch) {
  Measured pair;
  pair.set_mtu(1300);
  ASSERT_TRUE(pair.establish());
  std::uint64_t too_large = 0;
  pair.link.client.filter = [&](Bytes datagram) {
    too_large += datagram.size() > 1300;
    return true;
  };
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, std::string(300'000, 'x'), true);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.streams[id].received_fin; }));
  EXPECT_LE(too_large, 9u);  // three probes a size
}

TEST(PathMtuOnALink, DatagramsOfFullSizePassRightAfterTheHandshake) {
  Pair pair;
  ASSERT_TRUE(pair.establish());
  const std::size_t largest = pair.client->max_datagram_payload();
  EXPECT_EQ(largest, 1472u - 31);
  ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(largest, 'd'))));
  ASSERT_TRUE(pair.simulation.run_until([&] { return !pair.server_application().datagrams.empty(); }, 12ms));
}

TEST(PathMtuOnALink, BlackHoleIsNoticedAndMeasured) {
  Measured pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer());
  ASSERT_EQ(pair.client->stats().max_udp_payload, 1472u);
  pair.set_mtu(1330);
  ASSERT_TRUE(pair.transfer());
  EXPECT_LE(pair.client->stats().max_udp_payload, 1330u);
  EXPECT_LE(pair.server().stats().max_udp_payload, 1330u);
  ASSERT_TRUE(pair.transfer(2'000'000));
  pair.simulation.run_for(10s);
  EXPECT_GT(pair.client->stats().max_udp_payload, 1300u);
  EXPECT_LE(pair.client->stats().max_udp_payload, 1330u);
  EXPECT_GT(pair.client_application.payload_sizes.size(), 1u);
  EXPECT_EQ(pair.client_application.payload_sizes.back(), pair.client->stats().max_udp_payload - 31);
}

TEST(PathMtuOnALink, LossAloneIsNoBlackHole) {
  Measured pair;
  ASSERT_TRUE(pair.establish());
  pair.link.client.loss = pair.link.server.loss = 0.1;
  ASSERT_TRUE(pair.transfer(500'000));
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1472u);
}

TEST(PathMtuOnALink, OutageIsNoBlackHole) {
  Measured pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer());
  pair.link.client.filter = pair.link.server.filter = [](Bytes) { return false; };
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, std::string(200'000, 'x'), true);
  pair.simulation.run_for(3s);
  pair.link.client.filter = pair.link.server.filter = nullptr;
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.streams[id].received_fin; }));
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1472u);
}

/// Carries tunnels: datagrams that the peer discards can be had on both sides.
struct Padded : Measured {
  static constexpr std::string_view padding = "discard";
  Padded() {
    client_application.padding = padding;
    on_accept = [](test::TestApplication& application) {
      application.echo = true;
      application.padding = padding;
    };
  }
  static std::size_t count_padding(const test::TestApplication& application) {
    return static_cast<std::size_t>(std::ranges::count_if(
        application.datagrams, [](const std::string& datagram) { return datagram.starts_with(padding); }));
  }
};

TEST(PathMtuOnALink, PaddingDatagramsMeasureAPathThatNarrowed) {
  Padded pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer());
  ASSERT_EQ(pair.client->stats().max_udp_payload, 1472u);
  EXPECT_EQ(Padded::count_padding(pair.server_application()), 0u) << "nothing was suspected";
  pair.set_mtu(1330);
  // A connection inside this one, which has next to nothing to send: one packet that is lost.
  ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(std::string(1400, 'd'))));
  pair.simulation.run_for(100ms);
  const std::string small = "a few bytes";
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(pair.client->send_datagram({}, as_bytes(small)));
  pair.simulation.run_for(3s);
  EXPECT_LE(pair.client->stats().max_udp_payload, 1330u);
  EXPECT_GE(pair.client->stats().max_udp_payload, 1327u);
  EXPECT_GT(Padded::count_padding(pair.server_application()), 2u);
  for (const std::string& datagram : pair.server_application().datagrams)
    EXPECT_TRUE(datagram == small || datagram.starts_with(Padded::padding));
}

/// Anybody may send through a tunnel what does not fit.
TEST(PathMtuOnALink, DatagramsThatDoNotFitCostFewProbes) {
  Padded pair;
  pair.set_mtu(1400);
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer());
  pair.simulation.run_for(3s);
  ASSERT_EQ(pair.client->stats().max_udp_payload, 1400u);
  std::size_t too_large = 0;
  pair.set_mtu(65'527);
  pair.link.client.filter = [&](Bytes datagram) {
    too_large += datagram.size() > 1400;
    return datagram.size() <= 1400;
  };
  for (int i = 0; i < 200; ++i) {
    pair.client->send_datagram({}, as_bytes(std::string(1410, 'd')));
    EXPECT_FALSE(pair.client->send_datagram({}, as_bytes(std::string(2000, 'd'))));
    pair.simulation.run_for(100ms);
  }
  EXPECT_GT(too_large, 0u) << "the search may have been misled";
  EXPECT_LE(too_large, 10u) << "two after 0, 1, 3, 7 and 15 seconds";
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1400u);
}

/// Loss that looks like a black hole, for a moment.
TEST(PathMtuOnALink, WhatWasProvenIsFoundAgain) {
  Padded pair;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer());
  pair.set_mtu(1471);
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, std::string(4'000'000, 'x'), true);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client->stats().max_udp_payload < 1472; }));
  pair.set_mtu(1472);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.streams[id].received_fin; }));
  pair.simulation.run_for(3s);
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1472u);
}

TEST(PathMtuOnALink, NoDatagramIsLostToASearchWithPadding) {
  Padded pair;
  pair.link.client.max_size = 1300;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer());
  // The path below promises more than it carries.
  pair.set_mtu(1400);
  pair.link.client.set_max_size(1472);
  pair.simulation.run_for(1ms);
  std::size_t sent = 0;
  for (int i = 0; i < 300; ++i) {
    if (pair.client->send_datagram({}, as_bytes(std::string(pair.client->max_datagram_payload(), 'd'))))
      ++sent;
    pair.simulation.run_for(10ms);
  }
  EXPECT_EQ(sent, 300u);
  EXPECT_EQ(pair.server_application().datagrams.size() - Padded::count_padding(pair.server_application()),
            sent);
  EXPECT_LE(pair.client->stats().max_udp_payload, 1400u);
  EXPECT_GE(pair.client->stats().max_udp_payload, 1397u);
}

/// So many packets in flight take packet numbers of two bytes, for which the padding has to be shorter.
TEST(PathMtuOnALink, PaddingLeavesAtOnceWhateverIsInFlight) {
  Padded pair;
  pair.link.client.max_size = 1300;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer(4'000'000));
  const std::uint64_t before = pair.link.client.sent;
  const StreamId id = *pair.client->open_bidirectional();
  pair.client_application.send(id, std::string(400'000, 'x'), true);
  pair.simulation.run_for(18ms);
  ASSERT_GT(pair.link.client.sent, before + 200);
  pair.largest_up = 0;
  pair.link.client.set_max_size(1472);
  pair.simulation.run_for(1ms);
  EXPECT_GT(pair.largest_up, 1300u);
  EXPECT_LE(pair.largest_up, 1472u);
  ASSERT_TRUE(pair.simulation.run_until([&] { return pair.client_application.streams[id].received_fin; }));
  pair.simulation.run_for(1s);
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1472u);
}

TEST(PathMtuOnALink, LossAloneIsNoBlackHoleWithPaddingEither) {
  Padded pair;
  ASSERT_TRUE(pair.establish());
  pair.link.client.loss = pair.link.server.loss = 0.1;
  ASSERT_TRUE(pair.transfer(500'000));
  pair.link.client.loss = pair.link.server.loss = 0;
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1472u);
  EXPECT_GT(Padded::count_padding(pair.server_application()), 0u);
}

TEST(PathMtuOnALink, APeerThatTakesSmallDatagramsOnlyGetsNoLargePadding) {
  Padded pair;
  pair.server_options.config.max_datagram_frame_size = 600;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer());
  pair.set_mtu(1330);
  ASSERT_TRUE(pair.transfer());
  EXPECT_LE(pair.client->stats().max_udp_payload, 1330u);
  EXPECT_EQ(Padded::count_padding(pair.server_application()), 0u);
}

TEST(PathMtuOnALink, FollowsThePathBelowDownAtOnceAndUpBySearch) {
  Measured pair;
  pair.link.client.max_size = 1400;
  ASSERT_TRUE(pair.establish());
  ASSERT_TRUE(pair.transfer());
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1400u);
  pair.link.client.set_max_size(1300);
  pair.simulation.run_for(1ms);
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1300u);
  EXPECT_EQ(pair.client->max_datagram_payload(), 1300u - 31);
  EXPECT_EQ(pair.client_application.payload_sizes.back(), 1300u - 31);
  ASSERT_TRUE(pair.transfer());
  EXPECT_LE(pair.largest_up, 1300u);
  pair.link.client.set_max_size(1450);
  pair.simulation.run_for(1ms);
  EXPECT_EQ(pair.client->max_datagram_payload(), 1450u - 31);
  ASSERT_TRUE(pair.transfer());
  EXPECT_EQ(pair.client->stats().max_udp_payload, 1450u);
}

}  // namespace
}  // namespace sallyport::quic
