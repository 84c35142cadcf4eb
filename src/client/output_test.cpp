#include "client/output.h"

#include "client/content_range.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace sallyport::client {
namespace {

using testing::ElementsAre;

class Folder {
 public:
  Folder() {
    path_ = std::filesystem::temp_directory_path() / ("sallyport-output-" + std::to_string(::getpid()));
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(ByteRanges, JoinsWhatTouchesAndKeepsOrder) {
  std::vector<ByteRange> ranges;
  add_range(ranges, {10, 20});
  add_range(ranges, {30, 40});
  add_range(ranges, {0, 5});
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 5}, ByteRange{10, 20}, ByteRange{30, 40}));
  add_range(ranges, {20, 30});
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 5}, ByteRange{10, 40}));
  add_range(ranges, {3, 12});
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 40}));
  add_range(ranges, {7, 7});
  EXPECT_THAT(ranges, ElementsAre(ByteRange{0, 40}));
}

TEST(ByteRanges, FindsWhatIsMissing) {
  EXPECT_THAT(missing_ranges({}, 10), ElementsAre(ByteRange{0, 10}));
  EXPECT_THAT(missing_ranges({{2, 4}, {6, 10}}, 10), ElementsAre(ByteRange{0, 2}, ByteRange{4, 6}));
  EXPECT_TRUE(missing_ranges({{0, 10}}, 10).empty());
}

TEST(ContentRange, TakesOnlyWhatTheRfcAllows) {
  const auto range = parse_content_range("bytes 0-99/1234");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->range, (ByteRange{0, 100}));
  EXPECT_EQ(range->size, 1234u);
  for (const char* bad : {"bytes 0-99/*", "bytes */1234", "bytes 100-99/1234", "bytes 0-1234/1234",
                          "bytes=0-9/10", "", "bytes 0-9", "bytes -1-9/10", "bytes 0-99999999999999999999/1"})
    EXPECT_FALSE(parse_content_range(bad)) << bad;
}

TEST(Output, TakesItsNameOnlyWhenWhole) {
  Folder folder;
  auto output = open_output(folder / "file", "https://a/", false);
  ASSERT_TRUE(output) << output.error().message;
  ASSERT_TRUE((*output)->write_at(3, as_bytes("def")));
  ASSERT_TRUE((*output)->write_at(0, as_bytes("abc")));
  EXPECT_FALSE(std::filesystem::exists(folder / "file"));
  ASSERT_TRUE((*output)->complete());
  EXPECT_EQ(content(folder / "file"), "abcdef");
  EXPECT_FALSE(std::filesystem::exists(folder / "file.part"));
}

TEST(Output, RemembersWhereItStoppedForTheSameUrlOnly) {
  Folder folder;
  {
    auto output = open_output(folder / "file", "https://a/", false);
    ASSERT_TRUE((*output)->write_at(0, as_bytes("abc")));
    (*output)->note_progress({"https://a/", "\"tag\"", 6, {{0, 3}}}, true);
  }
  {
    auto other = open_output(folder / "other", "https://b/", true);
    EXPECT_TRUE((*other)->earlier().done.empty());
  }
  auto output = open_output(folder / "file", "https://a/", true);
  const PartState state = (*output)->earlier();
  EXPECT_EQ(state.validator, "\"tag\"");
  EXPECT_EQ(state.size, 6u);
  EXPECT_THAT(state.done, ElementsAre(ByteRange{0, 3}));
  ASSERT_TRUE((*output)->write_at(3, as_bytes("def")));
  ASSERT_TRUE((*output)->complete());
  EXPECT_EQ(content(folder / "file"), "abcdef");
  EXPECT_FALSE(std::filesystem::exists(folder / "file.part.json"));
}

TEST(Output, DoesNotBelieveAStateThatPromisesMoreThanTheFileHolds) {
  Folder folder;
  {
    auto output = open_output(folder / "file", "https://a/", false);
    ASSERT_TRUE((*output)->write_at(0, as_bytes("abc")));
    (*output)->note_progress({"https://a/", "\"tag\"", 6, {{0, 3}, {4, 6}}}, true);
  }
  auto output = open_output(folder / "file", "https://a/", true);
  EXPECT_THAT((*output)->earlier().done, ElementsAre(ByteRange{0, 3}));
}

TEST(Output, SaysWhichFileAndWhy) {
  auto output = open_output("/nonexistent/folder/file", "https://a/", false);
  ASSERT_FALSE(output);
  EXPECT_THAT(output.error().message, testing::HasSubstr("/nonexistent/folder/file.part"));
  auto folder = open_output("/tmp", "https://a/", false);
  ASSERT_FALSE(folder);
  EXPECT_THAT(folder.error().message, testing::HasSubstr("is a directory"));
}

}  // namespace
}  // namespace sallyport::client
