#include "base/file.h"

#include "base/unique_fd.h"

#include <filesystem>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport {
namespace {

class Files : public testing::Test {
 protected:
  Files() {
    std::string pattern = testing::TempDir() + "filesXXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/file";
  }
  ~Files() override { std::filesystem::remove_all(folder_); }
  std::size_t count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  std::string folder_, path_;
};

TEST_F(Files, KeepWhatWasWrittenAndItsMode) {
  const std::string content = std::string(100'000, 'x') + '\0' + "end";
  ASSERT_TRUE(write_file(path_, content, 0640, IfExists::refuse));
  EXPECT_EQ(*read_file(path_, content.size()), content);
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
  EXPECT_EQ(count(), 1u) << "something was left beside it";
}

TEST_F(Files, AFifoThatNobodyWritesIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(*read_file(path_, 100), "");
}

TEST_F(Files, AreReadWhereStandardInputIsClosed) {
  ASSERT_TRUE(write_file(path_, "read", 0600, IfExists::refuse));
  const UniqueFd kept(::dup(STDIN_FILENO));
  ::close(STDIN_FILENO);
  const auto content = read_file(path_, 100);  // by descriptor 0
  if (kept) ::dup2(kept.get(), STDIN_FILENO);
  ASSERT_TRUE(content) << content.error().message;
  EXPECT_EQ(*content, "read");
}

TEST_F(Files, APipeIsReadToItsEnd) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  std::thread writer([&] {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(::write(ends[1], "abc", 3), 3);
    ::close(ends[1]);
  });
  EXPECT_EQ(*read_file("/dev/fd/" + std::to_string(ends[0]), 100), "abcabcabc");
  writer.join();
  ::close(ends[0]);
}

TEST_F(Files, APipeThatDoesNotEndIsGivenUpWithTheReason) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const UniqueFd writer(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::write(writer.get(), "part", 4), 4);
  const auto content = read_file(path_, 100, 10ms);
  ASSERT_FALSE(content);
  EXPECT_EQ(content.error().message, "cannot read " + path_ +
                                         ": it has not ended after 0.01 s; whoever writes into it has to "
                                         "close it, as a command in <(...) does when it ends");
}

TEST_F(Files, AreReplacedOnlyWhenThatIsWanted) {
  ASSERT_TRUE(write_file(path_, "old", 0600, IfExists::refuse));
  const auto refused = write_file(path_, "new", 0600, IfExists::refuse);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "cannot write " + path_ + ": File exists");
  EXPECT_EQ(*read_file(path_, 100), "old");
  EXPECT_TRUE(write_file(path_, "new", 0600, IfExists::replace));
  EXPECT_EQ(*read_file(path_, 100), "new");
  EXPECT_EQ(count(), 1u);
}

TEST_F(Files, SayWhyTheyCannotBeUsed) {
  EXPECT_FALSE(file_exists(path_));
  EXPECT_EQ(read_file(path_, 100).error().message, "cannot read " + path_ + ": No such file or directory");
  const std::string nowhere = folder_ + "/none/file";
  EXPECT_EQ(write_file(nowhere, "x", 0600, IfExists::replace).error().message,
            "cannot write " + nowhere + ": No such file or directory");
  ASSERT_TRUE(write_file(path_, "12345", 0600, IfExists::refuse));
  EXPECT_TRUE(file_exists(path_));
  EXPECT_EQ(read_file(path_, 4).error().message, "cannot use " + path_ + ": it is larger than 4 bytes");
}

TEST_F(Files, AreTriedWithoutATrace) {
  const std::string nowhere = folder_ + "/nowhere/file";
  ASSERT_TRUE(write_file(path_, "precious", 0600, IfExists::refuse));
  for (const std::string& path : {path_, folder_ + "/new"}) {
    EXPECT_TRUE(check_write_file(path));
    EXPECT_EQ(append_error(path), 0);
    EXPECT_EQ(creation_error(path), 0);
  }
  EXPECT_EQ(append_error("/dev/null"), 0);
  for (const std::string& path : {nowhere, folder_, path_ + "/x", std::string("/proc/file")}) {
    EXPECT_EQ(check_write_file(path).error().message,
              write_file(path, "", 0600, IfExists::replace).error().message);
    EXPECT_EQ(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), -1);
    EXPECT_EQ(append_error(path), errno) << path;
  }
  EXPECT_EQ(creation_error(nowhere), ENOENT);
  EXPECT_EQ(read_file(path_, 100).value(), "precious");
  EXPECT_EQ(count(), 1u);
}

}  // namespace
}  // namespace sallyport
