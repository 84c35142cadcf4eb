#include "gateway/run_as.h"

#include <cerrno>

#include <gtest/gtest.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

Settings as(const std::string& user) {
  Settings settings;
  settings.user = user;
  return settings;
}

TEST(RunAs, WithoutTheFlagNothingChanges) {
  const auto nobody_else = find_user(as(""));
  ASSERT_TRUE(nobody_else);
  EXPECT_FALSE(*nobody_else);
  const uid_t own = ::geteuid();
  const auto done = as_user(*nobody_else, [&]() -> Result<> {
    EXPECT_EQ(::geteuid(), own);
    return fail(ErrorKind::file, "no access", EACCES);
  });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().message, "no access");
}

TEST(RunAs, WhoIsNotThereIsAnErrorOfTheFlag) {
  const auto found = find_user(as("no-such-user"));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::usage);
  EXPECT_EQ(found.error().message, "--user: there is no user 'no-such-user'");
}

TEST(RunAs, AnErrorOfAccessSaysWhoHasNone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const auto user = find_user(as("nobody"));
  ASSERT_TRUE(user) << user.error().message;
  const auto words = [&](ErrorKind kind, std::uint64_t code) {
    return as_user(*user, [&]() -> Result<> { return fail(kind, "it says so", code); }).error().message;
  };
  const std::string whose = "it says so; it is for the user nobody (--user), who has to have access";
  EXPECT_EQ(words(ErrorKind::file, EACCES), whose);
  EXPECT_EQ(words(ErrorKind::denied, EPERM), whose);
  EXPECT_EQ(words(ErrorKind::file, ENOENT), "it says so");
  EXPECT_TRUE(as_user(*user, [] {
    EXPECT_NE(::geteuid(), 0u);
    return Result<>();
  }));
  EXPECT_EQ(::geteuid(), 0u);
}

}  // namespace
}  // namespace sallyport::gateway
