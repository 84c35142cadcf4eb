#include "dial/url.h"

#include "dial/origin_memory.h"

#include <gtest/gtest.h>

namespace sallyport::dial {
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
  EXPECT_EQ(parse_url("https://a/x%2f%2e%2e")->file_name(), "x_..");
  EXPECT_EQ(parse_url("https://a/100%")->file_name(), "100%");
}

TEST(Url, IsBroughtIntoOneForm) {
  const struct {
    std::string_view written, form;
  } cases[] = {
      {"HTTPS://Example.ORG/A", "https://example.org/A"},
      {"https://h:/", "https://h/"},
      {"https://h:443/", "https://h/"},
      {"https://h:08443/", "https://h:8443/"},
      {"https:/h/x", "https://h/x"},
      {"https:///h/x", "https://h/x"},
      {"host/?u=https://x/", "https://host/?u=https://x/"},
      {"host:8443/a", "https://host:8443/a"},
      {"https://h?q", "https://h/?q"},
      {"https://h/?", "https://h/?"},
      {"https://h#f?x", "https://h/"},
      {"https://h/x/../t", "https://h/t"},
      {"https://h/../../t", "https://h/t"},
      {"https://h/a/./b/%2e%2E/c", "https://h/a/c"},
      {"https://h/a/..", "https://h/"},
      {"https://h/a/b/.", "https://h/a/b/"},
      {"https://h/a//..", "https://h/a/"},
      {"https://h/.../..a/a..", "https://h/.../..a/a.."},
      {"https://h/t?x/../y", "https://h/t?x/../y"},
      {"https://h/a b?c d", "https://h/a%20b?c%20d"},
      {"https://h/\xc3\xbc?\xc3\xbc", "https://h/%C3%BC?%C3%BC"},
      {"https://h/[x]{y}^|\"<>\\`", "https://h/%5Bx%5D%7By%7D%5E%7C%22%3C%3E%5C%60"},
      {"https://h/?a[]=^", "https://h/?a%5B%5D=%5E"},
      {"https://h/100%?5%", "https://h/100%25?5%25"},
      {"https://h/%zz%4", "https://h/%25zz%254"},
      {"https://h/%c3%bc%2F", "https://h/%c3%bc%2F"},
      {"https://h/a?b?c", "https://h/a?b?c"},
      {"https://127.1/", "https://127.0.0.1/"},
      {"https://h./", "https://h./"},
      {"https://b\xc3\xbc\x63her.example/", "https://xn--bcher-kva.example/"},
      {"https://[fe80::1%25lo]:1/", "https://[fe80::1%25lo]:1/"},
      {"https://[FE80::1%lo]/", "https://[fe80::1%25lo]/"},
  };
  for (const auto& given : cases) {
    const auto url = parse_url(given.written);
    ASSERT_TRUE(url) << given.written << ": " << url.error().message;
    EXPECT_EQ(url->to_string(), given.form) << given.written;
  }
}

TEST(Url, AZoneIsForThisMachineOnly) {
  const auto url = parse_url("https://[fe80::1%25lo]:8443/");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "fe80::1%lo");
  EXPECT_EQ(url->origin(), "[fe80::1%lo]:8443");
  EXPECT_EQ(url->authority(), "[fe80::1]:8443");
}

TEST(Url, LeadsOn) {
  const Url base = *parse_url("https://h:8443/a/b?c/d");
  const struct {
    std::string_view reference, target;
  } cases[] = {
      {"", "https://h:8443/a/b?c/d"},
      {"#f", "https://h:8443/a/b?c/d"},
      {"?x", "https://h:8443/a/b?x"},
      {"x", "https://h:8443/a/x"},
      {"../x", "https://h:8443/x"},
      {"../../../x", "https://h:8443/x"},
      {"/x y", "https://h:8443/x%20y"},
      {"/x?u=https://y/", "https://h:8443/x?u=https://y/"},
      {"//O.test:/x", "https://o.test/x"},
      {"HTTPS://o.test", "https://o.test/"},
      {"//b\xc3\xbc\x63her.example", "https://xn--bcher-kva.example/"},
      {"\xc3\xbc/[1]", "https://h:8443/a/%C3%BC/%5B1%5D"},
  };
  for (const auto& given : cases) {
    const auto url = resolve_reference(base, given.reference);
    ASSERT_TRUE(url) << given.reference << ": " << url.error().message;
    EXPECT_EQ(url->to_string(), given.target) << given.reference;
  }
  EXPECT_EQ(resolve_reference(*parse_url("https://[fe80::1%25lo]/a"), "b")->to_string(),
            "https://[fe80::1%25lo]/b");
  for (const std::string_view bad : {"http://h/", "mailto:a", "//", "https:", "//u@h/", "//a b/"})
    EXPECT_FALSE(resolve_reference(base, bad)) << bad;
}

TEST(Url, ASegmentIsOneSegment) {
  EXPECT_EQ(encoded_segment("a b/?#%.txt"), "a%20b%2F%3F%23%25.txt");
}

TEST(Url, RefusesWhatItCannotFetch) {
  for (const char* bad : {"http://a/",        "ftp://a/",
                          "https://",         "https://a:0/",
                          "https://a:99999/", "https://a:1x/",
                          "https://a b/",     "https://a%0d%0ax:y/",
                          "https://a%3A1/",   "https://a%25b/",
                          "https://%5Ba%5D/", "https://a%00/",
                          "https://a%20b/",   "https://a%2fb/",
                          "https://a|b/",     "https://a\\b/",
                          "https://a/\tb",    "https://a/\r\nb",
                          "https://a:b/",     "https://[::1/",
                          "https://[::1]x/",  "https://[::1%]/",
                          "https://.a/",      "https:",
                          "https:///",        ""}) {
    const auto url = parse_url(bad);
    ASSERT_FALSE(url) << bad;
    EXPECT_EQ(url.error().kind, ErrorKind::usage);
    EXPECT_NE(url.error().message.find(bad), std::string::npos);
  }
}

TEST(Url, AnErrorRepeatsNoPassword) {
  const struct {
    std::string_view written, shown;
  } cases[] = {
      {"https://user:s3cret@h:8443/f", "'https://...@h:8443/f'"},
      {"user:s3cret@h/?u=https://x/", "'...@h/?u=https://x/'"},
      {"https:/s3cret@h/@x", "'https:/...@h/@x'"},
      {"http://user:s3cret@h/", "'http://...@h/'"},
      {"https://user:s3cret/x@h/", "'https://...@h/'"},
      {"https://user:s3cret@h/\n", "'https://...@h/\n'"},
      {"-u:s3cret@h", "'...@h'"},
  };
  for (const auto& given : cases) {
    const auto url = parse_url(given.written);
    ASSERT_FALSE(url) << given.written;
    EXPECT_EQ(url.error().message.find("s3cret"), std::string::npos) << url.error().message;
    EXPECT_TRUE(url.error().message.starts_with(given.shown)) << url.error().message;
  }
  const auto redirect = resolve_reference(*parse_url("https://h/"), "ftp://user:s3cret@h/");
  EXPECT_EQ(redirect.error().message, "'ftp://...@h/': only https:// URLs can be fetched");
  for (const std::string_view plain : {"https://h/@x", "h:1/a:b@c", "https://[::1]:0/a@b", "//h/?u=a:b@c",
                                       "/a:b@c", "https://a:99999/@", ""})
    EXPECT_EQ(without_credentials(plain), plain) << "what is none stays";
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
}  // namespace sallyport::dial
