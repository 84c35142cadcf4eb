#include "cli/client_options.h"

#include "base/file.h"
#include "base/folder_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace sallyport::cli {
namespace {

class TokenFile : public testing::Test {
 protected:
  Result<std::string> read(std::string_view content) {
    EXPECT_TRUE(write_file(path_, content, 0600, IfExists::replace));
    return read_token(path_);
  }

  const FolderForTest folder_;
  const std::string path_ = folder_ / "token";
};

TEST_F(TokenFile, IsItsFirstLineWithoutTheWhiteSpaceAroundItOrTheName) {
  for (const char* content :
       {"\xef\xbb\xbf\tabc.DEF-1~+/==", "abc.DEF-1~+/==", "abc.DEF-1~+/==\n", "abc.DEF-1~+/==\r\n",
        " \tabc.DEF-1~+/== \r\nmore\n", "alice abc.DEF-1~+/==\nbob more\n",
        "# whose\r\n\r\n \talice\t abc.DEF-1~+/== \r\n"}) {
    const auto token = read(content);
    ASSERT_TRUE(token) << content << token.error().message;
    EXPECT_EQ(*token, "abc.DEF-1~+/==");
  }
}

TEST_F(TokenFile, IsRefusedWhereNoFieldCanCarryIt) {
  for (const char* content : {"", "\n", " \r\n#\n", "now three words\n", "a\rb c\n", "a\x01\n",
                              "name \xc3\xa4\n", "n&me token\n"}) {
    const auto token = read(content);
    ASSERT_FALSE(token) << content;
    EXPECT_EQ(token.error().kind, ErrorKind::file);
    EXPECT_THAT(token.error().message, testing::HasSubstr(path_));
  }
}

TEST_F(TokenFile, SaysWhichOneIsNotThere) {
  const auto token = read_token("/nonexistent/token");
  ASSERT_FALSE(token);
  EXPECT_THAT(token.error().message, testing::HasSubstr("/nonexistent/token"));
}

TEST(ClientSession, SaysOnceWhatManyChainsHaveToSay) {
  const auto session = ClientSession::make({.no_cache = true});
  ASSERT_TRUE(session) << session.error().message;
  testing::internal::CaptureStderr();
  for (int chain = 0; chain < 2; ++chain) {
    const dial::ChainOptions options = (*session)->chain();
    options.note("CONNECT was used");
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "sallyport: CONNECT was used\n");
}

TEST(ClientSession, HintsAtFlagsThatChangeNothing) {
  const FolderForTest folder;
  EXPECT_TRUE(write_file(folder / "token", "secret\n", 0600, IfExists::replace));
  const auto said = [&](ClientFlags flags) {
    flags.no_cache = true;
    testing::internal::CaptureStderr();
    const auto session = ClientSession::make(flags);
    EXPECT_TRUE(session) << session.error().message;
    return testing::internal::GetCapturedStderr();
  };
  const std::vector<std::string> one{"one.test"}, two{"one.test", "two.test"}, token{folder / "token"};
  using testing::HasSubstr;
  EXPECT_EQ(said({}), "");
  EXPECT_THAT(said({.token_files = token}), HasSubstr("--token-file is for hops"));
  EXPECT_EQ(said({.via = one, .token_files = token}), "");
  EXPECT_THAT(said({.mode = "udp"}), HasSubstr("--mode udp is for the last hop"));
  EXPECT_EQ(said({.via = one, .mode = "udp"}), "");
  EXPECT_THAT(said({.hop_http = "h2"}), HasSubstr("--via-http h2 is for hops"));
  EXPECT_EQ(said({.via = one, .hop_http = "h2"}), "");
  EXPECT_THAT(said({.hop_modes = {"udp"}}), HasSubstr("--via-mode is for the hops before the last"));
  EXPECT_THAT(said({.via = one, .hop_modes = {"udp"}}),
              HasSubstr("--via-mode is for the hops before the last"));
  EXPECT_EQ(said({.via = two, .hop_modes = {"udp"}}), "");
  EXPECT_EQ(said({.hop_modes = {"udp"}, .quiet = true}), "");
  EXPECT_EQ(said({.insecure = true}), "");
  EXPECT_THAT(said({.cache_folder = folder / "cache"}), HasSubstr("--cache changes nothing"));
  EXPECT_THAT(said({.early_data = true}), HasSubstr("--early-data needs a ticket"));
}

class KeyLogVariable : public testing::Test {
 protected:
  ~KeyLogVariable() override { ::unsetenv("SSLKEYLOGFILE"); }

  Result<std::unique_ptr<ClientSession>> session_with(const std::string& path, ClientFlags flags) {
    ::setenv("SSLKEYLOGFILE", path.c_str(), 1);
    flags.no_cache = true;
    testing::internal::CaptureStderr();
    auto made = ClientSession::make(flags);
    said_ = testing::internal::GetCapturedStderr();
    return made;
  }

  const FolderForTest folder_;
  std::string said_;
};

TEST_F(KeyLogVariable, NamesTheFile) {
  const auto session = session_with(folder_ / "keys", {});
  ASSERT_TRUE(session);
  EXPECT_EQ(said_, "");
  ASSERT_TRUE((*session)->context().quic.key_log);
  (*session)->context().quic.key_log->write("LABEL 01 02");
  EXPECT_EQ(read_file(folder_ / "keys", 4096).value_or(""), "LABEL 01 02\n");
  EXPECT_TRUE(session_with(folder_ / "others", {.key_log = folder_ / "mine"}));
  EXPECT_TRUE(file_exists(folder_ / "mine"));
  EXPECT_FALSE(file_exists(folder_ / "others"));
}

TEST_F(KeyLogVariable, IsNoReasonToFail) {
  EXPECT_TRUE(session_with("/nowhere/keys", {}));
  EXPECT_THAT(said_,
              testing::StartsWith("sallyport: SSLKEYLOGFILE: cannot open the TLS key log /nowhere/keys"));
  EXPECT_TRUE(session_with("/nowhere/keys", {.quiet = true}));
  EXPECT_EQ(said_, "");
  const auto refused = session_with(folder_ / "keys", {.key_log = "/nowhere/mine"});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::StartsWith("--keylog: "));
}

}  // namespace
}  // namespace sallyport::cli
