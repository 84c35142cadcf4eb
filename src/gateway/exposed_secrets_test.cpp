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
using testing::SizeIs;

class ExposedSecrets : public testing::Test {
 protected:
  ExposedSecrets() {
    std::filesystem::create_directories(site_ + "/.private");
    std::filesystem::create_directories(site_ + "/.well-known");
    std::filesystem::create_directories(base_ / "sit");
    settings_.files = site_;
  }
  static std::string write(const std::string& path) {
    EXPECT_TRUE(write_file(path, "x", 0600, IfExists::refuse));
    return path;
  }

  const FolderForTest base_;
  const std::string site_ = base_ / "site";
  Settings settings_;
};

TEST_F(ExposedSecrets, AreOfEveryFlagThatNamesOne) {
  struct Row {
    const char* flag;
    std::string Settings::* path;
  };
  const std::string path = write(site_ + "/key #1.pem");
  for (const auto& [flag, member] :
       {Row{"--token-file", &Settings::token_file}, Row{"--admin-token-file", &Settings::admin_token_file},
        Row{"--secret-file", &Settings::secret_file}, Row{"--keylog", &Settings::key_log},
        Row{"--access-log", &Settings::access_log}}) {
    Settings settings = settings_;
    settings.*member = path;
    EXPECT_THAT(exposed_secrets(settings),
                ElementsAre(std::string(flag) + " " + path +
                            " lies in the folder of --files, where anybody can download it as "
                            "/key%20%231.pem; move it elsewhere"));
  }
  Settings with_key = settings_;
  with_key.certificates = {{.certificate = "cert.pem", .key = path}};
  EXPECT_THAT(exposed_secrets(with_key), ElementsAre(HasSubstr("--key " + path + " lies in")));
  settings_.qlog = site_;
  EXPECT_THAT(exposed_secrets(settings_), ElementsAre("--qlog " + site_ +
                                                      " lies in the folder of --files, where anybody can "
                                                      "download what is in it, below /; move it elsewhere"));
}

TEST_F(ExposedSecrets, AreFoundByTheirRealPaths) {
  settings_.certificates = {{.certificate = {}, .key = write(site_ + "/key")}};
  std::filesystem::create_symlink(site_, base_ / "current");
  std::filesystem::create_symlink(site_ + "/key", base_ / "link");
  for (const std::string& served : {base_ / "current", site_ + "/.well-known/..", site_ + "/"}) {
    settings_.files = served;
    EXPECT_THAT(exposed_secrets(settings_), ElementsAre(HasSubstr("as /key;"))) << served;
  }
  settings_.certificates = {{.certificate = {}, .key = base_ / "link"}};
  EXPECT_THAT(exposed_secrets(settings_), ElementsAre(HasSubstr("as /key;")));
  settings_.certificates = {{.certificate = {}, .key = std::filesystem::relative(site_ + "/key").string()}};
  EXPECT_THAT(exposed_secrets(settings_), ElementsAre(HasSubstr("as /key;")));
  settings_.certificates = {{.certificate = {}, .key = write(site_ + "/.well-known/key")}};
  EXPECT_THAT(exposed_secrets(settings_), ElementsAre(HasSubstr("as /.well-known/key;")));
}

TEST_F(ExposedSecrets, MayBeYetToBeMade) {
  settings_.access_log = base_ / "current/access.log";
  std::filesystem::create_symlink(site_, base_ / "current");
  EXPECT_THAT(exposed_secrets(settings_), ElementsAre(HasSubstr("as /access.log;")));
  settings_.access_log = base_ / "access.log";
  settings_.qlog = site_ + "/new/qlog";
  EXPECT_THAT(exposed_secrets(settings_), ElementsAre(HasSubstr("what is in it, below /new/qlog;")));
}

TEST_F(ExposedSecrets, AreNotThoseThatNobodyGets) {
  settings_.token_file = write(base_ / "tokens");
  settings_.secret_file = write(site_ + "/.private/secret");
  settings_.access_log = "-";
  EXPECT_THAT(exposed_secrets(settings_), IsEmpty());
  settings_.certificates = {{.certificate = {}, .key = write(site_ + "/key")}};
  EXPECT_THAT(exposed_secrets(settings_), SizeIs(1));
  // A name that only begins alike is another folder.
  for (const std::string& served : {std::string(), base_ / "elsewhere", base_ / "sit"}) {
    settings_.files = served;
    EXPECT_THAT(exposed_secrets(settings_), IsEmpty()) << served;
  }
}

}  // namespace
}  // namespace sallyport::gateway
