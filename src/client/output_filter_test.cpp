#include "client/output_filter.h"

#include "base/file.h"
#include "base/folder_for_test.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

/// Something that keeps nothing, as a pipe.
class Stream final : public Output {
 public:
  explicit Stream(std::string& text) : text_(text) {}
  bool seekable() const override { return false; }
  Result<> write_at(std::uint64_t, Bytes bytes) override {
    text_ += as_text(bytes);
    return {};
  }

 private:
  std::string& text_;
};

TEST(HeadedOutput, PutsHeadsBeforeTheBodyOfAStreamAtOnce) {
  std::string text;
  HeadedOutput output(std::make_unique<Stream>(text));
  ASSERT_TRUE(output.write_head("one\n"));
  EXPECT_EQ(text, "one\n");
  ASSERT_TRUE(output.write_head("two\n"));
  ASSERT_TRUE(output.write_at(0, as_bytes("body")));
  ASSERT_TRUE(output.complete());
  EXPECT_EQ(text, "one\ntwo\nbody");
}

TEST(HeadedOutput, AFileHasThemToo) {
  const FolderForTest folder;
  HeadedOutput output(*open_output(folder / "f", "https://a/", false));
  EXPECT_FALSE(output.seekable()) << "or the body would be split";
  ASSERT_TRUE(output.write_head("head\n"));
  ASSERT_TRUE(output.write_at(0, as_bytes("bo")));
  ASSERT_TRUE(output.write_at(2, as_bytes("dy")));
  ASSERT_TRUE(output.complete());
  EXPECT_EQ(folder.content("f"), "head\nbody");
}

TEST(HeadedOutput, AHeadAloneIsAFile) {
  const FolderForTest folder;
  HeadedOutput output(*open_output(folder / "f", "https://a/", false));
  ASSERT_TRUE(output.write_head("head\n"));
  ASSERT_TRUE(output.complete());
  EXPECT_EQ(folder.content("f"), "head\n");
}

TEST(HeadedOutput, AFileIsNotTouchedByAResponseThatIsNotKept) {
  const FolderForTest folder;
  {
    HeadedOutput output(*open_output(folder / "f", "https://a/", false));
    ASSERT_TRUE(output.write_head("head\n"));
  }
  EXPECT_FALSE(file_exists(folder / "f"));
  EXPECT_FALSE(file_exists(folder / "f.part"));
}

TEST(TerminalGuard, RefusesWhatIsBinaryNearItsBeginning) {
  using namespace std::string_view_literals;
  std::string text;
  TerminalGuard guard(std::make_unique<Stream>(text));
  EXPECT_TRUE(guard.write_at(0, as_bytes("\xc3\xa4\x1b\n")));
  const auto refused = guard.write_at(4, as_bytes("a\0b"sv));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("-o FILE"));
  EXPECT_TRUE(guard.write_at(2000, as_bytes("a\0b"sv)));
  EXPECT_FALSE(guard.write_at(1999, as_bytes("\0"sv)));
  EXPECT_TRUE(guard.write_at(1999, as_bytes("a\0"sv))) << "as curl, which looks at the first 2000 bytes";
}

}  // namespace
}  // namespace sallyport::client
