// The parts that watch packets at the encryption boundary: packet numbers, frames, losses.
#include "quic/ack_watch.h"
#include "quic/packet_forge_for_test.h"
#include "quic/packet_number.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::frame;
using test::Octets;

TEST(PacketNumber, RestoresAsTheRfcsExample) {
  EXPECT_EQ(restore_packet_number(0xa82f30eb, 0x9b32, 2), 0xa82f9b32u);  // RFC 9000 Appendix A.3
}

TEST(PacketNumber, RestoresNearAWindowsEdges) {
  for (const std::uint64_t base : {std::uint64_t{0}, std::uint64_t{300}, std::uint64_t{1} << 40}) {
    for (std::uint64_t number = base; number < base + 1000; ++number) {
      EXPECT_EQ(restore_packet_number(number, number & 0xff, 1), number);
      EXPECT_EQ(restore_packet_number(number + 100, number & 0xff, 1), number);
      if (number > base + 100) {
        EXPECT_EQ(restore_packet_number(number - 100, number & 0xff, 1), number);
      }
    }
  }
}

AckRanges ranges(std::initializer_list<AckRanges::Range> list) {
  AckRanges ack;
  for (const AckRanges::Range& range : list) ack.ranges[ack.count++] = range;
  return ack;
}

ScannedFrames scan(const Octets& frames) {
  ScannedFrames result;
  scan_frames(frames, result);
  return result;
}

TEST(FrameReader, ReadsRangesNewestFirst) {
  const ScannedFrames result = scan(frame({0x02, 100, 7, 2, 10, 3, 4, 0, 0}));
  ASSERT_TRUE(result.has_ack);
  ASSERT_EQ(result.ack.count, 3u);
  EXPECT_EQ(result.ack.largest(), 100u);
  EXPECT_EQ(result.ack.ranges[0].first, 90u);
  EXPECT_EQ(result.ack.ranges[1].last, 85u);
  EXPECT_EQ(result.ack.ranges[1].first, 81u);
  EXPECT_EQ(result.ack.ranges[2].last, 79u);
  EXPECT_TRUE(result.ack.covers(83));
  EXPECT_FALSE(result.ack.covers(87));
  EXPECT_FALSE(result.ack.covers(78));
  EXPECT_FALSE(result.ack.covers(101));
}

TEST(FrameReader, FindsTheAckBehindAnyOtherFrame) {
  const Octets ack = frame({0x02, 5, 0, 0, 5});
  const auto with_bytes = [](Octets head, std::size_t count) {
    head.resize(head.size() + count, 0xff);  // of no frame's type
    return head;
  };
  for (const Octets& before : {Octets{0},
                               Octets{1},
                               frame({0x04, 1, 2, 3}),
                               with_bytes(frame({0x06, 9, 4}), 4),
                               with_bytes(frame({0x07, 3}), 3),
                               with_bytes(frame({0x0a, 4, 6}), 6),
                               with_bytes(frame({0x0f, 4, 6, 6}), 6),
                               frame({0x10, 5}),
                               frame({0x11, 5, 6}),
                               frame({0x12, 5}),
                               frame({0x13, 5}),
                               frame({0x14, 5}),
                               frame({0x15, 5, 6}),
                               frame({0x16, 5}),
                               frame({0x17, 5}),
                               with_bytes(frame({0x18, 1, 0, 8}), 24),
                               frame({0x19, 1}),
                               with_bytes(frame({0x1a}), 8),
                               with_bytes(frame({0x1b}), 8),
                               with_bytes(frame({0x1c, 10, 6, 5}), 5),
                               with_bytes(frame({0x1d, 10, 5}), 5),
                               Octets{0x1e},
                               with_bytes(frame({0x31, 70}), 70),
                               frame({0x05, 4, 9})}) {
    Octets frames = before;
    test::append(frames, ack);
    EXPECT_TRUE(scan(frames).has_ack) << int{before[0]};
  }
}

TEST(FrameReader, StopsAtWhatReachesToTheEnd) {
  Octets frames = frame({0x08, 4});
  test::append(frames, frame({0x02, 5, 0, 0, 5}));
  EXPECT_FALSE(scan(frames).has_ack);
  frames[0] = 0x30;
  EXPECT_FALSE(scan(frames).has_ack);
}

