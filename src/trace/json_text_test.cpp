#include "trace/json_text.h"

#include <limits>

#include <gtest/gtest.h>

namespace sallyport::trace {
namespace {

std::string text(std::string_view value) {
  std::string out;
  JsonText(out).text(value);
  return out;
}

std::string ms(Duration value) {
  std::string out;
  JsonText(out).milliseconds(value);
  return out;
}

TEST(JsonText, EscapesWhatJsonForbids) {
  EXPECT_EQ(text("plain /text/"), R"("plain /text/")");
  EXPECT_EQ(text("a\"b\\c\nd"), R"("a\"b\\c\nd")");
  EXPECT_EQ(text(std::string_view("\0\x1e\x7f", 3)), R"("\u0000\u001e\u007f")");
}

TEST(JsonText, KeepsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(text("h\xc3\xa9, \xe2\x82\xac, \xf0\x9f\x9a\xaa"),
            "\"h\xc3\xa9, \xe2\x82\xac, \xf0\x9f\x9a\xaa\"");
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(text("a\xff z"), "\"a" + bad + " z\"");
  EXPECT_EQ(text("\xc3"), "\"" + bad + "\"");                                // cut off
  EXPECT_EQ(text("\xc0\xaf"), "\"" + bad + bad + "\"");                      // overlong
  EXPECT_EQ(text("\xed\xa0\x80"), "\"" + bad + bad + bad + "\"");            // surrogate
  EXPECT_EQ(text("\xf4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"");  // beyond U+10FFFF
}

TEST(JsonText, PutsCommasInPlace) {
  std::string out;
  JsonText json(out);
  json.begin_object();
  json.number("a", 1u);
  json.array("b");
  json.number(std::uint64_t{2});
  json.begin_array();
  json.end_array();
  json.boolean(false);
  json.end_array();
  json.object("c");
  json.end_object();
  json.hex("d", as_bytes("\x01\xfe"));
  json.end_object();
  EXPECT_EQ(out, R"({"a":1,"b":[2,[],false],"c":{},"d":"01fe"})");
}

TEST(JsonText, WritesTimesWithoutNeedlessDigits) {
  EXPECT_EQ(ms(0ns), "0");
  EXPECT_EQ(ms(25ms), "25");
  EXPECT_EQ(ms(1500us), "1.5");
  EXPECT_EQ(ms(1ns), "0.000001");
  EXPECT_EQ(ms(-1500us), "-1.5");
  EXPECT_EQ(ms(Duration::min()), "-9223372036854.775807");
}

TEST(JsonText, WritesNoNumberThatJsonDoesNotKnow) {
  std::string out;
  JsonText json(out);
  json.begin_array();
  json.real(2.0005);
  json.real(std::numeric_limits<double>::infinity());
  json.real(std::numeric_limits<double>::quiet_NaN());
  json.number(std::numeric_limits<std::uint64_t>::max());
  json.number(std::numeric_limits<std::int64_t>::min());
  json.end_array();
  EXPECT_EQ(out, "[2.001,null,null,18446744073709551615,-9223372036854775808]");
}

}  // namespace
}  // namespace sallyport::trace
