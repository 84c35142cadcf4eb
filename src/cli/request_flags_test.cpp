#include "cli/request_flags.h"

#include "base/file.h"
#include "base/folder_for_test.h"
#include "cli/proxy_environment.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

client::GetOptions options_for(const std::string& url = "https://h/dir/") {
  client::GetOptions options;
  options.jobs = {{*dial::parse_url(url), "-"}};
  return options;
}

TEST(RequestFlags, ByThemselvesChangeNothing) {
  client::GetOptions options = options_for();
  options.resume = true;
  options.streams = 4;
  ASSERT_TRUE(apply_request_flags({}, options));
  EXPECT_TRUE(options.request.is_plain_get());
  EXPECT_FALSE(options.take_any_status || options.heads_in_output);
  EXPECT_TRUE(options.status_fails);
}

TEST(RequestFlags, DataMakesAPost) {
  const FolderForTest folder;
  ASSERT_TRUE(write_file(folder / "d", "c=3\r\nd\n", 0600, IfExists::replace));
  client::GetOptions options = options_for();
  RequestFlags flags;
  flags.data = {"a=1", "b=2", "@" + (folder / "d")};
  flags.binary_data = {"@" + (folder / "d")};
  ASSERT_TRUE(apply_request_flags(flags, options));
  EXPECT_EQ(options.request.method, "POST");
  EXPECT_EQ(options.request.content->size(), std::string_view("a=1&b=2&c=3d&c=3\r\nd\n").size());
  EXPECT_EQ(options.request.content_type, "application/x-www-form-urlencoded");
}

TEST(RequestFlags, AnUploadGoesToItsNameInAFolder) {
  const FolderForTest folder;
  ASSERT_TRUE(write_file(folder / "a b.txt", "hello", 0600, IfExists::replace));
  client::GetOptions options = options_for();
  RequestFlags flags;
  flags.upload = folder / "a b.txt";
  ASSERT_TRUE(apply_request_flags(flags, options));
  EXPECT_EQ(options.request.method, "PUT");
  EXPECT_EQ(options.jobs[0].url.target, "/dir/a%20b.txt");
  EXPECT_EQ(options.request.content->size(), 5u);
  client::GetOptions other = options_for("https://h/name");
  flags.method = "PATCH";
  ASSERT_TRUE(apply_request_flags(flags, other));
  EXPECT_EQ(other.request.method, "PATCH");
  EXPECT_EQ(other.jobs[0].url.target, "/name");
  flags.upload = folder / "missing";
  EXPECT_THAT(apply_request_flags(flags, other).error().message,
              AllOf(HasSubstr("-T"), HasSubstr("missing")));
}

TEST(RequestFlags, HeadersMayStandInAFile) {
  const FolderForTest folder;
  ASSERT_TRUE(write_file(folder / "h", "X-A: 1\r\n\nX-B: 2", 0600, IfExists::replace));
  client::GetOptions options = options_for();
  RequestFlags flags;
  flags.headers = {"@" + (folder / "h"), "X-C: 3"};
  ASSERT_TRUE(apply_request_flags(flags, options));
  for (const char* name : {"x-a", "x-b", "x-c"}) EXPECT_TRUE(options.request.fields.contains(name));
}

TEST(RequestFlags, RefuseWhatDoesNotGoTogether) {
  const auto refused = [](const RequestFlags& flags, bool resume, std::size_t streams) {
    client::GetOptions options = options_for();
    options.resume = resume;
    options.streams = streams;
    const auto applied = apply_request_flags(flags, options);
    return applied ? std::string() : applied.error().message;
  };
  const std::pair<RequestFlags, const char*> whole[] = {{{.include = true}, "-i"},
                                                        {{.head = true}, "-I"},
                                                        {{.data = {"x"}}, "-d"},
                                                        {{.method = "DELETE"}, "-X DELETE"},
                                                        {{.headers = {"Range: bytes=0-1"}}, "-H Range"},
                                                        {{.fail_with_body = true}, "--fail-with-body"},
                                                        {{.fail = false}, "--no-fail"}};
  for (const auto& [flags, name] : whole) {
    EXPECT_THAT(refused(flags, true, 1), AllOf(HasSubstr("--resume"), HasSubstr(name)));
    EXPECT_THAT(refused(flags, false, 4), AllOf(HasSubstr("-n"), HasSubstr(name)));
    EXPECT_EQ(refused(flags, false, 1), "");
  }
  EXPECT_EQ(refused({.headers = {"Cookie: a"}}, true, 4), "");
  EXPECT_THAT(refused({.head = true, .data = {"x"}}, false, 1), HasSubstr("-I"));
  EXPECT_THAT(refused({.method = "CONNECT"}, false, 1), HasSubstr("-X CONNECT"));
  EXPECT_THAT(refused({.method = "a b"}, false, 1), HasSubstr("-X a b"));
  EXPECT_THAT(refused({.rate_limit = "fast"}, false, 1), HasSubstr("--limit-rate fast"));
  EXPECT_THAT(refused({.headers = {"Content-Length: 3"}}, false, 1), HasSubstr("-H 'content-length'"));
}

TEST(RequestFlags, SizesHaveUnits) {
  EXPECT_EQ(parse_size("500"), 500u);
  EXPECT_EQ(parse_size("2k"), 2048u);
  EXPECT_EQ(parse_size("1.5M"), 1536u * 1024);
  EXPECT_EQ(parse_size("1G"), 1u << 30);
  for (const char* bad : {"", "0", "-1", "k", "1kk", "1x", "nan", "inf", "1e30", "0.5"})
    EXPECT_EQ(parse_size(bad), std::nullopt) << bad;
}

TEST(ProxyEnvironment, IsNotIgnoredInSilence) {
  std::map<std::string, std::string> variables;
  const auto note = [&](const std::string& url) {
    const std::vector urls{*dial::parse_url(url)};
    return unused_proxy_note(urls, [&](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    });
  };
  EXPECT_EQ(note("a.test"), std::nullopt);
  variables["https_proxy"] = "http://proxy:3128";
  EXPECT_THAT(note("a.test").value_or(""), AllOf(HasSubstr("https_proxy"), HasSubstr("--via")));
  variables["no_proxy"] = "localhost, .a.test,b.test";
  EXPECT_EQ(note("a.test"), std::nullopt);
  EXPECT_EQ(note("www.a.test."), std::nullopt);
  EXPECT_EQ(note("b.test"), std::nullopt);
  EXPECT_NE(note("xb.test"), std::nullopt);
  variables["no_proxy"] = "*";
  EXPECT_EQ(note("xb.test"), std::nullopt);
  variables = {{"ALL_PROXY", "socks5://p"}};
  EXPECT_THAT(note("a.test").value_or(""), HasSubstr("ALL_PROXY"));
}

}  // namespace
}  // namespace sallyport::cli
