#include "net/host_name.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

using namespace std::string_view_literals;

TEST(HostName, HasOneForm) {
  const struct {
    std::string_view written, form;
  } cases[] = {
      {"Example.ORG", "example.org"},
      {"example.org.", "example.org."},
      {"ex%41mple.org", "example.org"},
      {"a_b-c.test", "a_b-c.test"},
      {"b\xc3\xbc"
       "cher.example",
       "xn--bcher-kva.example"},
      {"B%C3%9C"
       "CHER.example",
       "xn--bcher-kva.example"},
      {"bu\xcc\x88"
       "cher.example",
       "xn--bcher-kva.example"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"fa\xc3\x9f.de", "xn--fa-hia.de"},
      {"\xe6\x97\xa5\xe6\x9c\xac\xe3\x80\x82jp", "xn--wgv71a.jp"},  // an ideographic full stop
      {"\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", "127.0.0.1"},  // fullwidth digits
      {"192.0.2.1", "192.0.2.1"},
      {"127.1", "127.0.0.1"},
      {"0x7F.0.0.1", "127.0.0.1"},
      {"2130706433", "127.0.0.1"},
      {"127.0.0.1.", "127.0.0.1"},
      {"1.2.3.4.5", "1.2.3.4.5"},
      {"[2001:DB8:0::1]", "2001:db8::1"},
      {"[fe80::1%25lo]", "fe80::1%lo"},
      {"[fe80::1%lo]", "fe80::1%lo"},
      {"[fe80::1%25]", "fe80::1%25"},  // an interface's number
  };
  for (const auto& given : cases) {
    const auto host = parse_host(given.written);
    ASSERT_TRUE(host) << given.written << ": " << host.error().message;
    EXPECT_EQ(*host, given.form) << given.written;
  }
}

TEST(HostName, RefusesWhatNoNameHas) {
  for (const std::string_view bad : {""sv,
                                     "."sv,
                                     ".."sv,
                                     ".a"sv,
                                     "a b"sv,
                                     "a%20b"sv,
                                     "a%2fb"sv,
                                     "a%00"sv,
                                     "a\0b"sv,
                                     "a%"sv,
                                     "a%zz"sv,
                                     "a%25"sv,
                                     "a\\b"sv,
                                     "a|b"sv,
                                     "a^b"sv,
                                     "a\"b"sv,
                                     "a\tb"sv,
                                     "a%7f"sv,
                                     "[::1"sv,
                                     "[]"sv,
                                     "[1.2.3.4]"sv,
                                     "[::1%]"sv,
                                     "[::1%25a/b]"sv,
                                     "[::1%25a%00]"sv,
                                     "[::1%2521longer-than-any]"sv,
                                     "a]"sv,
                                     "\xff"sv,
                                     "a\xef\xbc\x8f"
                                     "b"sv,                  // a fullwidth solidus, which is mapped to '/'
                                     "\xe2\x84\x80.test"sv,  // "a/c" as one character
                                     "xn--a\xc3\xbc.test"sv}) {
    const auto host = parse_host(bad);
    ASSERT_FALSE(host) << bad << " became " << *host;
    EXPECT_EQ(host.error().kind, ErrorKind::usage);
  }
}

TEST(HostName, WithAPort) {
  const auto both = parse_host_and_port("Example.org:8443");
  ASSERT_TRUE(both);
  EXPECT_EQ(both->host, "example.org");
  EXPECT_EQ(both->port, 8443);
  const auto v6 = parse_host_and_port("[2001:DB8::1]:1");
  ASSERT_TRUE(v6);
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->port, 1);
  for (const char* const without : {"a", "a:", "[::1]", "[::1]:"}) {
    const auto host = parse_host_and_port(without);
    ASSERT_TRUE(host) << without;
    EXPECT_EQ(host->port, std::nullopt) << without;
  }
  for (const char* const wrong :
       {"", ":1", "a:0", "a:65536", "a:x", "a:1x", "[::1", "::1", "a:1:2", "[::1]1"})
    EXPECT_FALSE(parse_host_and_port(wrong)) << wrong;
}

TEST(HostName, LeavesToOthersWhatIsForThem) {
  EXPECT_EQ(without_zone("fe80::1%eth0"), "fe80::1");
  EXPECT_EQ(without_zone("a.test."), "a.test.");
  EXPECT_EQ(certificate_name("a.test."), "a.test");
  EXPECT_EQ(certificate_name("a.test"), "a.test");
  EXPECT_EQ(certificate_name("fe80::1%eth0"), "fe80::1");
}

}  // namespace
}  // namespace sallyport::net
