// Field sections with values that nghttp2 does not read: what the server answers, whatever the pieces they
// come in, and that HPACK's table stays what the client takes it for.
#include "http/h2_long_strings.h"

#include "http/h2_server_for_test.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

namespace sallyport::http::test {
namespace {

const std::string pseudo =
    hpack({{":method", "GET"}, {":scheme", "https"}, {":authority", "a"}, {":path", "/"}});

/// A literal without indexing, named "y".
std::string field(std::string_view value, bool huffman = false) {
  return std::string("\0\1y", 3) + hpack_string(value, huffman);
}

class H2LongStringsTest : public H2ServerTest {
 protected:
  /// The :status of the answer among `frames`, which must all be looked at; empty: none.
  std::string status_of(const std::vector<H2Frame>& frames, std::uint32_t stream) {
    std::string status;
    for (const H2Frame& frame : frames) {
      if (frame.type != h2_headers) continue;
      const auto* at = reinterpret_cast<const std::uint8_t*>(frame.payload.data());
      std::size_t left = frame.payload.size();
      while (true) {
        nghttp2_nv pair;
        int flags = 0;
        const auto used = nghttp2_hd_inflate_hd2(inflater_.get(), &pair, &flags, at, left, 1);
        if (used < 0) return "undecodable";
        at += used;
        left -= static_cast<std::size_t>(used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && frame.stream == stream && pair.namelen == 7)
          status.assign(reinterpret_cast<const char*>(pair.value), pair.valuelen);
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
      }
      nghttp2_hd_inflate_end_headers(inflater_.get());
    }
    return status;
  }
  /// Says `bytes` in pieces.
  std::vector<H2Frame> say_in(std::size_t piece, std::string_view bytes) {
    std::vector<H2Frame> frames;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
      std::ranges::move(say(bytes.substr(0, piece)), std::back_inserter(frames));
    return frames;
  }

