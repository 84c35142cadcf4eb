#include "http/h2_frame_watch.h"

#include "http/h2_frames_for_test.h"
#include "http/h2_window.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

std::uint32_t count(std::string_view bytes, std::size_t piece) {
  H2FrameWatch watch(true);
  std::uint32_t costly = 0;
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    costly += watch.feed(as_bytes(bytes.substr(at, piece)));
  return costly;
}

TEST(H2FrameWatch, SeesStreamsThatWerePassedOver) {
  const auto wrong = [](const std::vector<std::uint32_t>& streams, bool of_client = true) {
    H2FrameWatch watch(of_client);
    watch.feed(as_bytes(of_client ? h2_preface.substr(0, 24) : ""));
    for (const std::uint32_t stream : streams) watch.feed(as_bytes(h2_frame(h2_headers, 0, stream)));
    return watch.saw_wrong_stream();
  };
  EXPECT_FALSE(wrong({1, 3, 5, 3, 1, 5}));  // trailers
  EXPECT_FALSE(wrong({5, 11, 13, 5, 11, 13}));
  EXPECT_TRUE(wrong({5, 3}));
  EXPECT_TRUE(wrong({3, 1}));
  EXPECT_TRUE(wrong({1, 3, 9, 11, 7}));
  EXPECT_TRUE(wrong({1, 5, 9, 13, 21, 3}));
  EXPECT_TRUE(wrong({1, 5, 9, 13, 21, 11}));
  EXPECT_FALSE(wrong({1, 5, 9, 13, 21, 9, 5}));
  EXPECT_FALSE(wrong({1, 5, 3}, false));  // answers come in any order
}

TEST(H2FrameWatch, CountsWhatCostsWithoutSaying) {
  const std::string free = h2_preface.substr(0, 24) + h2_frame(h2_settings, ack, 0) + h2_get(1) +
                           h2_frame(h2_data, 0, 1, "x") + h2_frame(h2_data, end_stream, 1) +
                           h2_frame(h2_ping, ack, 0, "12345678") + h2_frame(h2_window_update, 0, 0, be32(1)) +
                           h2_frame(h2_data, padded, 1, std::string("\3x\0\0\0", 5)) +
                           h2_frame(h2_goaway, 0, 0, be32(1) + be32(0));
  const std::string costly = h2_frame(h2_settings, 0, 0) + h2_frame(h2_ping, 0, 0, "12345678") +
                             h2_frame(h2_rst_stream, 0, 1, be32(8)) + h2_frame(h2_data, 0, 1) +
                             h2_frame(h2_data, padded, 1, std::string("\3\0\0\0", 4)) +
                             h2_frame(h2_data, padded, 1) +  // not even a pad length
                             h2_frame(h2_priority, 0, 1, "12345") +
                             h2_frame(h2_priority_update, 0, 0, be32(1)) + h2_frame(0xfe, 0, 0, "x") +
                             h2_frame(h2_continuation, 0, 1, "x");
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{10'000}}) {
    EXPECT_EQ(count(free, piece), 0u) << piece;
    // The PINGs are paid for by the DATA.
    EXPECT_EQ(count(free + costly + free.substr(24) + costly, piece), 18u) << piece;
    EXPECT_EQ(count(h2_preface.substr(0, 24) + costly + costly, piece), 20u) << piece;
  }
}

TEST(H2FrameWatch, ServersMayReset) {
  H2FrameWatch watch(false);
  EXPECT_EQ(watch.feed(as_bytes(h2_frame(h2_rst_stream, 0, 1, be32(8)))), 0u);
  EXPECT_EQ(watch.feed(as_bytes(h2_frame(h2_settings, 0, 0))), 1u);
}

TEST(ReceiveWindow, DoublesWhileItIsEmptiedWithinTwoRoundTrips) {
  quic::ReceiveWindow window(1000, 3000);
  const Time start{};
  EXPECT_FALSE(window.consumed(600, start, 100ms));
  EXPECT_TRUE(window.consumed(600, start + 150ms, 100ms));
  EXPECT_EQ(window.size(), 2000u);
  EXPECT_FALSE(window.consumed(1000, start + 200ms, 100ms));
  EXPECT_FALSE(window.consumed(1000, start + 500ms, 100ms)) << "too slow to be held back by it";
  EXPECT_EQ(window.size(), 2000);
  EXPECT_TRUE(window.consumed(2000, start + 600ms, 100ms));
  EXPECT_EQ(window.size(), 3000);
  EXPECT_FALSE(window.consumed(3000, start + 600ms, 100ms));
}

}  // namespace
}  // namespace sallyport::http::test
