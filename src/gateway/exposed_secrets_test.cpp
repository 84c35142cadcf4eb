#include "gateway/exposed_secrets.h"

#include "base/file.h"
#include "base/folder_for_test.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ExposedSecrets, AreThoseThatTheServedFolderHolds) {
  const FolderForTest base;
  const std::string site = base.path() + "/site";
  std::filesystem::create_directories(site + "/logs");
  std::filesystem::create_directories(site + "/.private");
  for (const std::string& path : {site + "/key.pem", base.path() + "/tokens", site + "/.private/secret"})
    ASSERT_TRUE(write_file(path, "x", 0600, IfExists::refuse));
  std::filesystem::create_symlink(site, base.path() + "/current");

  Settings settings;
  settings.key_file = site + "/key.pem";
  settings.token_file = base.path() + "/tokens";
  settings.secret_file = site + "/.private/secret";
  settings.access_log = "-";
  settings.qlog = site + "/logs/not/there/yet";
  EXPECT_THAT(exposed_secrets(settings), IsEmpty()) << "no files are served";
  for (const std::string& served : {site, base.path() + "/current", site + "/logs/.."}) {
    settings.files = served;
    EXPECT_THAT(exposed_secrets(settings),
                ElementsAre("--key " + settings.key_file +
                                " lies in the folder of --files, where anybody can download it as /key.pem; "
                                "move it elsewhere",
                            HasSubstr("as /logs/not/there/yet;")));
  }
  settings.files = base.path() + "/elsewhere";
  EXPECT_THAT(exposed_secrets(settings), IsEmpty());
  // A name that only begins alike is another folder.
  std::filesystem::create_directory(base.path() + "/sit");
  settings.files = base.path() + "/sit";
  EXPECT_THAT(exposed_secrets(settings), IsEmpty());
}

}  // namespace
}  // namespace sallyport::gateway