TEST(FrameReader, EveryCutIsHarmless) {
  Octets frames = frame({0x03, 100, 7, 2, 10, 3, 4, 0, 0, 1, 2, 3, 0x05, 4, 99});
  for (std::size_t size = 0; size < frames.size(); ++size) {
    const Octets cut(frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_TRUE(scan(cut).stops.empty());
  }
  const ScannedFrames whole = scan(frames);
  ASSERT_EQ(whole.stops.size(), 1u);
  EXPECT_EQ(whole.stops[0].stream_id, 4);
  EXPECT_EQ(whole.stops[0].code, 99u);
}

TEST(FrameReader, RefusesRangesBelowZero) {
  EXPECT_FALSE(scan(frame({0x02, 5, 0, 0, 6})).has_ack);
  EXPECT_FALSE(scan(frame({0x02, 5, 0, 1, 1, 3, 0})).has_ack);
  EXPECT_FALSE(scan(frame({0x02, 5, 0, 1, 1, 0, 9})).has_ack);
}

TEST(FrameReader, KeepsTheNewestOfManyRanges) {
  Octets frames = frame({0x02, 1000, 0, 100, 0});
  for (int i = 0; i < 100; ++i) test::append(frames, frame({0, 0}));
  test::append(frames, frame({0x05, 4, 9}));
  const ScannedFrames result = scan(frames);
  ASSERT_TRUE(result.has_ack);
  EXPECT_TRUE(result.ack.cut);
  EXPECT_EQ(result.ack.count, AckRanges::capacity);
  EXPECT_EQ(result.stops.size(), 1u);
}

TEST(FrameReader, KnowsWhatIsToBeAcknowledged) {
  const Octets ack = frame({0x02, 100, 7, 1, 10, 3, 4}), ack_ecn = frame({0x03, 100, 7, 0, 10, 1, 2, 3});
  for (const Octets& only : {Octets{}, Octets{0, 0, 0}, ack, ack_ecn}) {
    EXPECT_FALSE(is_ack_eliciting(only));
    for (const std::uint8_t type : {0x01, 0x06, 0x08, 0x1a, 0x1e, 0x30}) {
      Octets more = only;
      more.push_back(type);
      EXPECT_TRUE(is_ack_eliciting(more)) << int{type};
    }
    for (const std::uint8_t type : {0x1c, 0x1d}) {
      Octets more = only;
      more.push_back(type);
      EXPECT_FALSE(is_ack_eliciting(more)) << int{type};
    }
  }
  EXPECT_FALSE(is_ack_eliciting(Octets{0x02, 100})) << "cut";
}

TEST(FrameReader, KnowsAPathSizeProbe) {
  EXPECT_TRUE(is_path_size_probe(Octets{1, 0, 0, 0}));
  EXPECT_FALSE(is_path_size_probe(Octets{1}));
  EXPECT_FALSE(is_path_size_probe(Octets{1, 0, 1, 0}));
  EXPECT_FALSE(is_path_size_probe(Octets{0, 0, 0}));
}

struct Watched {
  AckWatch watch;
  std::vector<std::uint64_t> lost;
  explicit Watched(std::uint64_t sent) {
    for (std::uint64_t number = 0; number < sent; ++number) watch.on_sent(number);
  }
  void ack(std::initializer_list<AckRanges::Range> list) {
    watch.on_ack(ranges(list), [this](std::uint64_t number) { lost.push_back(number); });
  }
};
using Numbers = std::vector<std::uint64_t>;

TEST(AckWatch, ThreePacketsLaterIsLost) {
  Watched watched(20);
  watched.ack({{0, 4}});
  watched.ack({{6, 7}, {0, 4}});
  EXPECT_TRUE(watched.lost.empty());
  watched.ack({{6, 8}, {0, 4}});
  EXPECT_EQ(watched.lost, Numbers{5});
  watched.ack({{6, 12}, {0, 4}});
  EXPECT_EQ(watched.lost, Numbers{5});
  EXPECT_EQ(watched.watch.lost(), 1u);
}

TEST(AckWatch, RemembersWhatThePeerNoLongerRepeats) {
  Watched watched(30);
  watched.ack({{0, 9}});
  watched.ack({{10, 20}});
  EXPECT_TRUE(watched.lost.empty());
}

TEST(AckWatch, OvertakenByTwoIsNotLost) {
  Watched watched(30);
  watched.ack({{2, 3}});
  watched.ack({{0, 3}});
  watched.ack({{4, 10}});
  EXPECT_EQ(watched.lost, Numbers{0});  // overtaken by three
}

TEST(AckWatch, AnOlderAcknowledgementTakesNothingBack) {
  Watched watched(30);
  watched.ack({{0, 9}});
  watched.ack({{0, 5}});
  watched.ack({{10, 20}});
  EXPECT_TRUE(watched.lost.empty());
}

TEST(AckWatch, ClaimsAboutTheFutureAreNotBelieved) {
  Watched watched(5);
  watched.ack({{varint_max, varint_max}});
  EXPECT_TRUE(watched.lost.empty());
  watched.ack({{4, 4}});
  EXPECT_EQ(watched.lost, (Numbers{0, 1}));
}

}  // namespace
}  // namespace sallyport::quic
