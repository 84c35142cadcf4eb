#include "client/url.h"

#include "client/origin_memory.h"

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

TEST(Url, PartsAreWhatIsSent) {
  const auto url = parse_url("https://example.org:8443/a%20b/c?d=e#f");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/a%20b/c?d=e");
  EXPECT_EQ(url->authority(), "example.org:8443");
  EXPECT_EQ(url->to_string(), "https://example.org:8443/a%20b/c?d=e");
}

TEST(Url, DefaultsAreFilledIn) {
  const auto url = parse_url("example.org");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->port, 443);
  EXPECT_EQ(url->target, "/");
  EXPECT_EQ(url->authority(), "example.org");
  EXPECT_EQ(url->origin(), "example.org:443");
}

TEST(Url, Ipv6KeepsItsBracketsWhereTheyBelong) {
  const auto url = parse_url("https://[2001:db8::1]:8443/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "2001:db8::1");
  EXPECT_EQ(url->authority(), "[2001:db8::1]:8443");
}

TEST(Url, FileNameNeverLeavesTheFolder) {
  EXPECT_EQ(parse_url("https://a/x/y.bin?q")->file_name(), "y.bin");
  EXPECT_EQ(parse_url("https://a/")->file_name(), "index.html");
  EXPECT_EQ(parse_url("https://a/x/..")->file_name(), "index.html");
  EXPECT_EQ(parse_url("https://a/..%2Fetc")->file_name(), ".._etc");
}

TEST(Url, RefusesWhatItCannotFetch) {
  for (const char* bad :
       {"http://a/", "ftp://a/", "https://", "https://a:0/", "https://a:99999/", "https://u@a/",
        "https://a b/", "https://a%0d%0ax:y/", "https://a%3A1/", "https://a%25b/", "https://%5Ba%5D/",
        "https://a%00/", "https://a%20b/", "https://a%2fb/"}) {
    const auto url = parse_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().kind, ErrorKind::usage);
    EXPECT_NE(url.error().message.find(bad), std::string::npos);
  }
}

TEST(OriginMemory, ForgetsBrokenOriginsSoonerThanWorkingOnes) {
  OriginMemory memory;
  EXPECT_FALSE(memory.http3("a:443", 1000));
  memory.note("a:443", false, 1000);
  EXPECT_EQ(memory.http3("a:443", 1000 + OriginMemory::broken_for - 1), false);
  EXPECT_FALSE(memory.http3("a:443", 1000 + OriginMemory::broken_for));
  memory.note("a:443", true, 1000);
  EXPECT_EQ(memory.http3("a:443", 1000 + OriginMemory::broken_for), true);
  EXPECT_FALSE(memory.http3("a:443", 1000 + OriginMemory::works_for));
}

}  // namespace
}  // namespace sallyport::client
