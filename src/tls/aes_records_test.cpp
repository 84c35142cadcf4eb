// AesRecords by itself: a peer here seals and opens records by hand. Beside GnuTLS it is tried in
// stream_test.cpp and by aes_takeover_test.cpp.
#include "tls/aes_records.h"

#include "tls/wire_for_test.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using testing::HasSubstr;

constexpr std::uint8_t alert = 21, handshake = 22, application_data = 23;
constexpr std::size_t header_size = 5;

struct Content {
  std::uint8_t type;
  std::string text;
  friend bool operator==(const Content&, const Content&) = default;
};

class AesRecordsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_fast_aes_gcm()) GTEST_SKIP() << "this processor has no vector AES, or this build no ipsec-mb";
    start(0);
  }

  void start(std::uint64_t written) {
    auto transport = std::make_unique<Wire>();
    wire = transport.get();
    records.emplace(timers, std::move(transport),
                    AesRecords::Setup{keys_for_test(1), keys_for_test(2, written), {}});
    theirs.emplace(keys_for_test(1));
    ours.emplace(keys_for_test(2, written));
  }

  std::vector<std::uint8_t> sealed(Bytes inner) { return sealed_by(*theirs, inner); }
  std::vector<std::uint8_t> record(std::uint8_t type, std::string_view content, std::size_t padding = 0) {
    std::vector<std::uint8_t> inner(content.begin(), content.end());
    inner.push_back(type);
    inner.resize(inner.size() + padding);
    return sealed(inner);
  }
  std::vector<std::uint8_t> bytes_of(std::uint8_t type, std::initializer_list<int> bytes) {
    std::string text;
    for (const int byte : bytes) text += static_cast<char>(byte);
    return record(type, text);
  }

  /// Reads all that is there, as a Stream does.
  Result<Records::Found> read() {
    for (;;) {
      auto found =
          records->read([this](Bytes bytes) { got += as_text(bytes), pieces.push_back(bytes.size()); });
      if (!found || *found != Records::Found::content) return found;
    }
  }
  Result<Records::Found> take(const std::vector<std::uint8_t>& bytes) {
    records->arrive(bytes);
    auto found = read();
    records->settle();
    return found;
  }
  void expect_refusal(const Result<Records::Found>& found, std::uint8_t description) {
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().kind, ErrorKind::tls);
    EXPECT_EQ(sent(), (std::vector<Content>{{alert, {'\2', static_cast<char>(description)}}}));
  }

  /// What was written since the last call.
  std::vector<Content> sent() {
    records->flush();
    std::vector<Content> all;
    const std::vector<std::uint8_t> written = std::exchange(wire->written, {});
    for (Bytes left = written; !left.empty();) {
      const std::size_t length = std::size_t{left[3]} << 8 | left[4];
      EXPECT_LE(length, record_size + 1 + aes_gcm_tag_size);
      std::vector<std::uint8_t> inner(length - aes_gcm_tag_size);
      EXPECT_TRUE(ours->aead().open(inner.data(), left.subspan(header_size, length), ours->next_nonce(),
                                    left.first(header_size)));
      all.push_back({inner.back(), std::string(inner.begin(), inner.end() - 1)});
      if (all.back().type == handshake) {
        EXPECT_TRUE(ours->update());
      }
      left = left.subspan(header_size + length);
    }
    return all;
  }
  std::string sent_text() {
    std::string text;
    for (const Content& each : sent()) text += each.text;
    return text;
  }

  net::Timers timers{Time(100s)};
  std::optional<AesRecords> records;
  Wire* wire = nullptr;
  std::optional<TrafficKeys> theirs, ours;
  std::string got;
  std::vector<std::size_t> pieces;
};

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
  return text;
}

TEST_F(AesRecordsTest, ReadsRecordsInAnyPieces) {
  const std::string text = pattern(60'000);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{4}, std::size_t{5}, std::size_t{1000},
                                  std::size_t{16'405}, std::size_t{16'406}, std::size_t{1'000'000}}) {
    start(0);
    got.clear();
    std::vector<std::uint8_t> all;
    for (std::size_t at = 0, size = 1; at < text.size();
         at += size, size = std::min<std::size_t>(size * 3, record_size)) {
      const auto next =
          record(application_data, std::string_view(text).substr(at, size), size < record_size ? at % 3 : 0);
      all.insert(all.end(), next.begin(), next.end());
    }
    for (std::size_t at = 0; at < all.size(); at += piece) {
      const std::size_t end = std::min(all.size(), at + piece);
      ASSERT_EQ(take({all.begin() + static_cast<std::ptrdiff_t>(at),
                      all.begin() + static_cast<std::ptrdiff_t>(end)}),
                Records::Found::nothing);
    }
    EXPECT_EQ(got, text) << piece;
    EXPECT_FALSE(records->has_input());
  }
}

