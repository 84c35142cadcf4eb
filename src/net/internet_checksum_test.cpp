#include "net/internet_checksum.h"

#include "base/hex.h"
#include "base/random.h"
#include "net/packets_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

std::vector<std::uint8_t> hex(std::string_view text) {
  return from_hex(text).value();
}

// RFC 1071 §3.
TEST(InternetChecksum, TheExampleOfTheRfc) {
  const auto bytes = hex("0001f203f4f5f6f7");
  EXPECT_EQ(internet_sum(bytes), 0xddf2);
  EXPECT_EQ(internet_checksum(bytes), 0x220d);
  EXPECT_EQ(internet_sum({}), 0);
  EXPECT_EQ(internet_checksum({}), 0xffff);
  EXPECT_EQ(internet_sum(hex("ab")), 0xab00);
}

TEST(InternetChecksum, AnyLengthAndAlignmentAgreesWithTheSimpleSum) {
  SeededRandom random(1);
  std::vector<std::uint8_t> bytes(400);
  for (const bool ones : {false, true}) {
    if (ones)
      std::fill(bytes.begin(), bytes.end(), 0xff);
    else
      random.fill(bytes);
    for (std::size_t start = 0; start < 16; ++start)
      for (std::size_t size = 0; size < 300; ++size) {
        const Bytes part = Bytes(bytes).subspan(start, size);
        ASSERT_EQ(internet_sum(part), simple_sum(part)) << start << ' ' << size;
      }
  }
}

TEST(InternetChecksum, SumsOfPartsAddUp) {
  SeededRandom random(2);
  std::vector<std::uint8_t> bytes(65'535);
  random.fill(bytes);
  for (const std::size_t cut : {2U, 40U, 1'000U, 65'534U}) {
    const Bytes whole = bytes;
    EXPECT_EQ(fold_sum(std::uint64_t{internet_sum(whole.first(cut))} + internet_sum(whole.subspan(cut))),
              internet_sum(whole));
  }
  EXPECT_EQ(internet_sum(bytes), simple_sum(bytes));
}

// RFC 1624 §4: with equation 2 of RFC 1141 this gave 0xffff.
TEST(InternetChecksum, TheUpdateOfTheRfc) {
  EXPECT_EQ(updated_checksum(0xdd2f, 0x5555, 0x3285), 0x0000);
}

TEST(InternetChecksum, AnUpdatedChecksumIsTheOneComputedAnew) {
  SeededRandom random(3);
  std::vector<std::uint8_t> bytes(40);
  for (int round = 0; round < 2'000; ++round) {
    random.fill(bytes);
    const std::uint16_t before = internet_checksum(bytes);
    const std::size_t at = 2 * random.below(20);
    const auto old_word = static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
    const auto new_word = static_cast<std::uint16_t>(round % 3 == 0   ? 0
                                                     : round % 3 == 1 ? 0xffff
                                                                      : random.next_u64());
    bytes[at] = static_cast<std::uint8_t>(new_word >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(new_word);
    EXPECT_EQ(updated_checksum(before, old_word, new_word), internet_checksum(bytes));
  }
}

TEST(InternetChecksum, FoldingLosesNoCarry) {
  EXPECT_EQ(fold_sum(0), 0);
  EXPECT_EQ(fold_sum(0xffff), 0xffff);
  EXPECT_EQ(fold_sum(0x10000), 1);
  EXPECT_EQ(fold_sum(0x1ffff), 1);
  EXPECT_EQ(fold_sum(0xffffffff), 0xffff);
  EXPECT_EQ(fold_sum(0xfffffffffffffffe), 0xfffe);
  EXPECT_EQ(fold_sum(UINT64_MAX), 0xffff);
  EXPECT_EQ(fold_sum(0x0001ffff0001ffff), 2);
}

TEST(InternetChecksum, ThePseudoHeader) {
  // RFC 768: addresses, zero, protocol, length.
  EXPECT_EQ(pseudo_header_sum(hex("c0000201c6336407"), 17, 0x1234),
            simple_sum(hex("c0000201c633640700111234")));
  // RFC 8200 §8.1: addresses, a length of 32 bits, zero, next header.
  const std::string addresses = "20010db8000000000000000000000001ff0200000000000000000000000000fb";
  EXPECT_EQ(pseudo_header_sum(hex(addresses), 58, 0x00012345),
            simple_sum(hex(addresses + "000123450000003a")));
}

}  // namespace
}  // namespace sallyport::net
