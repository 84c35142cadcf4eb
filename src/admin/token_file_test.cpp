#include "admin/token_file.h"

#include "files/folder_for_test.h"

#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::admin {
namespace {

using testing::HasSubstr;

class TokenFileTest : public testing::Test {
 protected:
  void write(std::string_view content) { folder_.write("tokens", content); }
  static bool knows(const TokenFile& file, std::string_view token) {
    return file.tokens()->find(masque::TokenTable::credential_of(token)) != nullptr;
  }

  const files::FolderForTest folder_;
  const std::string path_ = folder_ / "tokens";
};

TEST_F(TokenFileTest, SaysFlagFileAndLine) {
  write("alice token-of-alice-01\nbob\n");
  const auto file = TokenFile::open("--token-file", path_);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("--token-file: line 2 of " + path_));
  const auto nowhere = TokenFile::open("--admin-token-file", "/nowhere");
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("--admin-token-file: cannot read /nowhere"));
}

TEST_F(TokenFileTest, IsReadAgainAndABrokenOneChangesNothing) {
  write("alice token-of-alice-01\n");
  auto file = TokenFile::open("--token-file", path_);
  ASSERT_TRUE(file) << file.error().message;
  write("bob token-of-bob-0001\n");
  ASSERT_TRUE(file->read());
  EXPECT_TRUE(knows(*file, "token-of-bob-0001"));
  EXPECT_FALSE(knows(*file, "token-of-alice-01"));
  write("bob\n");
  EXPECT_FALSE(file->read());
  EXPECT_TRUE(knows(*file, "token-of-bob-0001"));
  EXPECT_EQ(file->counters().read, 1u);
  EXPECT_EQ(file->counters().failed, 1u);
}

// A gateway that waited for the pipe's next writer would be blocked.
TEST_F(TokenFileTest, APipeIsReadAtTheStartOnly) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const int both = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);  // so that the writer need not wait
  const std::string_view line = "alice token-of-alice-01\n";
  ASSERT_EQ(::write(both, line.data(), line.size()), static_cast<ssize_t>(line.size()));
  std::thread closes([&] {
    // The reader has begun when the line is gone.
    for (int left = 1; left > 0;) ASSERT_EQ(::ioctl(both, FIONREAD, &left), 0);
    ::close(both);
  });
  auto file = TokenFile::open("--token-file", path_);
  closes.join();
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(knows(*file, "token-of-alice-01"));
  EXPECT_FALSE(file->has_changed());
  const int waiting = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);  // a writer that has nothing to say
  const auto again = file->read();
  ::close(waiting);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("read once"));
  EXPECT_TRUE(knows(*file, "token-of-alice-01"));
}

TEST_F(TokenFileTest, APipeOutOfWhichNothingComesIsRefused) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const auto file = TokenFile::open("--token-file", path_);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("no token came out of " + path_));
}

// Otherwise the only token of a file could not be revoked.
TEST_F(TokenFileTest, AnEmptiedOneLetsNobodyInAndAnEmptyOneIsRefusedAtTheStart) {
  for (const char* nothing : {"", "\n# nothing\r\n \t\n"}) {
    write(nothing);
    const auto empty = TokenFile::open("--token-file", path_);
    ASSERT_FALSE(empty);
    EXPECT_EQ(empty.error().message,
              "--token-file: " + path_ + " has no token in it; write one a line: NAME TOKEN");
    write("alice token-of-alice-01\n");
    auto file = TokenFile::open("--token-file", path_);
    ASSERT_TRUE(file);
    write(nothing);
    ASSERT_TRUE(file->read());
    EXPECT_FALSE(knows(*file, "token-of-alice-01"));
    EXPECT_EQ(file->tokens()->size(), 0u);
  }
}

TEST_F(TokenFileTest, AChangeIsNoticedOnceItHasSettled) {
  write("alice token-of-alice-01\n");
  auto file = TokenFile::open("--token-file", path_);
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->has_changed());
  folder_.write("tokens", "half of it", 90);
  EXPECT_FALSE(file->has_changed()) << "it may still be written to";
  folder_.write("tokens", "bob token-of-bob-0001\n", 80);
  EXPECT_FALSE(file->has_changed()) << "it was";
  EXPECT_TRUE(file->has_changed());
  ASSERT_TRUE(file->read());
  EXPECT_FALSE(file->has_changed());
  EXPECT_FALSE(file->has_changed());
}

TEST_F(TokenFileTest, OneThatCouldNotBeReadIsTriedAgainWhileItIsThere) {
  write("alice token-of-alice-01\n");
  auto file = TokenFile::open("--token-file", path_);
  ASSERT_TRUE(file);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  EXPECT_FALSE(file->read());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(file->has_changed());
  ASSERT_TRUE(file->read());
  EXPECT_FALSE(file->has_changed());
  std::filesystem::remove(path_);
  EXPECT_FALSE(file->read());
  EXPECT_FALSE(file->has_changed());
  write("bob token-of-bob-0001\n");
  ASSERT_TRUE(file->read());
  EXPECT_FALSE(file->has_changed());
}

TEST_F(TokenFileTest, OneThatIsGoneOrBrokenIsNotReadAgainAndAgain) {
  write("alice token-of-alice-01\n");
  auto file = TokenFile::open("--token-file", path_);
  ASSERT_TRUE(file);
  std::filesystem::remove(path_);
  EXPECT_FALSE(file->has_changed());
  EXPECT_TRUE(file->has_changed());
  EXPECT_FALSE(file->read());
  EXPECT_FALSE(file->has_changed());
  EXPECT_FALSE(file->has_changed());
  EXPECT_TRUE(knows(*file, "token-of-alice-01"));
  write("carol token-of-carol-01\n");
  EXPECT_FALSE(file->has_changed());
  EXPECT_TRUE(file->has_changed());
  ASSERT_TRUE(file->read());
  EXPECT_TRUE(knows(*file, "token-of-carol-01"));
}

}  // namespace
}  // namespace sallyport::admin