TEST_F(AesRecordsTest, WhatCameTogetherIsDeliveredTogether) {
  std::vector<std::uint8_t> all;
  for (const char* text : {"one ", "two ", "three"}) {
    const auto next = record(application_data, text);
    all.insert(all.end(), next.begin(), next.end());
  }
  EXPECT_EQ(take(all), Records::Found::nothing);
  EXPECT_THAT(pieces, testing::ElementsAre(13u));
  EXPECT_EQ(got, "one two three");
}

TEST_F(AesRecordsTest, WhatIsNotReadWaits) {
  std::vector<std::uint8_t> all = record(application_data, "one");
  records->arrive(all);
  records->settle();
  EXPECT_TRUE(records->has_input());
  all = record(application_data, "two");
  records->arrive(Bytes(all).first(10));
  records->settle();
  EXPECT_EQ(read(), Records::Found::nothing);
  EXPECT_EQ(got, "one");
  records->arrive(Bytes(all).subspan(10));
  EXPECT_EQ(read(), Records::Found::nothing);
  EXPECT_EQ(got, "onetwo");
}

TEST_F(AesRecordsTest, EndsWithCloseNotifyAndNothingBehindItCounts) {
  auto all = record(application_data, "last");
  const auto end = bytes_of(alert, {1, 0}), more = record(application_data, "more");
  all.insert(all.end(), end.begin(), end.end());
  all.insert(all.end(), more.begin(), more.end());
  records->arrive(all);
  EXPECT_EQ(read(), Records::Found::end);
  EXPECT_EQ(got, "last");
}

TEST_F(AesRecordsTest, TellsThePeersAlert) {
  EXPECT_EQ(take(bytes_of(alert, {1, 90})), Records::Found::nothing) << "user_canceled: close_notify follows";
  const auto found = take(bytes_of(alert, {2, 48}));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::closed);
  EXPECT_EQ(found.error().code, 48u);
  EXPECT_THAT(found.error().message, HasSubstr("unknown CA"));
  EXPECT_TRUE(sent().empty()) << "an alert is not answered";
}

TEST_F(AesRecordsTest, ASpoiledRecordIsRefused) {
  for (const std::size_t place : {std::size_t{1}, std::size_t{5}, std::size_t{7}, std::size_t{25}}) {
    start(0);
    auto bad = record(application_data, "hello");
    bad[place] ^= 1;
    SCOPED_TRACE(place);
    expect_refusal(take(bad), 20);
  }
  start(0);
  record(application_data, "lost");
  expect_refusal(take(record(application_data, "next")), 20);
  EXPECT_EQ(got, "");
}

TEST_F(AesRecordsTest, LengthsHaveTheirBounds) {
  EXPECT_EQ(take(record(application_data, pattern(record_size))), Records::Found::nothing);
  EXPECT_EQ(take(record(application_data, "padded", record_size - 6)), Records::Found::nothing);
  EXPECT_EQ(got, pattern(record_size) + "padded");
  expect_refusal(take(record(application_data, pattern(record_size), 1)), 22);
  start(0);
  std::vector<std::uint8_t> header{application_data, 3, 3, 0x41, 0x01};  // 2^14 + 257
  expect_refusal(take(header), 22);
  start(0);
  header = {application_data, 3, 3, 0, 16};
  expect_refusal(take(header), 20);
  start(0);
  header = {application_data, 3, 3, 0x41, 0x00};
  EXPECT_EQ(take(header), Records::Found::nothing);
}

TEST_F(AesRecordsTest, OnlyProtectedRecordsOfKnownTypesAreTaken) {
  for (const std::uint8_t type : {20, 21, 22, 24, 71}) {
    start(0);
    SCOPED_TRACE(type);
    expect_refusal(take({type, 3, 3, 0, 20}), 10);
    start(0);
    if (type != alert && type != handshake) expect_refusal(take(record(type, "x")), 10);
  }
  start(0);
  expect_refusal(take(sealed(std::vector<std::uint8_t>(30))), 10);  // no type
  start(0);
  expect_refusal(take(bytes_of(alert, {2})), 50);
  start(0);
  expect_refusal(take(bytes_of(alert, {2, 40, 2})), 50);
}

TEST_F(AesRecordsTest, RecordsWithoutContentAreTakenForAWhile) {
  for (int i = 0; i < 64; ++i) ASSERT_EQ(take(record(application_data, "")), Records::Found::nothing) << i;
  ASSERT_EQ(take(record(application_data, "x")), Records::Found::nothing);
  for (int i = 0; i < 64; ++i)
    ASSERT_EQ(take(record(application_data, "", 100)), Records::Found::nothing) << i;
  expect_refusal(take(record(application_data, "")), 10);
  EXPECT_EQ(got, "x");
}

