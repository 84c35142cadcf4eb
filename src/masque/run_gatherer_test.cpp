#include "masque/run_gatherer.h"

#include "masque/doubles_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

class RunGathererTest : public testing::Test {
 protected:
  void add(RunGatherer::Lane& to, std::string_view payload) { gatherer.add(to, path, as_bytes(payload)); }

  net::Timers timers{Time{1000s}};
  RunGatherer::Drops drops;
  RunGatherer gatherer{timers, drops};
  PathRecord record;
  PathForTest path{record};
  RunGatherer::Lane lane;
};

TEST_F(RunGathererTest, ATurnsPayloadsLeaveAsOneRun) {
  for (const auto* payload : {"aaa", "bbb", "ccc"}) add(lane, payload);
  EXPECT_TRUE(record.runs.empty());
  timers.run_deferred();
  ASSERT_EQ(record.runs.size(), 1u);
  EXPECT_EQ(record.runs[0].bytes, "aaabbbccc");
  EXPECT_EQ(record.runs[0].segment_size, 3u);
  add(lane, "dd");
  timers.run_deferred();
  ASSERT_EQ(record.runs.size(), 2u);
  EXPECT_EQ(record.runs[1].bytes, "dd");
}

TEST_F(RunGathererTest, AShorterOneEndsARunAndALongerOneBeginsOne) {
  for (const auto* payload : {"aaa", "b", "c", "dddd"}) add(lane, payload);
  timers.run_deferred();
  ASSERT_EQ(record.runs.size(), 3u);
  EXPECT_EQ(record.runs[0].bytes, "aaab");
  EXPECT_EQ(record.runs[0].segment_size, 3u);
  EXPECT_EQ(record.runs[1].bytes, "c");
  EXPECT_EQ(record.runs[2].bytes, "dddd");
}

TEST_F(RunGathererTest, RunsStayWithinWhatOneSystemCallTakes) {
  const std::string large(1350, 'x');
  for (int i = 0; i < 50; ++i) add(lane, large);
  for (int i = 0; i < 70; ++i) add(lane, "s");
  timers.run_deferred();
  std::size_t datagrams = 0;
  for (const auto& run : record.runs) {
    EXPECT_LE(run.bytes.size(), 65'487u);
    const std::size_t count = (run.bytes.size() + run.segment_size - 1) / run.segment_size;
    EXPECT_LE(count, 64u);
    datagrams += count;
  }
  EXPECT_EQ(datagrams, 120u);
  EXPECT_EQ(record.runs.size(), 4u);  // 48 large; 2 large and one small; 64 small; 5 small
}

TEST_F(RunGathererTest, TheLargestPayloadFits) {
  add(lane, std::string(65527, 'x'));
  add(lane, "y");
  timers.run_deferred();
  ASSERT_EQ(record.runs.size(), 2u);
  EXPECT_EQ(record.runs[0].bytes.size(), 65527u);
}

TEST_F(RunGathererTest, EmptyPayloadsKeepTheirPlace) {
  for (const auto* payload : {"a", "", "b"}) add(lane, payload);
  timers.run_deferred();
  ASSERT_EQ(record.runs.size(), 3u);
  EXPECT_EQ(record.runs[0].bytes, "a");
  EXPECT_EQ(record.runs[1].bytes, "");
  EXPECT_EQ(record.runs[2].bytes, "b");
}

TEST_F(RunGathererTest, ManyLanesSendTheOldestEarly) {
  std::vector<RunGatherer::Lane> lanes(20);
  for (std::size_t i = 0; i < lanes.size(); ++i) add(lanes[i], std::string(1, static_cast<char>('a' + i)));
  EXPECT_EQ(record.runs.size(), 4u);
  timers.run_deferred();
  ASSERT_EQ(record.runs.size(), 20u);
  for (std::size_t i = 0; i < lanes.size(); ++i)
    EXPECT_EQ(record.runs[i].bytes, std::string(1, static_cast<char>('a' + i)));
}

TEST_F(RunGathererTest, FlushSendsWhatWaits) {
  add(lane, "aaa");
  gatherer.flush(lane);
  EXPECT_EQ(record.runs.size(), 1u);
  gatherer.flush(lane);
  timers.run_deferred();
  EXPECT_EQ(record.runs.size(), 1u);
}

TEST_F(RunGathererTest, CountsWhatThePathDidNotTake) {
  record.answer = net::SendStatus::dropped;
  for (const auto* payload : {"aaa", "bbb", ""}) add(lane, payload);
  timers.run_deferred();
  EXPECT_EQ(drops.queue, 3u);
  record.answer = net::SendStatus::too_large;
  add(lane, "aaa");
  timers.run_deferred();
  EXPECT_EQ(drops.size, 1u);
}

}  // namespace
}  // namespace sallyport::masque
