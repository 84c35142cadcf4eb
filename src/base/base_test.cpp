// The small parts of base: varints, hexadecimal, randomness, log helpers, descriptors.
#include "base/hex.h"
#include "base/lifetime.h"
#include "base/log.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "base/varint.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>

namespace sallyport {
namespace {

// The examples of RFC 9000 §A.1.
TEST(Varint, ExamplesOfTheRfc) {
  const std::pair<const char*, std::uint64_t> cases[] = {
      {"c2197c5eff14e88c", 151288809941952652}, {"9d7f3e7d", 494878333}, {"7bbd", 15293}, {"25", 37}};
  for (const auto& [hex, value] : cases) {
    const auto bytes = from_hex(hex).value();
    Bytes in = bytes;
    EXPECT_EQ(take_varint(in), value);
    EXPECT_TRUE(in.empty());
    std::array<std::uint8_t, 8> out{};
    const std::size_t size = put_varint(out, value);
    EXPECT_EQ(to_hex(MutableBytes(out).first(size)), hex);
  }
  const auto long_form = from_hex("4025").value();  // 37 again, in more bytes than it needs
  Bytes in = long_form;
  EXPECT_EQ(take_varint(in), 37u);
}

TEST(Varint, EdgesOfEachLengthAndCutShort) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{63}, std::uint64_t{64}, std::uint64_t{16383}, std::uint64_t{16384},
        std::uint64_t{1073741823}, std::uint64_t{1073741824}, varint_max}) {
    std::array<std::uint8_t, 8> buffer{};
    const std::size_t size = put_varint(buffer, value);
    EXPECT_EQ(size, varint_size(value));
    Bytes whole(buffer.data(), size);
    EXPECT_EQ(take_varint(whole), value);
    Bytes cut(buffer.data(), size - 1);
    EXPECT_EQ(take_varint(cut), std::nullopt);
    EXPECT_EQ(cut.size(), size - 1);
  }
}

TEST(Hex, BothWaysAndRefusals) {
  EXPECT_EQ(to_hex(from_hex("00fFaB").value()), "00ffab");
  EXPECT_EQ(from_hex("")->size(), 0u);
  for (const char* bad : {"0", "0g", "0x00", " 00", "00 "}) EXPECT_FALSE(from_hex(bad)) << bad;
}

TEST(Random, SeededRepeatsWhateverThePiecesAre) {
  SeededRandom a(42);
  SeededRandom b(42);
  SeededRandom c(43);
  std::array<std::uint8_t, 16> whole{};
  a.fill(whole);
  const std::uint64_t first = b.next_u64();
  EXPECT_EQ(std::memcmp(&first, whole.data(), 8), 0);
  EXPECT_NE(first, c.next_u64());
}

TEST(Random, BelowStaysBelowAndReachesAll) {
  SeededRandom random(1);
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(random.below(5));
  EXPECT_EQ(seen, (std::set<std::uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, SystemNeverRepeatsAcrossBatchesSizesAndThreads) {
  std::set<std::uint64_t> seen;
  const auto draw = [] {
    std::vector<std::uint64_t> values(1000);
    for (auto& value : values) value = system_random().next_u64();
    return values;
  };
  for (const std::uint64_t value : draw()) seen.insert(value);
  std::vector<std::uint64_t> elsewhere;
  std::thread([&] { elsewhere = draw(); }).join();
  seen.insert(elsewhere.begin(), elsewhere.end());
  EXPECT_EQ(seen.size(), 2000u);

  std::array<std::uint8_t, 4096> large{};
  system_random().fill(large);
  EXPECT_GT(std::set<std::uint8_t>(large.begin(), large.end()).size(), 200u);
}

TEST(Log, LevelsByNameAndBelowTheLevelNothingIsFormatted) {
  EXPECT_EQ(parse_log_level("warn"), LogLevel::warn);
  EXPECT_EQ(parse_log_level("loud"), std::nullopt);
  testing::internal::CaptureStderr();
  set_log_level(LogLevel::warn);
  log_info("hidden {}", 1);
  log_warn("shown {}", 2);
  set_log_level(LogLevel::off);
  log_error("hidden {}", 3);
  set_log_level(LogLevel::info);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("shown 2"), std::string::npos);
  EXPECT_EQ(text.find("hidden"), std::string::npos);
}

TEST(Log, OnceIsOnceAndTheLimitCountsWhatItLeftOut) {
  LogOnce once;
  EXPECT_TRUE(once.first());
  EXPECT_FALSE(once.first());

  LogLimit limit(10s);
  const Time start{1h};
  EXPECT_EQ(limit.allow(start), 0u);
  EXPECT_EQ(limit.allow(start + 1s), std::nullopt);
  EXPECT_EQ(limit.allow(start + 9s), std::nullopt);
  EXPECT_EQ(limit.allow(start + 10s), 2u);
  EXPECT_EQ(limit.allow(start + 11s), std::nullopt);
}

TEST(Log, AMessageIsOneLineWhateverAPeerSaidInIt) {
  testing::internal::CaptureStderr();
  log_warn("the peer said {}", "\x1b[31m\n2026 forged\xff \xc3\xa9");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("the peer said \\x1b[31m\\n2026 forged\\xff \xc3\xa9\n"), std::string::npos) << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
}

TEST(Log, ALimitWithABurstSaysThatManyAtOnceAndThenOneAnInterval) {
  LogLimit limit(10ms, 3);
  const Time start{1h};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.allow(start), 0u);
  EXPECT_EQ(limit.allow(start), std::nullopt);
  EXPECT_EQ(limit.allow(start + 10ms), 1u);
  EXPECT_EQ(limit.allow(start + 11ms), std::nullopt);
  EXPECT_EQ(limit.allow(start + 100ms), 1u);  // a silence fills it again
  EXPECT_EQ(limit.allow(start + 100ms), 0u);
  EXPECT_EQ(limit.allow(start + 100ms), 0u);
  EXPECT_EQ(limit.allow(start + 100ms), std::nullopt);
}

TEST(Lifetime, EveryGuardLearnsOfTheEndAndOnlyOfTheEnd) {
  auto lifetime = std::make_unique<Lifetime>();
  const Lifetime::Guard outer(*lifetime);
  {
    const Lifetime::Guard finished(*lifetime);
  }
  const Lifetime::Guard inner(*lifetime);
  EXPECT_FALSE(outer.gone());
  lifetime.reset();
  EXPECT_TRUE(outer.gone());
  EXPECT_TRUE(inner.gone());
}

TEST(UniqueFd, ClosesOnceAndHandsOver) {
  const auto is_open = [](int fd) { return ::fcntl(fd, F_GETFD) != -1 || errno != EBADF; };
  UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  UniqueFd second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_TRUE(is_open(number));
  const int released = second.release();
  EXPECT_TRUE(is_open(released));
  second.reset(released);
  second.reset();
  EXPECT_FALSE(is_open(number));
}

}  // namespace
}  // namespace sallyport
