#include "http/structured_field.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using Kind = StructuredItem::Kind;
using ::testing::ElementsAre;
using Lines = std::vector<std::string>;

/// As written, with what its parameters are: "a {b=?1}".
std::string shown(const StructuredItem& item) {
  std::string out(item.written);
  StructuredParameters parameters(item);
  std::string_view key;
  StructuredItem value;
  while (parameters.next(key, value)) ((((out += " {") += key) += "=") += value.written) += "}";
  return out;
}

/// The members of a List; nullopt: malformed.
std::optional<Lines> list(std::string_view value) {
  Lines lines;
  StructuredField field(value);
  StructuredItem member;
  while (field.next(member)) lines.push_back(shown(member));
  EXPECT_FALSE(field.next(member)) << "after its end: " << value;
  if (field.malformed()) return std::nullopt;
  return lines;
}

/// The members of a Dictionary; nullopt: malformed.
std::optional<Lines> dictionary(std::string_view value) {
  Lines lines;
  StructuredField field(value);
  std::string_view key;
  StructuredItem member;
  while (field.next(key, member)) lines.push_back((std::string(key) + ": ") += shown(member));
  EXPECT_FALSE(field.next(key, member)) << "after its end: " << value;
  if (field.malformed()) return std::nullopt;
  return lines;
}

/// The only member of a List.
StructuredItem item(std::string_view value) {
  StructuredField field(value);
  StructuredItem member, more;
  EXPECT_TRUE(field.next(member)) << value;
  EXPECT_FALSE(field.next(more)) << value;
  EXPECT_FALSE(field.malformed()) << value;
  return member;
}

// RFC 9651 §3.1
TEST(StructuredField, ReadsLists) {
  EXPECT_THAT(*list("sugar, tea, rum"), ElementsAre("sugar", "tea", "rum"));
  EXPECT_THAT(*list("sugar,tea \t,\t rum \t"), ElementsAre("sugar", "tea", "rum"));
  EXPECT_THAT(*list("  a"), ElementsAre("a"));
  EXPECT_EQ(list(""), Lines{});
  EXPECT_EQ(list("   "), Lines{});
}

// RFC 9651 §3.1.1
TEST(StructuredField, ReadsInnerLists) {
  EXPECT_THAT(*list(R"(("foo" "bar"), ("baz"), ("bat" "one"), ())"),
              ElementsAre(R"(("foo" "bar"))", R"(("baz"))", R"(("bat" "one"))", "()"));
  EXPECT_THAT(*list(R"(("foo"; a=1;b=2);lvl=5, ("bar" "baz");lvl=1)"),
              ElementsAre(R"(("foo"; a=1;b=2) {lvl=5})", R"(("bar" "baz") {lvl=1})"));
  EXPECT_EQ(item("(  a  b  )").kind, Kind::inner_list);
}

// RFC 9651 §3.1.2
TEST(StructuredField, ReadsParameters) {
  EXPECT_THAT(*list(R"(abc;a=1;b=2; cde_456, (ghi;jk=4 l);q="9";r=w)"),
              ElementsAre("abc {a=1} {b=2} {cde_456=?1}", R"((ghi;jk=4 l) {q="9"} {r=w})"));
  EXPECT_THAT(*list("1; a; b=?0"), ElementsAre("1 {a=?1} {b=?0}"));
  EXPECT_THAT(*list("a;*=1;x=2;x=3"), ElementsAre("a {*=1} {x=2} {x=3}"));
}

// RFC 9651 §3.2
TEST(StructuredField, ReadsDictionaries) {
  EXPECT_THAT(*dictionary(R"(en="Applepie", da=:w4ZibGV0w6ZydGU=:)"),
              ElementsAre(R"(en: "Applepie")", "da: :w4ZibGV0w6ZydGU=:"));
  EXPECT_THAT(*dictionary("a=?0, b, c; foo=bar"), ElementsAre("a: ?0", "b: ?1", "c: ?1 {foo=bar}"));
  EXPECT_THAT(*dictionary("rating=1.5, feelings=(joy sadness)"),
              ElementsAre("rating: 1.5", "feelings: (joy sadness)"));
  EXPECT_THAT(*dictionary("a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid"),
              ElementsAre("a: (1 2)", "b: 3", "c: 4 {aa=bb}", "d: (5 6) {valid=?1}"));
  EXPECT_THAT(*dictionary("foo=1, bar=2, foo=3"), ElementsAre("foo: 1", "bar: 2", "foo: 3"));
  EXPECT_EQ(dictionary(""), Lines{});
}