 private:
  static nghttp2_hd_inflater* make_inflater() {
    nghttp2_hd_inflater* inflater = nullptr;
    nghttp2_hd_inflate_new(&inflater);
    return inflater;
  }
  std::unique_ptr<nghttp2_hd_inflater, void (*)(nghttp2_hd_inflater*)> inflater_{make_inflater(),
                                                                                 nghttp2_hd_inflate_del};
};

class H2LongValue : public H2LongStringsTest, public testing::WithParamInterface<std::size_t> {};

INSTANTIATE_TEST_SUITE_P(Octets, H2LongValue,
                         testing::Values(65'520, 65'536, 65'537, 70'000, 80'000, 90'000, 131'071, 131'072,
                                         131'073, 200'000, 458'751));

TEST_P(H2LongValue, Gets431) {
  begin();
  const std::string block = pseudo + field(std::string(GetParam(), 'v'));
  std::uint32_t stream = 1;
  for (const std::size_t piece : {std::size_t{7}, std::size_t{4'099}, std::size_t{1'000'000}}) {
    const auto frames = say_in(piece, h2_section(end_stream, stream, block));
    EXPECT_FALSE(find(frames, h2_goaway)) << piece;
    EXPECT_EQ(status_of(frames, stream), "431") << piece;
    stream += 2;
    EXPECT_EQ(status_of(say(h2_get(stream)), stream), "204") << piece;
    stream += 2;
  }
  EXPECT_EQ(requests.requests.size(), 3u);
}

TEST_P(H2LongValue, WhereverItsLengthIsCut) {
  begin();
  const std::string block = pseudo + field(std::string(GetParam(), 'v')) + field("z");
  std::uint32_t stream = 1;
  for (std::size_t first = pseudo.size() + 2; first < pseudo.size() + 9; ++first, stream += 2) {
    const std::string bytes = h2_section(end_stream, stream, block, first);
    auto frames = say_in(5, bytes.substr(0, 200));
    std::ranges::move(say(bytes.substr(200)), std::back_inserter(frames));
    EXPECT_FALSE(find(frames, h2_goaway)) << first;
    EXPECT_EQ(status_of(frames, stream), "431") << first;
  }
  EXPECT_TRUE(requests.requests.empty());
}

TEST_F(H2LongStringsTest, HuffmanCoded) {
  begin();
  // What it stands for is of no interest.
  for (const std::string& octets : {std::string(70'000, '\0'), std::string(90'000, '\xff')}) {
    const std::uint32_t stream = octets[0] == '\0' ? 1 : 3;
    const auto frames = say(h2_section(end_stream, stream, pseudo + field(octets, true)));
    EXPECT_EQ(status_of(frames, stream), "431");
  }
  EXPECT_TRUE(find(say(h2_get(5)), h2_headers, 5));
}

TEST_F(H2LongStringsTest, PaddedAndWithAPriority) {
  begin();
  const std::string block = pseudo + field(std::string(70'000, 'v'));
  constexpr std::uint8_t priority = 0x20;
  const std::string begin_of_block = '\3' + std::string("\0\0\0\0\7", 5) + block.substr(0, 10'000) + "\1\2\3";
  const auto frames =
      say(h2_frame(h2_headers, padded | priority | end_stream, 1, begin_of_block) +
          h2_frame(h2_continuation, 0, 1, block.substr(10'000, 16'000)) + h2_frame(h2_continuation, 0, 1) +
          h2_frame(h2_continuation, 0, 1, block.substr(26'000, 16'000)) +
          h2_frame(h2_continuation, 0, 1, block.substr(42'000, 16'000)) +
          h2_frame(h2_continuation, end_headers, 1, block.substr(58'000)));
  EXPECT_EQ(status_of(frames, 1), "431");
  EXPECT_EQ(status_of(say(h2_get(3)), 3), "204");
}

TEST_F(H2LongStringsTest, EmptyTheTableAsTheClientThinks) {
  const auto add = [](std::string_view name) { return '\x40' + hpack_string(name) + hpack_string("1"); };
  const std::string long_one = '\x40' + hpack_string("l") + hpack_string(std::string(70'000, 'v'));
  begin();
  say(h2_section(end_stream, 1, pseudo + add("first")));
  say(h2_section(end_stream, 3, pseudo + "\xbe"));
  ASSERT_EQ(requests.requests.size(), 2u);
  EXPECT_EQ(requests.last().request.fields.find("first"), "1");
  EXPECT_EQ(status_of(say(h2_section(end_stream, 5, pseudo + long_one + add("second"))), 5), "431");
  say(h2_section(end_stream, 7, pseudo + "\xbe"));
  ASSERT_EQ(requests.requests.size(), 3u);
  EXPECT_EQ(requests.last().request.fields.find("second"), "1");
  EXPECT_EQ(goaway_code(say(h2_section(end_stream, 9, pseudo + "\xbf"))), compression_error);
}

TEST_F(H2LongStringsTest, WhatIsLongerStillIsNghttp2sToRefuse) {
  begin();
  EXPECT_EQ(goaway_code(say(h2_section(end_stream, 1, pseudo + field(std::string(500'000, 'v'))))),
            compression_error);
}

TEST_F(H2LongStringsTest, ASectionThatEndsInsideALengthIsNotHeldBack) {
  begin();
  EXPECT_EQ(goaway_code(say(h2_section(end_stream, 1, pseudo + std::string("\0\1y\x7f\x80", 5)))),
            compression_error);
}

TEST_F(H2LongStringsTest, AFrameInsideASectionIsNotHeldBack) {
  begin();
  EXPECT_EQ(goaway_code(say(h2_frame(h2_headers, end_stream, 1, pseudo + std::string("\0\1y\x7f\x80", 5)) +
                            h2_frame(h2_ping, 0, 0, "12345678"))),
            protocol_error);
}

TEST_F(H2LongStringsTest, ALengthWithoutAnEndIsNotHeldBack) {
  begin();
  EXPECT_EQ(goaway_code(say(h2_frame(h2_headers, end_stream, 1, pseudo + std::string("\0\1y\x7f", 4)) +
                            h2_frame(h2_continuation, 0, 1, std::string(1000, '\x80')))),
            compression_error);
}

TEST(H2LongStrings, ASectionThatEndsInsideALongValueChangesNoneBehindIt) {
  H2LongStrings strings(true);
  const std::string cut = (pseudo + field(std::string(70'000, 'v'))).substr(0, 1000);
  strings.feed(as_bytes(h2_preface + h2_section(end_stream, 1, cut)));
  // :path, with a value by Huffman's code.
  const std::string next = h2_section(end_stream, 3, '\4' + hpack_string("z", true));
  EXPECT_EQ(as_text(strings.feed(as_bytes(next))), next);
}

TEST(H2LongStrings, OrdinarySectionsPassAsTheyAre) {
  H2LongStrings strings(true);
  const std::string bytes = h2_preface + h2_get(1) +
                            h2_section(end_stream, 3, pseudo + field(std::string(60'000, 'v'))) +
                            h2_frame(h2_data, padded, 1, std::string("\3x\0\0\0", 5));
  const Bytes given = as_bytes(bytes);
  const Bytes passed = strings.feed(given);
  EXPECT_EQ(passed.data(), given.data());
  EXPECT_EQ(passed.size(), given.size());
  std::string together;
  H2LongStrings in_pieces(true);
  for (const char c : bytes) together += as_text(in_pieces.feed(as_bytes({&c, 1})));
  EXPECT_EQ(together, bytes);
}

}  // namespace
}  // namespace sallyport::http::test
