// State kept between connections: a client's session cache, a server's secret, and its 0-RTT replay record.
#include "base/file.h"
#include "base/folder_for_test.h"
#include "base/hex.h"
#include "tls/replay_guard.h"
#include "tls/server_secret.h"
#include "tls/session_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace sallyport::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Remembering : public testing::Test {
 protected:
  void write(std::string_view content) { EXPECT_TRUE(write_file(path_, content, 0600, IfExists::replace)); }
  const FolderForTest folder_;
  const std::string path_ = folder_ / "state";
};

TEST_F(Remembering, SessionsAcrossRuns) {
  SessionCache before;
  before.store("a.test:443", {.ticket = {1, 2}, .transport_parameters = {3}, .http_settings = {}});
  before.store_token("a.test:443", {4, 5, 6});
  before.store_token("b.test:443", {7});
  ASSERT_TRUE(before.save(path_));
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);

  SessionCache after;
  ASSERT_TRUE(after.load(path_));
  const auto entry = after.find("a.test:443");
  ASSERT_TRUE(entry);
  EXPECT_THAT(entry->ticket, ElementsAre(1, 2));
  EXPECT_THAT(entry->transport_parameters, ElementsAre(3));
  EXPECT_THAT(entry->http_settings, IsEmpty());
  EXPECT_FALSE(after.find("b.test:443"));
  EXPECT_THAT(after.take_token("a.test:443"), ElementsAre(4, 5, 6));
  EXPECT_THAT(after.take_token("a.test:443"), IsEmpty()) << "a token is used once";
  EXPECT_THAT(after.take_token("b.test:443"), ElementsAre(7));
}

TEST_F(Remembering, ANewTicketLeavesTheTokenAlone) {
  SessionCache cache;
  cache.store_token("a", {9});
  cache.store("a", {.ticket = {1}});
  cache.store("a", {.ticket = {2}});
  EXPECT_THAT(cache.find("a")->ticket, ElementsAre(2));
  EXPECT_THAT(cache.take_token("a"), ElementsAre(9));
}

TEST_F(Remembering, ForgetsTheOriginStoredLongestAgo) {
  SessionCache cache;
  cache.store("kept", {.ticket = {1}});
  cache.store("lost", {.ticket = {1}});
  for (std::size_t i = 0; i < SessionCache::capacity - 2; ++i)
    cache.store(std::to_string(i), {.ticket = {1}});
  cache.store("kept", {.ticket = {2}});
  cache.store("one more", {.ticket = {3}});
  EXPECT_TRUE(cache.find("kept"));
  EXPECT_FALSE(cache.find("lost"));
  EXPECT_TRUE(cache.find("0"));
}

TEST_F(Remembering, AMissingCacheIsEmptyAndADamagedOneSaysWhere) {
  SessionCache cache;
  EXPECT_TRUE(cache.load(folder_ / "none"));
  write("something else\n");
  EXPECT_THAT(cache.load(path_).error().message, HasSubstr(path_ + " is not a session cache"));
  for (const std::string_view line : {"a AQ==", "a AQ== - - - -", "a !! - - -", " - - - -", "a"}) {
    write("sallyport sessions 1\nb AQ== - - -\n" + std::string(line) + "\n");
    const auto loaded = SessionCache().load(path_);
    ASSERT_FALSE(loaded) << line;
    EXPECT_THAT(loaded.error().message, HasSubstr("line 3")) << line;
  }
}

TEST_F(Remembering, SecretsDeriveTheSameKeysFromTheSameFile) {
  write(std::string(32, 'x'));
  const auto secret = ServerSecret::from_file(path_);
  ASSERT_TRUE(secret) << secret.error().message;
  // HKDF-SHA256 computed apart: salt "sallyport server secret", info as given.
  EXPECT_EQ(to_hex(secret->derive("ticket")),
            "97dac4e59fce16b13d6dec9952aa3e5905ff8bbb22d37102ce3a86a44bcdd935");
  EXPECT_NE(to_hex(secret->derive("ticket")), to_hex(secret->derive("token")));
  write(std::string(33, 'x'));
  EXPECT_NE(to_hex(ServerSecret::from_file(path_)->derive("ticket")), to_hex(secret->derive("ticket")));
  EXPECT_NE(to_hex(ServerSecret::random().derive("ticket")), to_hex(ServerSecret::random().derive("ticket")));
}

TEST_F(Remembering, ShortSecretsAreRefused) {
  write(std::string(31, 'x'));
  EXPECT_THAT(ServerSecret::from_file(path_).error().message, HasSubstr(path_ + " has 31 bytes"));
  EXPECT_FALSE(ServerSecret::from_file(folder_ / "none"));
}

std::array<std::uint8_t, 32> binder(std::uint64_t n) {
  std::array<std::uint8_t, 32> result{};
  for (std::size_t i = 0; i < 8; ++i) result[i] = static_cast<std::uint8_t>(n >> (8 * i));
  return result;
}

TEST(ReplayRecord, RefusesWhatItSawAsLongAsItCouldBeAccepted) {
  ReplayRecord record;
  constexpr std::time_t window = ReplayRecord::window.count();
  std::time_t now = 1'700'000'000;
  EXPECT_TRUE(record.add(binder(1), now));
  EXPECT_FALSE(record.add(binder(1), now));
  EXPECT_TRUE(record.add(binder(2), now + window - 1));
  now += window + 1;  // a new generation begins
  EXPECT_TRUE(record.add(binder(3), now));
  EXPECT_FALSE(record.add(binder(2), now + window - 3)) << "still within its window";
  EXPECT_FALSE(record.add(binder(3), now + window));
  EXPECT_TRUE(record.add(binder(3), now + 2 * window + 1)) << "forgotten after two windows";
  EXPECT_TRUE(record.add(binder(1), now + 3 * window));
}

TEST(ReplayRecord, RefusesEarlyDataWhenItIsFull) {
  ReplayRecord record;
  for (std::uint64_t i = 0; i < ReplayRecord::capacity; ++i) ASSERT_TRUE(record.add(binder(i), 1000));
  EXPECT_FALSE(record.add(binder(ReplayRecord::capacity), 1000));
  EXPECT_TRUE(record.add(binder(ReplayRecord::capacity), 1001 + ReplayRecord::window.count()));
}

}  // namespace
}  // namespace sallyport::tls
