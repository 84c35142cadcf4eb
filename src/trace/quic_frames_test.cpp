#include "trace/quic_frames.h"

#include "base/hex.h"
#include "trace/qlog_frames.h"

#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::trace {
namespace {

using Buffer = std::vector<std::uint8_t>;

Buffer bytes(std::string_view hex) {
  return from_hex(hex).value();
}

std::vector<QuicFrame> frames(Bytes payload) {
  FrameReader reader(payload);
  std::vector<QuicFrame> result;
  while (const auto frame = reader.next()) result.push_back(*frame);
  return result;
}

/// Each frame's JSON, or "malformed" where reading ended early.
std::string as_json(FrameReader reader) {
  std::string out;
  JsonText json(out);
  json.begin_array();
  while (const auto frame = reader.next()) write_frame(json, *frame, 3);
  if (reader.malformed()) json.text("malformed");
  json.end_array();
  return out;
}

std::string json_of(std::string_view hex) {
  return as_json(FrameReader(bytes(hex)));
}

TEST(QuicFrames, EveryFrameOfRfc9000) {
  EXPECT_EQ(json_of("00000000"),
            R"([{"frame_type":"padding","length":4,"raw":{"length":4,"payload_length":4}}])");
  EXPECT_EQ(json_of("01"), R"([{"frame_type":"ping"}])");
  // Largest 20, delay 100 << 3 us, two more ranges: 16-20, then 10-12 after a gap of 3, then 5.
  EXPECT_EQ(json_of("02144064020402020300"),
            R"([{"frame_type":"ack","ack_delay":0.8,"acked_ranges":[[16,20],[10,12],[5]]}])");
  EXPECT_EQ(json_of("0305000005010203"),
            R"([{"frame_type":"ack","ack_delay":0,"acked_ranges":[[0,5]],"ect1":2,"ect0":1,"ce":3}])");
  EXPECT_EQ(
      json_of("040441064400"),
      R"([{"frame_type":"reset_stream","stream_id":4,"error":"http_frame_error","error_code":262,"final_size":1024}])");
  EXPECT_EQ(json_of("050807"),
            R"([{"frame_type":"stop_sending","stream_id":8,"error":"unknown","error_code":7}])");
  EXPECT_EQ(json_of("060a03aabbcc"),
            R"([{"frame_type":"crypto","offset":10,"length":3,"raw":{"length":6,"payload_length":3}}])");
  EXPECT_EQ(json_of("0702aabb"),
            R"([{"frame_type":"new_token","token":{"type":"resumption","raw":{"length":2}}}])");
  EXPECT_EQ(json_of("1044ff"), R"([{"frame_type":"max_data","maximum":1279}])");
  EXPECT_EQ(json_of("11040a"), R"([{"frame_type":"max_stream_data","stream_id":4,"maximum":10}])");
  EXPECT_EQ(json_of("12051306"),
            R"([{"frame_type":"max_streams","stream_type":"bidirectional","maximum":5},)"
            R"({"frame_type":"max_streams","stream_type":"unidirectional","maximum":6}])");
  EXPECT_EQ(json_of("1409"), R"([{"frame_type":"data_blocked","limit":9}])");
  EXPECT_EQ(json_of("150409"), R"([{"frame_type":"stream_data_blocked","stream_id":4,"limit":9}])");
  EXPECT_EQ(json_of("16031704"),
            R"([{"frame_type":"streams_blocked","stream_type":"bidirectional","limit":3},)"
            R"({"frame_type":"streams_blocked","stream_type":"unidirectional","limit":4}])");
  EXPECT_EQ(
      json_of("18020104aabbccdd000102030405060708090a0b0c0d0e0f"),
      R"([{"frame_type":"new_connection_id","sequence_number":2,"retire_prior_to":1,"connection_id_length":4,)"
      R"("connection_id":"aabbccdd"}])")
      << "without the stateless reset token";
  EXPECT_EQ(json_of("1903"), R"([{"frame_type":"retire_connection_id","sequence_number":3}])");
  EXPECT_EQ(json_of("1a0102030405060708"), R"([{"frame_type":"path_challenge","data":"0102030405060708"}])");
  EXPECT_EQ(json_of("1b0102030405060708"), R"([{"frame_type":"path_response","data":"0102030405060708"}])");
  EXPECT_EQ(
      json_of("1c0a06026e6f"),
      R"([{"frame_type":"connection_close","error_space":"transport","error":"protocol_violation","error_code":10,)"
      R"("reason":"no","trigger_frame_type":6}])");
  EXPECT_EQ(json_of("1c412a0000"), R"([{"frame_type":"connection_close","error_space":"transport",)"
                                   R"("error":"crypto_error_0x12a","error_code":298,"reason":""}])");
  EXPECT_EQ(
      json_of("1d410002ff22"),
      R"([{"frame_type":"connection_close","error_space":"application","error":"http_no_error","error_code":256,)"
      R"("reason_bytes":"ff22"}])");
  EXPECT_EQ(json_of("1e"), R"([{"frame_type":"handshake_done"}])");
  EXPECT_EQ(
      json_of("3102aabb01"),
      R"([{"frame_type":"datagram","length":2,"raw":{"length":4,"payload_length":2}},{"frame_type":"ping"}])");
  EXPECT_EQ(json_of("30aabbcc"),
            R"([{"frame_type":"datagram","length":3,"raw":{"length":4,"payload_length":3}}])");
}

TEST(QuicFrames, StreamFramesInAllTheirForms) {
  EXPECT_EQ(
      json_of("0804aabb"),
      R"([{"frame_type":"stream","stream_id":4,"offset":0,"length":2,"raw":{"length":4,"payload_length":2}}])");
  EXPECT_EQ(json_of("0f0441000001"),
            R"([{"frame_type":"stream","stream_id":4,"offset":256,"fin":true,"length":0,)"
            R"("raw":{"length":5,"payload_length":0}},{"frame_type":"ping"}])");
  EXPECT_EQ(
      json_of("0a0401aa0a0801bb"),
      R"([{"frame_type":"stream","stream_id":4,"offset":0,"length":1,"raw":{"length":4,"payload_length":1}},)"
      R"({"frame_type":"stream","stream_id":8,"offset":0,"length":1,"raw":{"length":4,"payload_length":1}}])");
}

TEST(QuicFrames, AnUnknownTypeTakesTheRest) {
  EXPECT_EQ(
      json_of("0174ffaabbcc"),
      R"([{"frame_type":"ping"},{"frame_type":"unknown","frame_type_bytes":13567,"raw":{"length":5}}])");
}

TEST(QuicFrames, MalformedOnesEndTheReading) {
  for (const char* hex : {
           "41",                  // a type cut short
           "0204000005",          // first range below 0
           "0205000500",          // ACK range count beyond the packet
           "020500010200",        // a gap below 0
           "020a00010000ff",      // a varint cut short
           "0300000000",          // ECN counts missing
           "06000aaabb",          // CRYPTO longer than the packet
           "0a0405aa",            // STREAM too
           "31ffffffffffffffff",  // DATAGRAM of 2^62-1
           "07c0",                // NEW_TOKEN
           "180000150000",        // a connection ID of 21
           "1a0102",              // PATH_CHALLENGE cut short
           "1d0005",              // a reason that is not there
       }) {
    const Buffer payload = bytes(hex);
    FrameReader reader(payload);
    EXPECT_FALSE(reader.next()) << hex;
    EXPECT_TRUE(reader.malformed()) << hex;
    EXPECT_EQ(reader.left(), payload.size()) << hex;
  }
  EXPECT_EQ(json_of("011a01"), R"([{"frame_type":"ping"},"malformed"])");
}

TEST(QuicFrames, AHugeAckDelayDoesNotOverflow) {
  const Buffer payload = bytes("0200ffffffffffffffff0000");
  const auto frame = FrameReader(payload).next();
  ASSERT_TRUE(frame);
  std::string out;
  JsonText json(out);
  write_frame(json, *frame, 20);
  EXPECT_NE(out.find(R"("ack_delay":1099511627.776)"), std::string::npos) << out;
}

/// The skeleton tells the same as the whole payload did, and takes no more room.
void expect_same_skeleton(Bytes payload) {
  Buffer skeleton(payload.size() + 1, 0xee);
  const std::size_t kept = copy_skeleton(payload, skeleton.data());
  ASSERT_LE(kept, payload.size());
  ASSERT_EQ(skeleton.back(), 0xee);
  EXPECT_EQ(as_json(FrameReader(payload)), as_json(FrameReader({skeleton.data(), kept}, payload.size())))
      << to_hex(payload);
}

TEST(QuicFrames, SkeletonLosesDataAndNothingElse) {
  Buffer payload = bytes("020a000000");                                       // ACK
  for (const std::uint8_t byte : bytes("0a0044b0")) payload.push_back(byte);  // STREAM with length 1200
  payload.resize(payload.size() + 1200, 0x01);
  payload.push_back(0x1e);
  for (const std::uint8_t byte : bytes("3164"))
    payload.push_back(byte);  // DATAGRAM to the end... of a broken length
  expect_same_skeleton(payload);
  payload.resize(payload.size() - 2);
  payload.push_back(0x30);
  payload.resize(payload.size() + 300, 0x01);
  expect_same_skeleton(payload);
  Buffer skeleton(payload.size());
  EXPECT_EQ(copy_skeleton(payload, skeleton.data()), 5u + 4 + 1 + 1);
}

TEST(QuicFrames, SkeletonsOfAnyBytes) {
  std::mt19937 random(20260707);
  for (int round = 0; round < 20'000; ++round) {
    Buffer payload(random() % 60);
    // Mostly small bytes: they are frame types and lengths that fit.
    for (std::uint8_t& byte : payload)
      byte = static_cast<std::uint8_t>(random() % (random() % 4 ? 0x32 : 0x100));
    expect_same_skeleton(payload);
  }
}

TEST(QuicFrames, AckRangesComeFromTheTop) {
  const Buffer payload = bytes(
      "0214000204020203"
      "00");
  const auto all = frames(payload);
  ASSERT_EQ(all.size(), 1u);
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  for_each_acked(all[0], [&](std::uint64_t low, std::uint64_t high) { ranges.emplace_back(low, high); });
  EXPECT_EQ(ranges, (decltype(ranges){{16, 20}, {10, 12}, {5, 5}}));
}

}  // namespace
}  // namespace sallyport::trace
