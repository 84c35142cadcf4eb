#include "masque/context_table.h"

#include "base/varint.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using namespace std::string_literals;
using Side = ContextTable::Side;

// No extension is there yet; these stand for two.
constexpr auto compressed = static_cast<ContextFormat>(1);
constexpr auto marked = static_cast<ContextFormat>(2);

std::string datagram(std::uint64_t id, std::string_view payload) {
  std::array<std::uint8_t, 8> prefix;
  const std::size_t size = put_varint(prefix, id);
  return std::string(as_text(Bytes(prefix).first(size))) + std::string(payload);
}

class ContextTableTest : public testing::Test {
 protected:
  /// "format/index:payload", or "-" for what is dropped.
  static std::string read(ContextTable& table, const std::string& datagram) {
    const auto found = table.find(as_bytes(datagram));
    if (!found) return "-";
    return std::to_string(static_cast<int>(found->context.format)) + "/" +
           std::to_string(found->context.index) + ":" + std::string(as_text(found->payload));
  }

  std::uint64_t unknown = 0;
  ContextTable client{Side::client, unknown};
  ContextTable proxy{Side::proxy, unknown};
};

TEST_F(ContextTableTest, ContextZeroIsThereInEveryEncoding) {
  EXPECT_EQ(read(proxy, "\0abc"s), "0/0:abc");
  EXPECT_EQ(read(proxy, "\0"s), "0/0:");
  EXPECT_EQ(read(proxy, "\x40\0abc"s), "0/0:abc");
  EXPECT_EQ(read(client, "\xc0\0\0\0\0\0\0\0abc"s), "0/0:abc");
  EXPECT_EQ(unknown, 0u);
}

// docs/threat-model.md, "unknown context ID".
TEST_F(ContextTableTest, OthersAreDroppedAndCounted) {
  for (const auto& strange : {"\1abc"s, "\2abc"s, "\x40\x01z"s, ""s, "\x40"s, "\xc0\0\0"s}) {
    EXPECT_EQ(read(proxy, strange), "-");
    EXPECT_EQ(read(client, strange), "-");
  }
  EXPECT_EQ(unknown, 12u);
}

TEST_F(ContextTableTest, IsSmallWithContextZeroAlone) {
  EXPECT_LE(sizeof(ContextTable), 24u);
}

TEST_F(ContextTableTest, TheClientAllocatesEvenAndTheProxyOddIds) {
  EXPECT_EQ(client.allocate({compressed, 7}), 2u);
  EXPECT_EQ(client.allocate({marked, 8}), 4u);
  EXPECT_EQ(proxy.allocate({compressed, 9}), 1u);
  EXPECT_EQ(proxy.allocate({compressed, 9}), 3u);
  EXPECT_EQ(read(client, datagram(2, "a")), "1/7:a");
  EXPECT_EQ(read(client, datagram(4, "b")), "2/8:b");
  EXPECT_EQ(read(client, datagram(1, "b")), "-");
  EXPECT_EQ(read(proxy, datagram(3, "c")), "1/9:c");
  EXPECT_EQ(client.registered(), 2u);
}