// RFC 9651 §3.3
TEST(StructuredField, ReadsBareItems) {
  const auto expect_is = [](std::string_view value, Kind kind, std::int64_t number = 0) {
    EXPECT_EQ(item(value).kind, kind) << value;
    EXPECT_EQ(item(value).number, number) << value;
    EXPECT_EQ(item(value).written, value);
  };
  expect_is("42", Kind::integer, 42);
  expect_is("-0", Kind::integer, 0);
  expect_is("042", Kind::integer, 42);
  expect_is("999999999999999", Kind::integer, 999'999'999'999'999);
  expect_is("-999999999999999", Kind::integer, -999'999'999'999'999);
  expect_is("4.5", Kind::decimal, 4500);
  expect_is("-0.125", Kind::decimal, -125);
  expect_is("999999999999.999", Kind::decimal, 999'999'999'999'999);
  expect_is(R"("hello world")", Kind::string);
  expect_is("foo123/456", Kind::token);
  expect_is("*a:b!~", Kind::token);
  expect_is(":cHJldGVuZCB0aGlzIGlzIGJpbmFyeSBjb250ZW50Lg==:", Kind::byte_sequence);
  expect_is("::", Kind::byte_sequence);
  expect_is("?1", Kind::boolean, 1);
  expect_is("?0", Kind::boolean, 0);
}

TEST(StructuredField, TextIsWithoutQuotesAndEscapes) {
  EXPECT_EQ(item(R"("hello world")").text(), "hello world");
  EXPECT_EQ(item(R"("a \"b\" \\")").text(), R"(a "b" \)");
  EXPECT_EQ(item(R"("")").text(), "");
  EXPECT_EQ(item("foo123/456").text(), "foo123/456");
  EXPECT_EQ(item(":aGk=:").text(), ":aGk=:");
  EXPECT_EQ(StructuredItem{}.text(), "?1");
}

TEST(StructuredField, RefusesMalformedMembers) {
  for (const char* bad : {"-",        "--1",      "1.",           "1..2",    "1.2345", "1234567890123456",
                          "-1.",      ".5",       "1a",           "-a",      "\"a",    "\"\\a\"",
                          "\"\x01\"", "\"\x7f\"", "\"\xc3\xa4\"", "\"\\",    "?",      "?2",
                          "?true",    ":a",       ":a b:",        ":_:",     ":",      "1234567890123.1",
                          "(",        "(a",       "(a b",         "(a,b)",   "(a\tb)", "(\"a\"\"b\")",
                          "((a))",    ")",        "a;",           "a;=1",    "a;A=1",  "a;b=",
                          "a;b=(c)",  "a ;b",     "a; \tb",       "a=1;b,c", "@1",     "%\"a\"",
                          "=",        "\xc3",     "!a",           "a b",     "\ta"}) {
    EXPECT_EQ(list(bad), std::nullopt) << bad;
    EXPECT_EQ(dictionary(std::string("k=") + bad), std::nullopt) << bad;
  }
}

TEST(StructuredField, RefusesMalformedSeparators) {
  for (const char* bad : {",", "a,", "a, ", ",a", "a,,b", "a, ,b", "a;b,"}) {
    EXPECT_EQ(list(bad), std::nullopt) << bad;
    EXPECT_EQ(dictionary(bad), std::nullopt) << bad;
  }
  for (const char* bad : {"A=1", "1=a", "=1", "a=", "a==1", "a =1", "a= 1", "a:b", "_a"})
    EXPECT_EQ(dictionary(bad), std::nullopt) << bad;
}

TEST(StructuredField, StaysMalformed) {
  StructuredField field("a, b c, d");
  StructuredItem member;
  EXPECT_TRUE(field.next(member));
  EXPECT_TRUE(field.next(member));
  EXPECT_FALSE(field.malformed()) << "nobody looked yet";
  EXPECT_FALSE(field.next(member));
  EXPECT_TRUE(field.malformed());
  EXPECT_FALSE(field.next(member));
  EXPECT_TRUE(field.malformed());
}

TEST(StructuredField, WritesTokensAndStrings) {
  EXPECT_TRUE(is_structured_token("gw-1.example:443"));
  for (const char* text : {"", "1a", "a b", "\"a\"", "a,"}) EXPECT_FALSE(is_structured_token(text)) << text;
  std::string out = "a=";
  append_structured_string(out, "b \"c\" \\\x1b\xc3");
  EXPECT_EQ(out, R"(a="b \"c\" \\??")");
}

}  // namespace
}  // namespace sallyport::http
