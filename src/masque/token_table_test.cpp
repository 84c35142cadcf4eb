#include "masque/token_table.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using testing::HasSubstr;
using testing::Not;

std::shared_ptr<const TokenTable> parsed(std::string_view content) {
  auto table = TokenTable::parse(content, "tokens");
  EXPECT_TRUE(table) << content << ": " << (table ? "" : table.error().message);
  return table.value_or(nullptr);
}

std::string owner(const TokenTable& table, std::string_view token) {
  const Identity* identity = table.find(TokenTable::credential_of(token));
  return identity == nullptr ? "nobody" : identity->name;
}

TEST(TokenTable, HasANameForEachToken) {
  const auto table = parsed(
      "# who may\n"
      "\n"
      "alice aaaaaaaaaaaaaaaa\r\n"
      " \t \n"
      "   # not yet: dave dddddddddddddddd\n"
      "\tbob@example.org \t bbbbbbbbbbbbbbb= \n"
      "alice new-token-of-alice\n"
      "carol cccccccccccccccc");
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(table->size(), 4u);
  EXPECT_EQ(owner(*table, "aaaaaaaaaaaaaaaa"), "alice");
  EXPECT_EQ(owner(*table, "new-token-of-alice"), "alice");
  EXPECT_EQ(owner(*table, "bbbbbbbbbbbbbbb="), "bob@example.org");
  EXPECT_EQ(owner(*table, "cccccccccccccccc"), "carol");
  for (const char* wrong :
       {"", "aaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaa", "AAAAAAAAAAAAAAAA", "dddddddddddddddd", "alice"})
    EXPECT_EQ(owner(*table, wrong), "nobody") << wrong;
  EXPECT_TRUE(table->has_name("alice"));
  EXPECT_FALSE(table->has_name("dave"));
  EXPECT_TRUE(table->weak_lines().empty());
}

TEST(TokenTable, ALineEndsWithOrWithoutCarriageReturnAndTheFileMayBeginWithAMark) {
  const auto table = parsed(
      "\xef\xbb\xbf"
      "alice aaaaaaaaaaaaaaaa\r\nbob bbbbbbbbbbbbbbbb\r\n");
  ASSERT_NE(table, nullptr);
  EXPECT_EQ(owner(*table, "aaaaaaaaaaaaaaaa"), "alice");
  EXPECT_EQ(owner(*table, "bbbbbbbbbbbbbbbb"), "bob");
}

TEST(TokenTable, TheSameTokenIsTheSameCredentialInEveryTable) {
  EXPECT_EQ(parsed("a tttttttttttttttt")->find(TokenTable::credential_of("tttttttttttttttt"))->credential,
            parsed("b tttttttttttttttt\nc uuuuuuuuuuuuuuuu")
                ->find(TokenTable::credential_of("tttttttttttttttt"))
                ->credential);
}

TEST(TokenTable, ShortTokensAreToldOf) {
  EXPECT_EQ(parsed("# \na aaaaaaaaaaaaaaa\nb bbbbbbbbbbbbbbbb\nc x")->weak_lines(),
            (std::vector<std::size_t>{2, 4}));
}

TEST(TokenTable, WhatIsWrongIsSaidWithFileAndLineAndWithoutTheToken) {
  const std::string good = "alice aaaaaaaaaaaaaaaa\n";
  struct Case {
    std::string content, where, what;
  };
  for (const Case& c : {
           Case{good + "secret-token-alone\n", "line 2 of tokens", "has one word"},
           Case{good + "\nbob secret-token laptop", "line 3 of tokens", "comment needs a line of its own"},
           Case{good + "bob secret-token # laptop", "line 2 of tokens", "comment needs a line of its own"},
           Case{"bob secret-token:x\n", "line 1 of tokens", "no bearer token (RFC 6750)"},
           Case{"bob secret=token\n", "line 1 of tokens", "no bearer token (RFC 6750)"},
           Case{"bob secret-t\xc3\xb6ken\n", "line 1 of tokens", "no bearer token (RFC 6750)"},
           Case{"bob secret-token\r\r\n", "line 1 of tokens", "no bearer token (RFC 6750)"},
           Case{std::string("bob secret-token\0x\n", 19), "line 1 of tokens", "no bearer token (RFC 6750)"},
           Case{"b\xc3\xb6"
                "b secret-token\n",
                "line 1 of tokens", "a name with other characters"},
           Case{"\"bob\" secret-token\n", "line 1 of tokens", "a name with other characters"},
           Case{std::string(65, 'n') + " secret-token\n", "line 1 of tokens",
                "name of more than 64 characters"},
           Case{good + good, "line 2 of tokens", "has the token of line 1"},
           Case{good + "# x\nbob aaaaaaaaaaaaaaaa\n", "line 3 of tokens", "has the token of line 1"},
           Case{good + "bob " + std::string(2045, 's'), "line 2 of tokens", "is longer than 2048 bytes"},
           Case{"# " + std::string(3000, 'x') + "\n" + good, "line 1 of tokens", "is longer than 2048 bytes"},
       }) {
    const auto table = TokenTable::parse(c.content, "tokens");
    ASSERT_FALSE(table) << c.content;
    EXPECT_EQ(table.error().kind, ErrorKind::file);
    EXPECT_THAT(table.error().message, HasSubstr(c.where)) << c.content;
    EXPECT_THAT(table.error().message, HasSubstr(c.what)) << c.content;
    EXPECT_THAT(table.error().message, Not(HasSubstr("secret"))) << c.content;
    EXPECT_THAT(table.error().message, Not(HasSubstr("aaaa"))) << c.content;
    EXPECT_THAT(table.error().message, Not(HasSubstr("\n"))) << c.content;
  }
  const auto longest = TokenTable::parse("bob " + std::string(2044, 's'), "tokens");
  EXPECT_TRUE(longest) << longest.error().message;
}

TEST(TokenTable, ThousandsAreFound) {
  std::string content;
  for (int i = 0; i < 5000; ++i)
    content += "user" + std::to_string(i) + " token-number-" + std::to_string(i) + "\n";
  const auto table = parsed(content);
  for (int i = 0; i < 5000; i += 7)
    EXPECT_EQ(owner(*table, "token-number-" + std::to_string(i)), "user" + std::to_string(i));
  EXPECT_EQ(owner(*table, "token-number-5000"), "nobody");
}

}  // namespace
}  // namespace sallyport::masque
