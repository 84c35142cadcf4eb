#include "base/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Regex, MatchesWholeTexts) {
  const auto regex = Regex::make("/a(/[0-9]+)?");
  ASSERT_TRUE(regex);
  EXPECT_TRUE(regex->matches("/a"));
  EXPECT_TRUE(regex->matches("/a/17"));
  EXPECT_FALSE(regex->matches("/a/17/b"));
  EXPECT_FALSE(regex->matches("x/a"));
  EXPECT_FALSE(regex->matches(""));
}

TEST(Regex, SaysWhatIsWrong) {
  const auto open = Regex::make("(a");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().kind, ErrorKind::usage);
  EXPECT_THAT(open.error().message, HasSubstr("(a"));
  EXPECT_FALSE(Regex::make("(a)\\1")) << "no back-references: they take exponential time";
  EXPECT_FALSE(Regex::make(std::string(4097, 'a')));
  EXPECT_FALSE(Regex::make("((a{1000}){1000}){1000}")) << "too large when it is compiled";
}

TEST(Regex, TakesLinearTime) {
  const auto regex = Regex::make("(a*)*b");
  ASSERT_TRUE(regex);
  EXPECT_FALSE(regex->matches(std::string(100'000, 'a')));
}

TEST(Regex, TakesAnyOctet) {
  const auto regex = Regex::make("/a/.*");
  ASSERT_TRUE(regex);
  EXPECT_TRUE(regex->matches("/a/\xff")) << "no UTF-8";
  EXPECT_TRUE(regex->matches("/a/\n/b"));
}

TEST(RegexSet, ManyLargeOnesAreTriedOneByOne) {
  std::vector<std::string> patterns;
  for (int i = 0; i < 100; ++i) patterns.push_back("/" + std::to_string(i) + "(.{1,900})");
  const RegexSet set(patterns);
  EXPECT_THAT(set.matches("/17x"), ElementsAre(1, 17));
  EXPECT_THAT(set.matches("x"), IsEmpty());
}

TEST(RegexSet, SaysWhichMatch) {
  EXPECT_TRUE(RegexSet().empty());
  EXPECT_THAT(RegexSet().matches("/a"), IsEmpty());
  const RegexSet set({"/a.*", "/b", "/.*c"});
  EXPECT_FALSE(set.empty());
  EXPECT_THAT(set.matches("/a"), ElementsAre(0));
  EXPECT_THAT(set.matches("/abc"), ElementsAre(0, 2));
  EXPECT_THAT(set.matches("/b"), ElementsAre(1));
  EXPECT_THAT(set.matches("/bb"), IsEmpty());
  EXPECT_THAT(set.matches("x/b"), IsEmpty());
}

}  // namespace
}  // namespace sallyport
