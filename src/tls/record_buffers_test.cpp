#include "tls/record_buffers.h"

#include <array>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

std::string front(RecordInput& input, std::size_t count) {
  const auto found = input.front(count);
  return found ? std::string(as_text(*found)) : "none";
}

TEST(RecordInput, IsReadWhereItLies) {
  const std::string arriving = "abcdef";
  RecordInput input;
  input.arrive(as_bytes(arriving));
  const auto found = input.front(4);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->data(), as_bytes(arriving).data());
  input.skip(4);
  EXPECT_EQ(front(input, 3), "none");
  EXPECT_EQ(front(input, 2), "ef");
  EXPECT_EQ(input.size(), 2u);
}

TEST(RecordInput, WhatIsKeptIsJoinedWithWhatArrives) {
  RecordInput input;
  input.arrive(as_bytes(std::string_view("abc")));
  input.skip(1);
  input.settle();
  input.arrive(as_bytes(std::string_view("defgh")));
  EXPECT_EQ(front(input, 4), "bcde");
  const auto two = input.front(2);
  ASSERT_TRUE(two);
  input.skip(2);
  EXPECT_EQ(as_text(*two), "bc") << "it is valid beyond skip()";
  EXPECT_EQ(front(input, 2), "de");
  input.skip(2);
  EXPECT_EQ(front(input, 3), "fgh");
  input.skip(3);
  EXPECT_TRUE(input.empty());
  EXPECT_EQ(front(input, 0), "");
}

TEST(RecordInput, IsTakenFromBoth) {
  RecordInput input({'a', 'b', 'c'});
  input.arrive(as_bytes(std::string_view("def")));
  std::array<std::uint8_t, 4> out{};
  EXPECT_EQ(input.take(out), 4u);
  EXPECT_EQ(as_text(out), "abcd");
  EXPECT_EQ(input.take(out), 2u);
  EXPECT_EQ(as_text(Bytes(out).first(2)), "ef");
  EXPECT_EQ(input.take(out), 0u);
}

TEST(RecordInput, UnreadBytesCanBeTakenAway) {
  RecordInput input;
  input.arrive(as_bytes(std::string_view("abc")));
  input.skip(1);
  input.settle();
  EXPECT_EQ(as_text(input.take_kept()), "bc");
  EXPECT_TRUE(input.empty());
}

}  // namespace
}  // namespace sallyport::tls
