// HTTP/3 against a peer that costs more than it should: sections that wait for QPACK, floods, slow readers
// and writers (docs/threat-model.md, "blocked stream", "header bomb", "frame flood" and "slow peer"). A
// test's peer says raw bytes on QUIC streams of its own.
#include "http/h3_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::code;
using test::data_frame;
using test::frame;
using test::headers;
using test::Lines;
using test::RawClient;
using test::RecordingExchange;
using test::request_lines;
using test::varint;

// QPACK's dynamic table: sections that come before what they refer to

TEST(H3BadInput, BlockedSectionWaitsForTheEncoderStream) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange& handler) {
    static_cast<void>(exchange);
    handler.then_end = [](Exchange& e) { e.respond({.status = 200}, true); };
  };
  ASSERT_TRUE(pair.meet());
  nghttp3_qpack_encoder* encoder = nullptr;
  ASSERT_EQ(nghttp3_qpack_encoder_new(&encoder, 4096, nghttp3_mem_default()), 0);
  nghttp3_qpack_encoder_set_max_dtable_capacity(encoder, 4096);
  nghttp3_qpack_encoder_set_max_blocked_streams(encoder, 100);
  nghttp3_buf prefix{}, lines{}, instructions{};
  std::vector<nghttp3_nv> fields;
  const Lines said = request_lines({{"user-agent", "a test of tables"}});
  for (const auto& [name, value] : said)
    fields.push_back({reinterpret_cast<const std::uint8_t*>(name.data()),
                      reinterpret_cast<const std::uint8_t*>(value.data()), name.size(), value.size(),
                      NGHTTP3_NV_FLAG_TRY_INDEX});
  ASSERT_EQ(
      nghttp3_qpack_encoder_encode(encoder, &prefix, &lines, &instructions, 0, fields.data(), fields.size()),
      0);
  std::string section(prefix.pos, prefix.last);
  section.append(lines.pos, lines.last);
  const std::string table(instructions.pos, instructions.last);
  ASSERT_FALSE(table.empty());

  const auto id = pair.say(frame(H3Frame::headers, section) + data_frame("behind"), true);
  pair.run_for(200ms);
  EXPECT_EQ(pair.requests.requests.size(), 0u);
  pair.say_uni(varint(2) + table);
  pair.run_for(200ms);
  ASSERT_EQ(pair.requests.requests.size(), 1u);
  EXPECT_EQ(pair.requests.last().request.fields.find("user-agent"), "a test of tables");
  EXPECT_EQ(pair.requests.last().handler.body, "behind");
  EXPECT_TRUE(pair.raw.streams[id].received_fin);
  // The acknowledgement went back on a decoder stream: its type, then "section acknowledgement of stream 0".
  bool acknowledged = false;
  for (const auto& [stream, state] : pair.raw.streams)
    acknowledged |= state.received.starts_with(varint(3) + "\x80");
  EXPECT_TRUE(acknowledged);
  nghttp3_buf_free(&prefix, nghttp3_mem_default());
  nghttp3_buf_free(&lines, nghttp3_mem_default());
  nghttp3_buf_free(&instructions, nghttp3_mem_default());
  nghttp3_qpack_encoder_del(encoder);
}

TEST(H3BadInput, BlockedSectionWaitsForAllThatItRefersTo) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  // Refers to the first two entries of the table.
  const std::string section = std::string("\x03\x81\xd1\xd7\x50\x0b") + "server.test" + "\x10\x11";
  pair.say(frame(H3Frame::headers, section), true);
  pair.run_for(100ms);
  const auto table = pair.say_uni(varint(2) + "\x3f\xe1\x1f" + "\xc1\x02" + "/a");
  pair.run_for(100ms);
  EXPECT_TRUE(pair.requests.requests.empty());
  EXPECT_FALSE(pair.raw.closed);
  pair.raw.send(table, std::string("\xdd\x01") + "b", false);
  pair.run_for(100ms);
  ASSERT_EQ(pair.requests.requests.size(), 1u);
  EXPECT_EQ(pair.requests.last().request.path, "/a");
  EXPECT_EQ(pair.requests.last().request.fields.find("accept"), "b");
}

TEST(H3BadInput, BlockedSectionOfAStreamThatIsReset) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  // Refers to the first entry of a table that never comes.
  const auto id = pair.say(frame(H3Frame::headers, std::string("\x02\x80\x10", 3)), false);
  pair.run_for(100ms);
  EXPECT_EQ(pair.server().open_exchanges(), 1u);
  pair.connection->reset_stream(id, 0x10c);
  pair.connection->stop_sending(id, 0x10c);
  pair.run_for(200ms);
  EXPECT_EQ(pair.server().open_exchanges(), 0u);
  EXPECT_FALSE(pair.raw.closed);
}

