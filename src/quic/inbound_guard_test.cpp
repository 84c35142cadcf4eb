#include "quic/inbound_guard.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

ScannedFrames new_id(std::uint64_t sequence, std::uint64_t retire_prior_to = 0) {
  ScannedFrames frames;
  frames.new_ids.push_back({sequence, retire_prior_to});
  return frames;
}

AckRanges ack_of(std::uint64_t number) {
  AckRanges ack;
  ack.ranges[0] = {number, number};
  ack.count = 1;
  return ack;
}

/// A server's, whose peer shows IDs and gets RETIRE_CONNECTION_ID for them.
struct Peer {
  InboundGuard guard{true};
  std::uint64_t received = 0, sent = 0;

  bool shows(std::uint64_t sequence) { return guard.admits(received++, new_id(sequence)); }
  /// Returns the number of the packet that carries it.
  std::uint64_t is_told_to_retire(std::uint64_t sequence) {
    ScannedFrames frames;
    frames.retired_ids.push_back(sequence);
    if (guard.follows_retirements()) guard.on_sent(sent, frames);
    return sent++;
  }
  void acknowledges(std::uint64_t number) { guard.on_ack(ack_of(number)); }
};

TEST(InboundGuard, IdsThatAreNeverAcknowledgedAsRetiredAreBounded) {
  Peer peer;
  for (std::uint64_t i = 1; i < InboundGuard::max_outstanding_ids; ++i) EXPECT_TRUE(peer.shows(i)) << i;
  EXPECT_FALSE(peer.shows(InboundGuard::max_outstanding_ids));
  ASSERT_TRUE(peer.guard.violation());
  EXPECT_EQ(peer.guard.violation()->code, 0x09u);
  EXPECT_FALSE(peer.guard.admits(99, {}));  // nothing more
}

TEST(InboundGuard, APeerThatMovesAndAcknowledgesMayGoOnForEver) {
  Peer peer;
  for (std::uint64_t i = 1; i < 4; ++i) ASSERT_TRUE(peer.shows(i));
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    peer.guard.on_other_path();
    const auto number = peer.is_told_to_retire(i);
    ASSERT_TRUE(peer.shows(i + 4)) << i;
    // Lost every third time, and told again.
    peer.acknowledges(i % 3 == 0 ? peer.is_told_to_retire(i) : number);
  }
  EXPECT_FALSE(peer.guard.follows_retirements());
}

TEST(InboundGuard, OnlyTheNewestCopyOfARetirementCounts) {
  Peer peer;
  peer.guard.on_other_path();
  for (std::uint64_t i = 1; i < InboundGuard::max_outstanding_ids; ++i) {
    ASSERT_TRUE(peer.shows(i));
    const auto old = peer.is_told_to_retire(i - 1);
    peer.is_told_to_retire(i - 1);
    peer.acknowledges(old);
  }
  EXPECT_FALSE(peer.shows(InboundGuard::max_outstanding_ids));
}

TEST(InboundGuard, RepetitionsAndReorderingCostNothing) {
  Peer peer;
  for (int round = 0; round < 10; ++round)
    for (const std::uint64_t sequence : {3u, 1u, 2u, 3u, 1u}) EXPECT_TRUE(peer.shows(sequence));
  for (std::uint64_t i = 15; i > 3; --i) EXPECT_TRUE(peer.shows(i)) << i;
  EXPECT_FALSE(peer.guard.violation());
  // Far behind the newest, it is counted again.
  EXPECT_FALSE(peer.shows(1'000));
}

TEST(InboundGuard, AClientIsKeptFromWhatComesBeforeItsFinished) {
  InboundGuard guard(false);
  ScannedFrames done;
  done.handshake_done = true;
  EXPECT_FALSE(guard.admits(0, done));
  EXPECT_FALSE(guard.admits(1, new_id(1, 1)));
  EXPECT_TRUE(guard.admits(2, new_id(1)));
  guard.on_handshake_left();
  EXPECT_FALSE(guard.admits(3, done));
  EXPECT_TRUE(guard.admits(4, new_id(2, 1)));
  guard.on_handshake_packet_sent();
  EXPECT_TRUE(guard.admits(5, done));
  EXPECT_FALSE(guard.violation());
}

TEST(InboundGuard, PacketNumbersAtTheEnd) {
  InboundGuard guard(true);
  EXPECT_TRUE(guard.admits(InboundGuard::max_packet_number - 1, {}));
  EXPECT_FALSE(guard.admits(InboundGuard::max_packet_number, {}));
  ASSERT_TRUE(guard.violation());
  EXPECT_EQ(guard.violation()->code, 0x0au);
}

}  // namespace
}  // namespace sallyport::quic
