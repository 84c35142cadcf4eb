#include "base/escape.h"

#include <array>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport {
namespace {

using namespace std::string_view_literals;

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

std::string json(std::string_view text) {
  std::string out;
  append_json_escaped(out, text);
  return out;
}

struct Case {
  std::string_view text, line, json;
};

// Printable characters stay; others are shown as escapes.
constexpr std::array cases{
    Case{"plain words, 1 + 1 = 2"sv, "plain words, 1 + 1 = 2"sv, "plain words, 1 + 1 = 2"sv},
    Case{"\xc3\xa9\xe6\x97\xa5\xe6\x9c\xac"sv, "\xc3\xa9\xe6\x97\xa5\xe6\x9c\xac"sv,
         "\xc3\xa9\xe6\x97\xa5\xe6\x9c\xac"sv},
    Case{"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80"sv, "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80"sv,
         "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80"sv},  // joined emoji
    Case{"a\x1b[2Jb"sv, "a\\x1b[2Jb"sv, "a\\u001b[2Jb"sv},   // ESC
    Case{"a\nb\tc\rd"sv, "a\\nb\\tc\\x0dd"sv, "a\\nb\\tc\\u000dd"sv},
    Case{"\0\x07\x7f"sv, "\\x00\\x07\\x7f"sv, "\\u0000\\u0007\\u007f"sv},  // NUL, BEL, DEL
    Case{"\xc2\x9b"sv, "\\u{009b}"sv, "\\u009b"sv},                        // CSI as one C1 character
    Case{"\xc2\x85\xc2\xa0"sv, "\\u{0085}\xc2\xa0"sv,
         "\\u0085\xc2\xa0"sv},                    // NEL; a no-break space is no control
    Case{"\x9b"sv, "\\x9b"sv, "\xef\xbf\xbd"sv},  // the same as a bare byte
    Case{"\xe2\x80\xae"
         "exe.txt"sv,
         "\\u{202e}exe.txt"sv, "\\u202eexe.txt"sv},  // right-to-left override
    Case{"\xe2\x81\xa6x\xe2\x81\xa9"sv, "\\u{2066}x\\u{2069}"sv, "\\u2066x\\u2069"sv},
    Case{"\xe2\x80\xa8"sv, "\\u{2028}"sv, "\\u2028"sv},                                     // line separator
    Case{"\xf3\xa0\x81\x81"sv, "\\u{e0041}"sv, "\\udb40\\udc41"sv},                         // a tag
    Case{"\xc0\x80"sv, "\\xc0\\x80"sv, "\xef\xbf\xbd\xef\xbf\xbd"sv},                       // overlong NUL
    Case{"\xed\xa0\x80"sv, "\\xed\\xa0\\x80"sv, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"sv},  // a surrogate
    Case{"\xf4\x90\x80\x80"sv, "\\xf4\\x90\\x80\\x80"sv,
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"sv},
    Case{"cut \xe6\x97"sv, "cut \\xe6\\x97"sv, "cut \xef\xbf\xbd\xef\xbf\xbd"sv},
};

TEST(Escape, WhatCanBeReadStaysAndTheRestShowsWhatItWas) {
  for (const Case& each : cases) {
    EXPECT_EQ(escaped(each.text), each.line);
    EXPECT_EQ(json(each.text), each.json);
    EXPECT_TRUE(is_utf8(json(each.text)));
    EXPECT_TRUE(is_utf8(escaped(each.text)));
  }
}

TEST(Escape, TellsUtf8FromWhatLooksLikeIt) {
  // The first and the last of each length, and those beside the surrogates.
  for (const std::string_view right :
       {"\0"sv, "\x7f"sv, "\xc2\x80"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv, "\xee\x80\x80"sv,
        "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv}) {
    EXPECT_EQ(utf8_sequence(right), right.size()) << escaped(right);
    EXPECT_EQ(utf8_sequence(std::string(right) + "\x80"), right.size()) << "what follows is not its own";
    for (std::size_t cut = 1; cut < right.size(); ++cut)
      EXPECT_EQ(utf8_sequence(right.substr(0, cut)), 0u) << "cut to " << cut;
  }
  // A continuation without a lead, overlong forms, surrogates, beyond U+10FFFF, and other bytes than
  // continuations behind a lead.
  for (const std::string_view wrong :
       {"\x80"sv, "\xbf"sv, "\xc0\xaf"sv, "\xc1\xbf"sv, "\xe0\x9f\xbf"sv, "\xed\xa0\x80"sv, "\xed\xbf\xbf"sv,
        "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff\xbf\xbf\xbf"sv, "\xc2\x7f"sv,
        "\xc2\xc0"sv, "\xe1\x80\x7f"sv, "\xf1\x80\x80\xc0"sv}) {
    EXPECT_EQ(utf8_sequence(wrong), 0u) << escaped(wrong);
    EXPECT_FALSE(is_utf8(wrong)) << escaped(wrong);
  }
}

TEST(Escape, EveryByteAndEveryPairOfThemComesOutAsUtf8WithoutControls) {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      const std::array<char, 2> bytes{static_cast<char>(first), static_cast<char>(second)};
      for (const std::string& out :
           {escaped({bytes.data(), 2}), quoted({bytes.data(), 2}), json({bytes.data(), 2})}) {
        ASSERT_TRUE(is_utf8(out));
        for (const char c : out) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
      }
    }
}

TEST(Escape, QuotesAndBackslashesCannotEndAQuotedString) {
  EXPECT_EQ(quoted("a\"b\\c\n\x1b\xff"), "a\\\"b\\\\c\\n\\x1b\\xff");
  EXPECT_EQ(json("a\"b\\c"), "a\\\"b\\\\c");
  EXPECT_EQ(escaped("C:\\x \"y\""), "C:\\x \"y\"");
}

TEST(Escape, APageKeepsItsLines) {
  EXPECT_EQ(escaped_page("one\ntwo\x1b\r\n"), "one\ntwo\\x1b\\x0d\n");
}

TEST(Escape, JsonThatALibraryPrintedStaysTheSameDocument) {
  EXPECT_EQ(escaped_json("{\"a\":\"\\u001b\\\"\xff\x7f\xc2\x9b\"}\n"),
            "{\"a\":\"\\u001b\\\"\xef\xbf\xbd\\u007f\\u009b\"}\n");
  EXPECT_EQ(escaped_json(R"({"a1E2":[1.5E0,-2E3,1E-5,0E0,12,-3,1.25,1E300],"1E1":"\"1E1"})").substr(0, 50),
            R"({"a1E2":[1.5,-2000,0.00001,0,12,-3,1.25,1000000000)");
  EXPECT_EQ(escaped_json(R"(["\"1E1",1E1])"), R"(["\"1E1",10])");
}

TEST(Escape, AFrontCutsNoSequence) {
  EXPECT_EQ(utf8_front("ab\xe6\x97\xa5", 4), "ab");
  EXPECT_EQ(utf8_front("ab\xe6\x97\xa5", 5), "ab\xe6\x97\xa5");
  EXPECT_EQ(utf8_front("abc", 2), "ab");
  EXPECT_EQ(utf8_front("\x80\x80\x80\x80\x80\x80", 5).size(), 2u);
}

}  // namespace
}  // namespace sallyport
