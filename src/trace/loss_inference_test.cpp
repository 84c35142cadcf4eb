#include "trace/loss_inference.h"

#include <vector>

#include <gtest/gtest.h>

namespace sallyport::trace {
namespace {

constexpr auto one_rtt = PacketType::one_rtt;

class LossInferenceTest : public ::testing::Test {
 protected:
  auto found() {
    return [this](const LossInference::Lost& lost) {
      (lost.by_time ? by_time_ : by_number_).push_back(lost.number);
    };
  }
  void send(std::uint64_t first, std::uint64_t last, bool eliciting = true) {
    for (std::uint64_t number = first; number <= last; ++number)
      losses_.on_sent(now_, one_rtt, number, eliciting, false);
  }
  void ack(std::uint64_t low, std::uint64_t high) {
    losses_.on_acked(one_rtt, low, high);
    losses_.on_ack_end(now_, one_rtt, found());
  }
  void advance() { losses_.advance(now_, found()); }
  using Numbers = std::vector<std::uint64_t>;
  LossInference losses_;
  Time now_{1s};
  Numbers by_number_, by_time_;
};

TEST_F(LossInferenceTest, ThreePacketsBehindIsLost) {
  send(0, 9);
  now_ += 50ms;
  ack(2, 4);
  EXPECT_EQ(by_number_, (Numbers{0, 1}));
  EXPECT_TRUE(by_time_.empty());
}

TEST_F(LossInferenceTest, TwoPacketsBehindWaitsForTime) {
  send(0, 2);
  now_ += 80ms;
  ack(2, 2);
  EXPECT_TRUE(by_number_.empty());
  now_ += 9ms;  // 89 ms after sending: less than 9/8 of the RTT
  advance();
  EXPECT_TRUE(by_time_.empty());
  now_ += 2ms;
  advance();
  EXPECT_EQ(by_time_, (Numbers{0, 1}));
}

TEST_F(LossInferenceTest, OnceAcknowledgedNeverLost) {
  send(0, 9);
  now_ += 50ms;
  ack(0, 4);
  ack(5, 9);
  now_ += 10s;
  advance();
  EXPECT_TRUE(by_number_.empty());
  EXPECT_TRUE(by_time_.empty());
}

TEST_F(LossInferenceTest, LostOnceOnly) {
  send(0, 9);
  now_ += 50ms;
  ack(5, 5);
  ack(5, 9);
  now_ += 1s;
  advance();
  EXPECT_EQ(by_number_, (Numbers{0, 1, 2, 3, 4}));
  EXPECT_TRUE(by_time_.empty());
}

TEST_F(LossInferenceTest, PacketsThatNeedNoAckAreNotWatched) {
  send(0, 0, false);
  send(1, 5);
  now_ += 50ms;
  ack(1, 5);
  EXPECT_TRUE(by_number_.empty());
}

TEST_F(LossInferenceTest, SpacesAreApart) {
  losses_.on_sent(now_, PacketType::initial, 0, true, false);
  losses_.on_sent(now_, PacketType::handshake, 0, true, false);
  send(0, 9);
  now_ += 50ms;
  ack(5, 9);
  EXPECT_EQ(by_number_, (Numbers{0, 1, 2, 3, 4}));
  losses_.forget(PacketType::handshake);
  losses_.on_acked(PacketType::handshake, 0, 0);
  losses_.on_ack_end(now_, PacketType::handshake, found());
  EXPECT_EQ(by_number_.size(), 5u);
}

TEST_F(LossInferenceTest, ZeroRttSharesTheApplicationSpace) {
  losses_.on_sent(now_, PacketType::zero_rtt, 0, true, false);
  send(1, 4);
  now_ += 50ms;
  std::vector<PacketType> types;
  losses_.on_acked(one_rtt, 1, 4);
  losses_.on_ack_end(now_, one_rtt, [&](const LossInference::Lost& lost) { types.push_back(lost.type); });
  EXPECT_EQ(types, std::vector{PacketType::zero_rtt});
}

TEST_F(LossInferenceTest, AnAckOfWhatWasNeverSentJudgesNothing) {
  send(0, 3);
  now_ += 50ms;
  ack(1000, 2000);
  EXPECT_TRUE(by_number_.empty());
  ack(0, ~std::uint64_t{0});
  EXPECT_TRUE(by_number_.empty());
}

TEST_F(LossInferenceTest, AReportIsNewsOnceAndOnlyOfWhatWasWatched) {
  send(0, 9);
  now_ += 50ms;
  ack(5, 5);
  EXPECT_FALSE(losses_.on_reported(one_rtt, 1)) << "inferred already";
  EXPECT_FALSE(losses_.on_reported(one_rtt, 5)) << "acknowledged";
  EXPECT_FALSE(losses_.on_reported(one_rtt, 77)) << "never sent";
  EXPECT_TRUE(losses_.on_reported(one_rtt, 4));
  EXPECT_FALSE(losses_.on_reported(one_rtt, 4));
  ack(8, 8);
  EXPECT_EQ(by_number_, (Numbers{0, 1, 2, 3}));
}

// A download's trace that lacked ACKs told of ten thousands of losses that the connection knew nothing of.
TEST_F(LossInferenceTest, WhatWasSentBeforeAGapMayHaveBeenAcknowledgedInIt) {
  send(0, 9);
  now_ += 50ms;
  ack(0, 2);
  losses_.on_gap();
  send(20, 29);
  now_ += 50ms;
  ack(25, 29);
  EXPECT_EQ(by_number_, (Numbers{20, 21, 22, 23, 24})) << "sent after it";
  send(30, 31);
  now_ += 10s;
  ack(31, 31);
  advance();
  EXPECT_TRUE(by_time_.empty()) << "the round-trip time may have changed in it";
}

TEST_F(LossInferenceTest, OfWhatWasSentBeforeAGapReportsAreBelieved) {
  send(0, 9);
  losses_.on_sent(now_, one_rtt, 10, true, true);
  now_ += 50ms;
  ack(5, 5);
  ASSERT_EQ(by_number_, (Numbers{0, 1, 2}));
  losses_.on_gap();
  ack(13, 13);  // of one that was sent in the gap
  EXPECT_FALSE(losses_.on_reported(one_rtt, 2)) << "inferred before it";
  EXPECT_TRUE(losses_.on_reported(one_rtt, 4));
  const auto probe = losses_.on_reported(one_rtt, 10);
  ASSERT_TRUE(probe);
  EXPECT_TRUE(probe->probe);
  send(20, 29);
  ack(20, 29);
  send(30, 30);
  EXPECT_FALSE(losses_.on_reported(one_rtt, 6)) << "forgotten: its report would have come with the ACK frame";
  EXPECT_EQ(by_number_, (Numbers{0, 1, 2}));
}

TEST_F(LossInferenceTest, ForgetsTheOldestBeyondItsBound) {
  send(0, LossInference::max_tracked + 9);
  now_ += 50ms;
  ack(LossInference::max_tracked + 9, LossInference::max_tracked + 9);
  ASSERT_EQ(by_number_.size(), LossInference::max_tracked - 3);
  EXPECT_EQ(by_number_.front(), 10u);
}

}  // namespace
}  // namespace sallyport::trace
