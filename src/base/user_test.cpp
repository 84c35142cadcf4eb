// Acting as another user takes root; without it those tests are skipped.
#include "base/user.h"

#include "base/file.h"
#include "base/folder_for_test.h"

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport {
namespace {

using testing::HasSubstr;

#define NEEDS_ROOT \
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user"

const uid_t nobody = [] {
  const passwd* const entry = ::getpwnam("nobody");
  return entry != nullptr ? entry->pw_uid : 0;
}();

/// The lines of /proc/.../status that tell what a thread may do.
std::string rights_of(const std::filesystem::path& task) {
  std::ifstream status(task / "status");
  std::string rights, line;
  while (std::getline(status, line))
    for (const char* const name : {"Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:", "CapAmb:", "NoNewPrivs:"})
      if (line.starts_with(name)) rights += line + "\n";
  return rights;
}

TEST(User, IsFoundByItsNameAndGroup) {
  const auto own = User::find("nobody");
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_EQ(own->name(), "nobody");
  const passwd* const entry = ::getpwnam("nobody");
  EXPECT_EQ(own->to_string(), fmt::format("nobody:{}", ::getgrgid(entry->pw_gid)->gr_name));
  EXPECT_EQ(User::find("nobody:daemon").value().to_string(), "nobody:daemon");
}

TEST(User, WhatIsNotThereIsSaid) {
  const auto words = [](std::string_view text) {
    const auto found = User::find(text);
    EXPECT_FALSE(found) << text;
    if (found) return std::string();
    EXPECT_EQ(found.error().kind, ErrorKind::usage);
    return found.error().message;
  };
  EXPECT_EQ(words("no-such-user"), "there is no user 'no-such-user'");
  EXPECT_EQ(words("no-such-user:daemon"), "there is no user 'no-such-user'");
  EXPECT_EQ(words("nobody:no-such-group"), "there is no group 'no-such-group'");
  EXPECT_THAT(words("root"), HasSubstr("'root' is root and would keep its privileges"));
  EXPECT_THAT(words("root:daemon"), HasSubstr("is root"));
  for (const char* const text : {"", ":", ":daemon", "nobody:"})
    EXPECT_EQ(words(text), fmt::format("'{}' names no user; write it as NAME or NAME:GROUP", text));
}

TEST(User, ActsForAWhile) {
  NEEDS_ROOT;
  const FolderForTest folder;
  ASSERT_EQ(::chmod(folder.path().c_str(), 0777), 0);
  ASSERT_TRUE(write_file(folder / "roots", "secret", 0600, IfExists::refuse));
  const std::string before = rights_of("/proc/thread-self");
  const User user = User::find("nobody:daemon").value();
  const auto done = user.act([&]() -> Result<> {
    EXPECT_EQ(::geteuid(), nobody);
    EXPECT_EQ(::getuid(), nobody);
    EXPECT_NE(::access((folder / "roots").c_str(), R_OK), 0) << "access() goes by the real ID";
    EXPECT_EQ(read_file(folder / "roots", 100).error().code, static_cast<std::uint64_t>(EACCES));
    EXPECT_TRUE(write_file(folder / "users", "text", 0600, IfExists::refuse));
    return fail(ErrorKind::file, "what the work says", 7);
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "what the work says");
  EXPECT_EQ(rights_of("/proc/thread-self"), before);
  EXPECT_TRUE(read_file(folder / "roots", 100));
  struct stat status{};
  ASSERT_EQ(::stat((folder / "users").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, nobody);
  EXPECT_EQ(status.st_gid, ::getgrnam("daemon")->gr_gid);
  EXPECT_TRUE(user.act([] { return Result<>(); }));
}

/// In a process of its own: 0 if both of its threads have become the user.
int become_with_two_threads() {
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false, over = false;
  forbid_new_privileges();
  std::thread other([&] {
    std::unique_lock lock(mutex);
    ready = true;
    changed.notify_all();
    changed.wait(lock, [&] { return over; });
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready; });
  }
  const auto user = User::find("nobody:daemon");
  bool good = user.has_value() && user->become().has_value();
  const std::string group = std::to_string(::getgrnam("daemon")->gr_gid), id = std::to_string(nobody);
  const std::string none = "0000000000000000";
  int threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++threads;
    const std::string rights = rights_of(task.path());
    good = good && rights.contains(fmt::format("Uid:\t{0}\t{0}\t{0}\t{0}\n", id)) &&
           rights.contains(fmt::format("Gid:\t{0}\t{0}\t{0}\t{0}\n", group)) &&
           rights.contains(fmt::format("Groups:\t{} \n", group)) && rights.contains("CapPrm:\t" + none) &&
           rights.contains("CapEff:\t" + none) && rights.contains("CapAmb:\t" + none) &&
           rights.contains("NoNewPrivs:\t1\n");
    if (!good) fmt::print(stderr, "{}", rights);
  }
  good = good && threads == 2 && ::setuid(0) != 0;
  {
    const std::scoped_lock lock(mutex);
    over = true;
  }
  changed.notify_all();
  other.join();
  return good ? 0 : 1;
}

TEST(User, BecomesItInAllThreads) {
  NEEDS_ROOT;
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the sanitizers' own thread is none that the C library knows";
#endif
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(std::_Exit(become_with_two_threads()), testing::ExitedWithCode(0), "");
}

TEST(User, OnlyRootCanBecomeAnother) {
  NEEDS_ROOT;
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const bool done = User::find("nobody")->become().has_value();
        const auto other = User::find("daemon");
        bool acted = false;
        const auto as_other = other->act([&]() -> Result<> {
          acted = true;
          return {};
        });
        const auto again = other->become();
        std::_Exit(done && !acted && !as_other && as_other.error().kind == ErrorKind::denied && !again &&
                           again.error().message.contains("cannot become the user daemon: ")
                       ? 0
                       : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace sallyport
