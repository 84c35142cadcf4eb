#include "base/file.h"
#include "base/folder_for_test.h"
#include "cli/run_for_test.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::HasSubstr;

constexpr const char* qlog =
    "\x1e{\"qlog_version\":\"0.3\",\"qlog_format\":\"JSON-SEQ\",\"title\":\"%\",\"trace\":{}}\n";

TEST(TraceSummary, TakesTheQlogFilesOfAFolder) {
  const FolderForTest folder;
  const auto write = [&](const std::string& name, const std::string& title) {
    std::string text = qlog;
    text.replace(text.find('%'), 1, title);
    ASSERT_TRUE(write_file(folder / name, text, 0600, IfExists::refuse));
  };
  write("b.sqlog", "second");
  write("a.qlog", "first");
  write("c.json", "third");
  std::filesystem::create_directory(folder / "empty");
  const test::Outcome all = test::sallyport({"trace", "summary", "--json", folder.path()});
  EXPECT_EQ(all.status, 0) << all.err;
  EXPECT_THAT(all.out, HasSubstr("a.qlog"));
  EXPECT_THAT(all.out, HasSubstr("b.sqlog"));
  EXPECT_EQ(all.out.find("c.json"), std::string::npos);
  const test::Outcome none = test::sallyport({"trace", "summary", folder / "empty"});
  EXPECT_EQ(none.status, 1);
  EXPECT_EQ(none.err, "sallyport: the folder " + folder / "empty" + " has no qlog file (.sqlog, .qlog)\n");
}

}  // namespace
}  // namespace sallyport::cli
