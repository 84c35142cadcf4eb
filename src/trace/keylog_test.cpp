#include "trace/keylog.h"

#include "trace/test_folder.h"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <thread>

#include <sys/stat.h>

namespace sallyport::trace {
namespace {

TEST(KeyLog, AppendsLinesAndIsPrivate) {
  const test::Folder folder;
  const std::string path = folder.path() + "/keys";
  for (const std::string_view line : {"CLIENT_RANDOM aa bb", "QUIC_X cc dd"}) {
    auto log = open_key_log(path);
    ASSERT_TRUE(log) << log.error().message;
    (*log)->write(line);
  }
  EXPECT_EQ(test::content_of(path), "CLIENT_RANDOM aa bb\nQUIC_X cc dd\n");
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(KeyLog, IsCheckedWithoutATrace) {
  const test::Folder folder;
  EXPECT_TRUE(check_key_log(folder.path() + "/keys"));
  EXPECT_FALSE(open_key_log(folder.path() + "/nowhere/keys"));
  for (const std::string& path : {folder.path() + "/nowhere/keys", folder.path()})
    EXPECT_EQ(check_key_log(path).error().message, open_key_log(path).error().message);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(KeyLog, LinesOfSeveralThreadsNeverMix) {
  const test::Folder folder;
  const std::string path = folder.path() + "/keys";
  auto log = open_key_log(path);
  ASSERT_TRUE(log);
  {
    std::vector<std::jthread> threads;
    for (char letter : {'a', 'b', 'c', 'd'})
      threads.emplace_back([&log, letter] {
        for (int i = 0; i < 500; ++i) (*log)->write(std::string(180, letter));
      });
  }
  std::istringstream lines(test::content_of(path));
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_EQ(line.size(), 180u);
    ASSERT_EQ(std::ranges::count(line, line[0]), 180);
  }
  EXPECT_EQ(count, 2000u);
}

TEST(KeyLog, SaysWhichFileCannotBeOpened) {
  const auto log = open_key_log("/nowhere/at/all");
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().kind, ErrorKind::file);
  EXPECT_NE(log.error().message.find("/nowhere/at/all"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::trace