TEST_F(ContextTableTest, ThePeerRegistersItsOwnInAnyOrder) {
  for (const std::uint64_t id : {1000u, 2u, 70'000u, 40u})
    EXPECT_TRUE(proxy.register_peers(id, {compressed, static_cast<std::uint32_t>(id)}));
  EXPECT_TRUE(proxy.register_peers(varint_max - 1, {marked, 1}));
  EXPECT_TRUE(client.register_peers(varint_max, {marked, 1}));
  for (const std::uint64_t id : {2u, 40u, 1000u, 70'000u})
    EXPECT_EQ(read(proxy, datagram(id, "x")), "1/" + std::to_string(id) + ":x");
  EXPECT_EQ(read(proxy, datagram(varint_max - 1, "x")), "2/1:x");
  EXPECT_EQ(read(proxy, datagram(42, "x")), "-");
}

TEST_F(ContextTableTest, ThePeerMayNotAllocateOurs) {
  for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{1}, varint_max, varint_max + 1})
    EXPECT_EQ(proxy.register_peers(id, {compressed, 0}).error().kind, ErrorKind::protocol) << id;
  for (const std::uint64_t id : {std::uint64_t{0}, std::uint64_t{2}, varint_max - 1, varint_max + 2})
    EXPECT_EQ(client.register_peers(id, {compressed, 0}).error().kind, ErrorKind::protocol) << id;
  EXPECT_EQ(proxy.registered(), 0u);
}

TEST_F(ContextTableTest, NoIdIsAllocatedTwice) {
  ASSERT_TRUE(proxy.register_peers(2, {compressed, 0}));
  EXPECT_EQ(proxy.register_peers(2, {marked, 0}).error().kind, ErrorKind::protocol);
  EXPECT_EQ(read(proxy, datagram(2, "x")), "1/0:x");
  proxy.close(2);
  EXPECT_EQ(read(proxy, datagram(2, "x")), "-");
  EXPECT_EQ(proxy.register_peers(2, {marked, 0}).error().kind, ErrorKind::protocol);
  EXPECT_EQ(proxy.allocate({compressed, 0}), 1u);
  proxy.close(1);
  EXPECT_EQ(proxy.allocate({compressed, 0}), 3u);
}

TEST_F(ContextTableTest, ClosingWhatIsNotThereDoesNothing) {
  proxy.close(0);
  proxy.close(2);
  ASSERT_TRUE(proxy.register_peers(4, {compressed, 0}));
  proxy.close(0);
  proxy.close(2);
  EXPECT_TRUE(proxy.register_peers(2, {compressed, 0}));
  EXPECT_EQ(read(proxy, "\0x"s), "0/0:x");
}

// docs/threat-model.md, "unknown context ID".
TEST_F(ContextTableTest, APeerThatRegistersWithoutEndIsBounded) {
  std::uint64_t id = 0;
  for (std::size_t i = 0; i < ContextTable::max_registered; ++i)
    ASSERT_TRUE(proxy.register_peers(id += 2, {compressed, 0}));
  EXPECT_EQ(proxy.register_peers(id + 2, {compressed, 0}).error().kind, ErrorKind::resource);
  EXPECT_EQ(proxy.allocate({compressed, 0}).error().kind, ErrorKind::resource);
  for (int i = 0; i < 10'000; ++i) {
    proxy.close(id);
    ASSERT_TRUE(proxy.register_peers(id += 2, {compressed, 0}));
  }
  EXPECT_EQ(proxy.registered(), ContextTable::max_registered);
  EXPECT_EQ(proxy.register_peers(id - 2, {compressed, 0}).error().kind, ErrorKind::protocol);
}

TEST_F(ContextTableTest, KnowsEachEndsPadding) {
  const std::string from_client = "\xbf\xff\xff\xfe" + std::string(1200, '\0');
  const std::string from_proxy = "\xbf\xff\xff\xff" + std::string(1200, '\0');
  EXPECT_EQ(as_text(client.padding_prefix()), "\xbf\xff\xff\xfe");
  EXPECT_EQ(as_text(proxy.padding_prefix()), "\xbf\xff\xff\xff");
  EXPECT_TRUE(proxy.is_padding(as_bytes(from_client)));
  EXPECT_FALSE(proxy.is_padding(as_bytes(from_proxy)));
  EXPECT_TRUE(client.is_padding(as_bytes(from_proxy)));
  EXPECT_FALSE(client.is_padding(as_bytes(from_client)));
  EXPECT_FALSE(client.is_padding(as_bytes("\xbf\xff\xff")));
  EXPECT_FALSE(client.is_padding({}));
  EXPECT_EQ(read(proxy, from_client), "-") << "nobody registered it";
}

TEST_F(ContextTableTest, APaddingIdThatThePeerRegistersIsItsContext) {
  const std::string datagram = "\xbf\xff\xff\xfe" + "x"s;
  ASSERT_TRUE(proxy.register_peers(0x3ffffffe, {marked, 3}));
  EXPECT_FALSE(proxy.is_padding(as_bytes(datagram)));
  EXPECT_EQ(read(proxy, datagram), "2/3:x");
}

}  // namespace
}  // namespace sallyport::masque