TEST_F(AesRecordsTest, FollowsKeyUpdates) {
  EXPECT_EQ(take(bytes_of(handshake, {24, 0, 0, 1, 0})), Records::Found::nothing);
  ASSERT_TRUE(theirs->update());
  EXPECT_EQ(take(record(application_data, "second keys")), Records::Found::nothing);
  EXPECT_TRUE(sent().empty()) << "none was asked for";
  // In pieces, and with the wish for ours.
  EXPECT_EQ(take(bytes_of(handshake, {24, 0})), Records::Found::nothing);
  EXPECT_EQ(take(bytes_of(handshake, {0, 1, 1})), Records::Found::nothing);
  ASSERT_TRUE(theirs->update());
  EXPECT_EQ(take(record(application_data, ", third")), Records::Found::nothing);
  EXPECT_EQ(got, "second keys, third");
  EXPECT_EQ(sent(), (std::vector<Content>{{handshake, std::string("\x18\0\0\1\0", 5)}}));
  std::vector<Chunk> plain{Chunk::copy_of(as_bytes("answer"))};
  ASSERT_TRUE(records->write(plain));
  EXPECT_EQ(sent_text(), "answer") << "with the new keys";
}

TEST_F(AesRecordsTest, OtherHandshakeMessagesAreRefused) {
  expect_refusal(take(bytes_of(handshake, {1, 0, 0, 1, 0})), 10);  // ClientHello: no renegotiation
  start(0);
  expect_refusal(take(bytes_of(handshake, {24, 0, 0, 2, 0})), 10);
  start(0);
  expect_refusal(take(bytes_of(handshake, {24, 0, 0, 1, 2})), 47);
  start(0);
  expect_refusal(take(bytes_of(handshake, {24, 0, 0, 1, 0, 24})), 10);
  start(0);
  expect_refusal(take(record(handshake, "")), 10);
  start(0);
  EXPECT_EQ(take(bytes_of(handshake, {24, 0})), Records::Found::nothing);
  expect_refusal(take(record(application_data, "between")), 10);
}

TEST_F(AesRecordsTest, TooManyKeyUpdatesAreRefused) {
  for (int second = 0; second < 3; ++second) {
    for (int i = 0; i < 8; ++i) {
      ASSERT_EQ(take(bytes_of(handshake, {24, 0, 0, 1, 0})), Records::Found::nothing);
      ASSERT_TRUE(theirs->update());
    }
    timers.set_now(timers.now() + 1s);
  }
  for (int i = 0; i < 8; ++i) {
    ASSERT_EQ(take(bytes_of(handshake, {24, 0, 0, 1, 0})), Records::Found::nothing);
    ASSERT_TRUE(theirs->update());
  }
  expect_refusal(take(bytes_of(handshake, {24, 0, 0, 1, 0})), 10);
}

TEST_F(AesRecordsTest, SealsChunksOfAnySizeInFewRecordsAndWrites) {
  std::vector<Chunk> plain;
  std::string all;
  for (const std::size_t size : {std::size_t{1}, std::size_t{100'000}, std::size_t{3}, std::size_t{16'384},
                                 std::size_t{70'000}, std::size_t{16'385}}) {
    const std::string text = pattern(size);
    plain.push_back(Chunk::copy_of(as_bytes(text)));
    all += text;
  }
  for (int i = 0; i < 300; ++i) plain.push_back(Chunk::copy_of(as_bytes("small")));
  for (int i = 0; i < 300; ++i) all += "small";
  ASSERT_TRUE(records->write(plain));
  const auto contents = sent();
  std::string text;
  for (const Content& each : contents) {
    EXPECT_EQ(each.type, application_data);
    text += each.text;
  }
  EXPECT_EQ(text, all);
  EXPECT_LE(contents.size(), all.size() / record_size + 10);
  EXPECT_LE(wire->writes, all.size() / Chunk::pooled_size + 2);
}

TEST_F(AesRecordsTest, SaysGoodbye) {
  std::vector<Chunk> plain{Chunk::copy_of(as_bytes("last"))};
  ASSERT_TRUE(records->write(plain));
  records->write_close_notify();
  EXPECT_EQ(sent(), (std::vector<Content>{{application_data, "last"}, {alert, std::string("\1\0", 2)}}));
}

TEST_F(AesRecordsTest, ChangesItsKeysInTime) {
  start((std::uint64_t{1} << 24) - 1);
  for (const char* text : {"one", "two", "three"}) {
    std::vector<Chunk> plain{Chunk::copy_of(as_bytes(text))};
    ASSERT_TRUE(records->write(plain));
  }
  const std::string update("\x18\0\0\1\0", 5);
  EXPECT_EQ(sent(), (std::vector<Content>{{application_data, "one"},
                                          {handshake, update},
                                          {application_data, "two"},
                                          {application_data, "three"}}));
}

}  // namespace
}  // namespace sallyport::tls
