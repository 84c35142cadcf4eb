// What trace writes, read back by inspect.
#include "base/hex.h"
#include "inspect/summary.h"
#include "trace/packet_for_test.h"
#include "trace/qlog.h"
#include "trace/test_folder.h"

#include <algorithm>

namespace sallyport::inspect {
namespace {

using namespace trace;
using trace::test::one_rtt;
using Buffer = std::vector<std::uint8_t>;

Buffer bytes(std::string_view hex) {
  return from_hex(hex).value();
}

const Buffer odcid = bytes("0102030405060708");
constexpr Time start{5s};

TEST(Summary, ReadsWhatQlogWrote) {
  const trace::test::Folder folder;
  Buffer request = bytes("0a004014");
  request.resize(request.size() + 20);
  const Buffer header = bytes("400102030405");
  {
    const auto made = trace::make_qlog_factory({.folder = folder.path()});
    ASSERT_TRUE(made) << made.error().message;
    const auto log = (*made)->start(start, {Vantage::client, odcid, "origin"});
    log->packet(start, Direction::sent,
                {.type = PacketType::initial, .header = {}, .frames = bytes("01"), .size = 1200});
    log->state(start + 40ms, "handshake_complete");
    log->packet(start + 41ms, Direction::sent, one_rtt(0, header, request));
    log->http_frame(start + 41ms, Direction::sent,
                    {.kind = HttpFrameKind::headers, .stream_id = 0, .length = 20});
    // 100 packets of 1,000 bytes, one a millisecond; the last one repeats the one before.
    for (std::uint64_t i = 0; i < 101; ++i) {
      Buffer frames = bytes("0c00");
      const std::uint64_t offset = 1000 * std::min<std::uint64_t>(i, 99);
      for (const unsigned shift : {24, 16, 8, 0})
        frames.push_back(static_cast<std::uint8_t>(offset >> shift));
      frames[2] |= 0x80;
      frames.resize(frames.size() + 1000);
      log->packet(start + 81ms + std::chrono::milliseconds(i), Direction::received,
                  one_rtt(i, header, frames));
    }
    log->http_frame(start + 81ms, Direction::received,
                    {.kind = HttpFrameKind::headers, .stream_id = 0, .length = 9});
    for (const int rtt : {40, 42, 41})
      log->metrics(start + 100ms,
                   {.latest_rtt = std::chrono::milliseconds(rtt), .congestion_window = 10'000});
    log->metrics(start + 141ms, {.latest_rtt = 41ms, .congestion_window = 20'000});
  }
  const auto summaries = summarize_qlog(folder.files().at(0));
  ASSERT_TRUE(summaries) << summaries.error().message;
  ASSERT_EQ(summaries->size(), 1u);
  const TraceSummary& summary = summaries->front();
  EXPECT_EQ(summary.vantage, "client");
  EXPECT_EQ(summary.title, "origin");
  EXPECT_EQ(summary.connection_id, "0102030405060708");
  EXPECT_DOUBLE_EQ(summary.duration, 181);
  EXPECT_EQ(summary.sent.packets, 2u);
  EXPECT_EQ(summary.sent.bytes, 1200 + header.size() + request.size() + 16);
  EXPECT_EQ(summary.received.packets, 101u);
  EXPECT_EQ(summary.received.stream_bytes, 100'000u) << "the retransmission counts once";
  EXPECT_DOUBLE_EQ(summary.received.goodput.value(), 8.0);  // 100,000 bytes in 100 ms
  EXPECT_DOUBLE_EQ(summary.handshake.value(), 40);
  EXPECT_DOUBLE_EQ(summary.quic_ttfb.value(), 81);
  EXPECT_DOUBLE_EQ(summary.http_ttfb.value(), 40);
  EXPECT_EQ(summary.requests, 1u);
  ASSERT_TRUE(summary.rtt);
  EXPECT_EQ(summary.rtt->samples, 3u);
  EXPECT_DOUBLE_EQ(summary.rtt->min, 40);
  EXPECT_DOUBLE_EQ(summary.rtt->mean, 41);
  EXPECT_DOUBLE_EQ(summary.rtt->p99, 42);
  EXPECT_DOUBLE_EQ(summary.rtt->jitter, 1.5);
  ASSERT_TRUE(summary.congestion_window);
  EXPECT_EQ(summary.congestion_window->last, 20'000u);
  EXPECT_DOUBLE_EQ(summary.congestion_window->mean, (41 * 10'000.0 + 40 * 20'000.0) / 81);
  EXPECT_EQ(summary.events_missing, 0u);
}

TEST(Summary, CountsTheLossesThatQlogWrote) {
  const trace::test::Folder folder;
  {
    const auto made = trace::make_qlog_factory({.folder = folder.path()});
    ASSERT_TRUE(made) << made.error().message;
    const auto log = (*made)->start(start, {Vantage::server, odcid, ""});
    const Buffer header = bytes("400102030405"), ping = bytes("01");
    for (std::uint64_t i = 0; i < 10; ++i) log->packet(start, Direction::sent, one_rtt(i, header, ping));
    log->packet_lost(start + 50ms, PacketType::one_rtt, 4);
  }
  const auto summaries = summarize_qlog(folder.files().at(0));
  ASSERT_TRUE(summaries) << summaries.error().message;
  EXPECT_EQ(summaries->front().packets_lost, 1u);
  EXPECT_DOUBLE_EQ(summaries->front().loss_percent, 10);
}

/// A ring of 4 KiB drops some of so much.
TEST(Summary, CountsTheEventsThatQlogDropped) {
  const trace::test::Folder folder;
  const std::uint64_t before = qlog_events_dropped();
  {
    const auto made = trace::make_qlog_factory({.folder = folder.path(), .ring_bytes = 4096});
    ASSERT_TRUE(made) << made.error().message;
    const auto log = (*made)->start(start, {Vantage::client, odcid, ""});
    const Buffer header = bytes("400102030405"), ping = bytes("01");
    for (std::uint64_t i = 0; i < 20'000; ++i)
      log->packet(start + std::chrono::microseconds(i), Direction::sent, one_rtt(i, header, ping));
  }
  const std::uint64_t dropped = qlog_events_dropped() - before;
  ASSERT_GT(dropped, 0u);
  const auto summaries = summarize_qlog(folder.files().at(0));
  ASSERT_TRUE(summaries) << summaries.error().message;
  EXPECT_EQ(summaries->front().events_missing, dropped);
  const std::string table = summaries_as_table(*summaries);
  for (const char* counted : {"sent, packets", "sent, throughput", "lost", "requests"}) {
    const std::size_t row = table.find(std::string("\n") + counted + ' ');
    ASSERT_NE(row, table.npos) << counted;
    EXPECT_EQ(table[table.find('\n', row + 1) - 1], '*') << counted << " in\n" << table;
  }
  EXPECT_NE(table.find("\n* from the recorded events alone"), table.npos) << table;
}

}  // namespace
}  // namespace sallyport::inspect
