// The capsule reader, whole and byte by byte, and the queue that gathers capsules for sending.
#include "http/capsule.h"

#include "base/varint.h"
#include "http/send_queue.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using Capsules = std::vector<std::pair<std::uint64_t, std::string>>;

std::string capsule(std::uint64_t type, std::string_view value) {
  std::array<std::uint8_t, 16> head;
  const std::size_t size = put_capsule_head(head, type, value.size());
  return std::string(as_text(Bytes(head).first(size))) + std::string(value);
}

struct Collector {
  Capsules found;
  std::uint64_t unwanted = ~std::uint64_t{0};
  Result<> feed(CapsuleReader& reader, std::string_view bytes) {
    return reader.feed(
        as_bytes(bytes), [this](std::uint64_t type, std::uint64_t) { return type != unwanted; },
        [this](std::uint64_t type, Bytes value) -> Result<> {
          found.emplace_back(type, as_text(value));
          return {};
        });
  }
};

const std::string sequence = capsule(0, "datagram") + capsule(0x12345678, std::string(300, 'x')) +
                             capsule(7, "") + capsule(0x3fffffffffffffff, "long type") + capsule(0, "end");
const Capsules expected{{0, "datagram"},
                        {0x12345678, std::string(300, 'x')},
                        {7, ""},
                        {0x3fffffffffffffff, "long type"},
                        {0, "end"}};

TEST(CapsuleReader, Whole) {
  CapsuleReader reader(1000);
  Collector collector;
  EXPECT_TRUE(collector.feed(reader, sequence));
  EXPECT_EQ(collector.found, expected);
  EXPECT_TRUE(reader.at_boundary());
}

TEST(CapsuleReader, EverySplitInTwo) {
  for (std::size_t cut = 0; cut <= sequence.size(); ++cut) {
    CapsuleReader reader(1000);
    Collector collector;
    ASSERT_TRUE(collector.feed(reader, std::string_view(sequence).substr(0, cut)));
    ASSERT_TRUE(collector.feed(reader, std::string_view(sequence).substr(cut)));
    ASSERT_EQ(collector.found, expected) << cut;
    ASSERT_TRUE(reader.at_boundary());
  }
}

TEST(CapsuleReader, ByteByByte) {
  CapsuleReader reader(1000);
  Collector collector;
  std::size_t boundaries = 0;
  for (const char byte : sequence) {
    ASSERT_TRUE(collector.feed(reader, {&byte, 1}));
    boundaries += reader.at_boundary() ? 1 : 0;
  }
  EXPECT_EQ(collector.found, expected);
  EXPECT_EQ(boundaries, expected.size());
}

TEST(CapsuleReader, UnwantedAreSkippedHoweverLong) {
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, std::size_t{1'000'000}}) {
    CapsuleReader reader(10);
    Collector collector{.found = {}, .unwanted = 9};
    const std::string bytes = capsule(9, std::string(100'000, 'x')) + capsule(9, "") + capsule(1, "wanted");
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      ASSERT_TRUE(collector.feed(reader, std::string_view(bytes).substr(at, piece)));
    EXPECT_EQ(collector.found, (Capsules{{1, "wanted"}}));
  }
}

TEST(CapsuleReader, WantedAndTooLong) {
  CapsuleReader reader(10);
  Collector collector;
  // Known from its head alone; nothing is buffered.
  const auto result = collector.feed(reader, capsule(1, std::string(11, 'x')).substr(0, 2));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::too_large);
}

TEST(CapsuleReader, BoundaryOnlyBetweenCapsules) {
  CapsuleReader reader(100);
  Collector collector;
  EXPECT_TRUE(reader.at_boundary());
  ASSERT_TRUE(collector.feed(reader, std::string_view("\x40", 1)));
  EXPECT_FALSE(reader.at_boundary());
  ASSERT_TRUE(collector.feed(reader, std::string_view("\x00\x03", 2)));
  EXPECT_FALSE(reader.at_boundary());
  ASSERT_TRUE(collector.feed(reader, "ab"));
  EXPECT_FALSE(reader.at_boundary());
  ASSERT_TRUE(collector.feed(reader, "c"));
  EXPECT_TRUE(reader.at_boundary());
}

TEST(CapsuleReader, ErrorOfTheReceiverStopsIt) {
  CapsuleReader reader(100);
  int calls = 0;
  const auto result = reader.feed(
      as_bytes(sequence), [](std::uint64_t, std::uint64_t) { return true; },
      [&](std::uint64_t, Bytes) -> Result<> {
        ++calls;
        return fail(ErrorKind::protocol, "no");
      });
  EXPECT_FALSE(result);
  EXPECT_EQ(calls, 1);
}

TEST(SendQueue, KeepsOrderAndSharesChunks) {
  SendQueue queue;
  queue.append(as_bytes("ab"), as_bytes("cd"), as_bytes("ef"));
  Chunk chunk = Chunk::copy_of(as_bytes("CHUNK"));
  const std::uint8_t* const storage = chunk.data();
  queue.push(std::move(chunk));
  for (int i = 0; i < 3; ++i) queue.append(as_bytes("x"));
  queue.push(Chunk());
  EXPECT_EQ(queue.size(), 14u);
  std::string all;
  bool shared = false;
  while (!queue.empty()) {
    const Chunk piece = queue.pop(4);
    EXPECT_LE(piece.size(), 4u);
    shared |= piece.data() == storage;
    all += as_text(piece.bytes());
  }
  EXPECT_EQ(all, "abcdefCHUNKxxx");
  EXPECT_TRUE(shared);
}

TEST(SendQueue, AppendsAfterPopsGoBehind) {
  SendQueue queue;
  std::string expected_text, got;
  for (int round = 0; round < 500; ++round) {
    const std::string piece = std::to_string(round) + ";";
    queue.append(as_bytes(piece));
    expected_text += piece;
    if (round % 3 == 0 && !queue.empty()) got += as_text(queue.pop(5).bytes());
    if (round % 7 == 0) {
      queue.push(Chunk::copy_of(as_bytes("|")));
      expected_text += "|";
    }
  }
  std::array<std::uint8_t, 100> buffer;
  while (!queue.empty()) got += as_text(Bytes(buffer).first(queue.pop_into(buffer)));
  EXPECT_EQ(got, expected_text);
  EXPECT_EQ(queue.size(), 0u);
}

TEST(SendQueue, ClearForgets) {
  SendQueue queue;
  queue.append(as_bytes("ab"));
  queue.push(Chunk::copy_of(as_bytes("cd")));
  queue.append(as_bytes("ef"));
  queue.clear();
  EXPECT_TRUE(queue.empty());
  queue.append(as_bytes("new"));
  EXPECT_EQ(as_text(queue.front().bytes()), "new");
}

}  // namespace
}  // namespace sallyport::http