TEST(H3BadInput, WhatIsBehindABlockedSectionGetsNoCredit) {
  RawClient pair;
  pair.server_options.config.initial_stream_window = 32 * 1024;
  ASSERT_TRUE(pair.meet());
  const auto id = pair.say(
      frame(H3Frame::headers, std::string("\x02\x80\x10", 3)) + data_frame(std::string(100'000, 'x')), false);
  pair.run_for(1s);
  std::size_t unsent = pair.raw.streams[id].unsent.size();
  EXPECT_GE(unsent, 100'000u - 32 * 1024);
  EXPECT_FALSE(pair.raw.closed);
}

TEST(H3BadInput, MoreBlockedSectionsThanAnnounced) {
  RawClient pair;
  pair.server_options.config.peer_bidirectional_streams = 200;
  ASSERT_TRUE(pair.meet());
  for (std::uint64_t i = 0; i <= qpack_blocked_streams; ++i)
    pair.say(frame(H3Frame::headers, std::string("\x02\x80\x10", 3)), false);
  EXPECT_EQ(pair.closed_with(), code(H3Code::qpack_decompression_failed));
}

TEST(H3BadInput, SectionThatDoesNotEndTimesOut) {
  RawClient pair;
  pair.server_limits.header_timeout = 2s;
  ASSERT_TRUE(pair.meet());
  const auto id = pair.say(headers(request_lines()).substr(0, 5), false);
  pair.run_for(3s);
  EXPECT_EQ(pair.reset_with(id), code(H3Code::request_cancelled));
  EXPECT_TRUE(pair.requests.requests.empty());
}

TEST(H3BadInput, TooLargeTrailersEndTheStream) {
  RawClient pair;
  pair.server_limits.max_section_size = 4000;
  ASSERT_TRUE(pair.meet());
  for (const std::string& value : {std::string(3990, 'a'), std::string(20'000, '\x7e')}) {
    const auto id = pair.say(headers(request_lines()) + data_frame("x") + headers({{"a", value}}), true);
    EXPECT_EQ(pair.reset_with(id), code(H3Code::excessive_load));
  }
  EXPECT_FALSE(pair.raw.closed);
}

// docs/threat-model.md, "sudden end".
TEST(H3BadInput, EverythingEndsInOneDatagram) {
  RawClient pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(1024 * 1024));
  };
  ASSERT_TRUE(pair.meet());
  const auto id = pair.say(headers(request_lines()), false);
  pair.run_for(30ms);
  pair.connection->reset_stream(id, 0x10c);
  pair.connection->stop_sending(id, 0x10c);
  pair.connection->close(code(H3Code::no_error), "");
  pair.run_for(200ms);
  EXPECT_EQ(pair.requests.last().handler.closed, 1);
  EXPECT_EQ(pair.server_events.closed, 1);
}

TEST(H3BadInput, BlockedSectionTimesOut) {
  RawClient pair;
  pair.server_limits.header_timeout = 2s;
  ASSERT_TRUE(pair.meet());
  const auto id = pair.say(frame(H3Frame::headers, std::string("\x02\x80\x10", 3)), false);
  pair.run_for(3s);
  EXPECT_EQ(pair.reset_with(id), code(H3Code::request_cancelled));
  EXPECT_EQ(pair.server().open_exchanges(), 0u);
}

// Budgets (docs/threat-model.md, "Rapid Reset" and "frame flood")

struct Flood {
  const char* name;
  std::function<void(RawClient&)> once;
  int times;
};

class H3Flood : public testing::TestWithParam<Flood> {};

TEST_P(H3Flood, EndsTheConnection) {
  RawClient pair;
  pair.server_limits.abuse_burst = 50;
  pair.server_limits.abuse_per_second = 10;
  ASSERT_TRUE(pair.meet());
  for (int i = 0; i < GetParam().times && !pair.raw.closed; ++i) {
    GetParam().once(pair);
    pair.run_for(10ms);
  }
  EXPECT_EQ(pair.closed_with(), code(H3Code::excessive_load));
  ASSERT_TRUE(pair.raw.closed);
  EXPECT_EQ(pair.raw.closed->reason, "abuse limit exceeded");
  ASSERT_EQ(pair.server_events.closed, 1);
}

INSTANTIATE_TEST_SUITE_P(
    Rows, H3Flood,
    testing::Values(Flood{"rapid_reset",
                          [](RawClient& p) {
                            const auto id = p.say(headers(request_lines()), false);
                            p.run_for(1ms);
                            p.connection->reset_stream(id, 0x10c);
                          },
                          100},
                    Flood{"stop_sending",
                          [](RawClient& p) {
                            const auto id = p.say(headers(request_lines()), true);
                            p.run_for(15ms);
                            p.connection->stop_sending(id, 0x10c);
                          },
                          100},
                    Flood{"made_to_reset",
                          [](RawClient& p) { p.say(headers(request_lines({{"connection", "x"}})), true); },
                          100},
                    Flood{"empty_data",
                          [](RawClient& p) {
                            std::string bytes = headers(request_lines());
                            for (int i = 0; i < 100; ++i) bytes += data_frame("");
                            p.say(bytes, false);
                          },
                          1},
                    Flood{"unknown_frames",
                          [](RawClient& p) {
                            std::string bytes;
                            for (int i = 0; i < 100; ++i) bytes += frame(0x21, "");
                            p.raw.send(2, bytes, false);
                          },
                          1},
                    Flood{"datagrams_of_no_tunnel",
                          [](RawClient& p) {
                            const auto id = p.say(headers(request_lines()), false);
                            p.connection->send_datagram(as_bytes(varint(static_cast<std::uint64_t>(id) / 4)),
                                                        as_bytes("x"));
                          },
                          200},
                    Flood{"priority_updates",
                          [](RawClient& p) {
                            std::string bytes;
                            for (int i = 0; i < 100; ++i)
                              bytes += frame(H3Frame::priority_update, varint(0) + "u=1");
                            p.raw.send(2, bytes, false);
                          },
                          1},
                    Flood{"table_entries",
                          [](RawClient& p) {
                            // A capacity, one entry, and that one again and again.
                            p.say_uni(varint(2) + "\x3f\xe1\x1f" + "\xc1\x01" + "a" + std::string(200, '\0'));
                          },
                          1},
                    Flood{"unknown_streams", [](RawClient& p) { p.say_uni(varint(0x21), true); }, 100}),
    [](const auto& row) { return row.param.name; });

TEST(H3BadInput, FewResetsAreFine) {
  RawClient pair;
  ASSERT_TRUE(pair.meet());
  for (int i = 0; i < 300; ++i) {
    const auto id = pair.say(headers(request_lines()), false);
    pair.run_for(20ms);
    pair.connection->reset_stream(id, 0x10c);
    pair.connection->stop_sending(id, 0x10c);
    pair.run_for(20ms);
  }
  EXPECT_FALSE(pair.raw.closed);
  EXPECT_EQ(pair.server().open_exchanges(), 0u);
  EXPECT_EQ(pair.requests.requests.size(), 300u);
}

// Slow peers (docs/threat-model.md, "slow peer")

TEST(H3BadInput, SlowBodyTimesOut) {
  RawClient pair;
  pair.server_limits.idle_timeout = 5s;
  pair.client_options.config.keep_alive = 1s;
  ASSERT_TRUE(pair.meet());
  const auto id = pair.say(headers(request_lines({{"content-length", "5"}})) + data_frame("fo"), false);
  pair.run_for(12s);
  EXPECT_EQ(pair.reset_with(id), code(H3Code::request_cancelled));
  ASSERT_TRUE(pair.requests.last().handler.error);
  EXPECT_EQ(pair.requests.last().handler.error->kind, ErrorKind::timeout);
}

TEST(H3BadInput, SlowReaderTimesOut) {
  RawClient pair;
  pair.server_limits.idle_timeout = 5s;
  pair.client_options.config.keep_alive = 1s;
  pair.client_options.config.initial_stream_window = 32 * 1024;
  pair.raw.consumes = false;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(1024 * 1024));
  };
  ASSERT_TRUE(pair.meet());
  pair.say(headers(request_lines()), true);
  ASSERT_TRUE(pair.run_until(
      [&] { return !pair.requests.requests.empty() && pair.requests.last().handler.closed > 0; }, 12s));
  EXPECT_EQ(pair.requests.last().handler.error->kind, ErrorKind::timeout);
  EXPECT_EQ(pair.server().open_exchanges(), 0u);
}

TEST(H3BadInput, StreamWithoutCreditTimesOutWhileAnotherMoves) {
  RawClient pair;
  pair.server_limits.idle_timeout = 5s;
  pair.client_options.config.initial_stream_window = 32 * 1024;
  pair.raw.consumes = false;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(200 * 1024));
  };
  ASSERT_TRUE(pair.meet());
  const auto held = pair.say(headers(request_lines()), true);
  const auto moving = pair.say(headers(request_lines()), true);
  for (int second = 0; second < 14; ++second) {
    pair.connection->consume(moving, 4000);
    pair.run_for(1s);
  }
  EXPECT_EQ(pair.requests.requests[0]->handler.closed, 1);
  EXPECT_EQ(pair.requests.requests[1]->handler.closed, 0);
  EXPECT_EQ(pair.reset_with(held), code(H3Code::request_cancelled));
}

}  // namespace
}  // namespace sallyport::http
