#include "masque/uri_template.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

struct Expansion {
  std::string_view text, authority;
  Target target;
  std::string_view path;
};

TEST(ProxyTemplate, Expands) {
  const std::vector<Expansion> cases{
      {"https://proxy.example",
       "proxy.example",
       {"192.0.2.6", 443},
       "/.well-known/masque/udp/192.0.2.6/443/"},
      {"https://proxy.example/", "proxy.example", {"a.example", 1}, "/.well-known/masque/udp/a.example/1/"},
      {"HTTPS://proxy.example:443",
       "proxy.example",
       {"a.example", 1},
       "/.well-known/masque/udp/a.example/1/"},
      {"https://[2001:db8::1]:4443",
       "[2001:db8::1]:4443",
       {"2001:db8::42", 65535},
       "/.well-known/masque/udp/2001%3Adb8%3A%3A42/65535/"},
      {"https://[2001:db8::1]", "[2001:db8::1]", {"a", 7}, "/.well-known/masque/udp/a/7/"},
      {"https://p:4443/masque?h={target_host}&p={target_port}",
       "p:4443",
       {"2001:db8::42", 443},
       "/masque?h=2001%3Adb8%3A%3A42&p=443"},
      {"https://p:4443/masque{?target_host,target_port}",
       "p:4443",
       {"a.example", 443},
       "/masque?target_host=a.example&target_port=443"},
      {"https://p/m?k=v{&target_port,target_host}",
       "p",
       {"a.example", 53},
       "/m?k=v&target_port=53&target_host=a.example"},
      {"https://p/m{?user,target_host,target_port,x}", "p", {"a", 5}, "/m?target_host=a&target_port=5"},
      {"https://p/{user}/{target_host,target_port}/%7Ex/{target_host}", "p", {"a", 5}, "//a,5/%7Ex/a"},
  };
  for (const auto& c : cases) {
    const auto parsed = ProxyTemplate::parse(c.text);
    ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->authority(), c.authority) << c.text;
    EXPECT_EQ(parsed->expand(c.target), c.path) << c.text;
  }
}

TEST(ProxyTemplate, NamesHostWithoutBrackets) {
  const auto parsed = ProxyTemplate::parse("https://[2001:db8::1]:4443");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->host(), "2001:db8::1");
  EXPECT_EQ(parsed->port(), 4443);
}

TEST(ProxyTemplate, BringsTheHostIntoOneForm) {
  const struct {
    std::string_view text, host, authority;
  } cases[] = {
      {"HTTPS://Proxy.Example:", "proxy.example", "proxy.example"},
      {"https://proxy.example.", "proxy.example.", "proxy.example."},
      {"https://b\xc3\xbc\x63her.example", "xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"https://[fe80::1%25lo]:4443", "fe80::1%lo", "[fe80::1]:4443"},
      {"Localhost:8444", "localhost", "localhost:8444"},
      {"[2001:db8::1]", "2001:db8::1", "[2001:db8::1]"},
      {"p:1/m{?target_host,target_port}", "p", "p:1"},
  };
  for (const auto& c : cases) {
    const auto parsed = ProxyTemplate::parse(c.text);
    ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().message;
    EXPECT_EQ(parsed->host(), c.host);
    EXPECT_EQ(parsed->authority(), c.authority);
  }
}

TEST(ProxyTemplate, RefusesWhatRfc9298Section2Forbids) {
  for (const std::string_view text : {"",
                                      "http://proxy.example",
                                      "socks5://proxy.example:1080",
                                      "/{target_host}/{target_port}",
                                      "//proxy.example",
                                      "https://",
                                      "https:///x",
                                      "https://user@p",
                                      "https://p:0",
                                      "https://p:65536",
                                      "https://p:4a",
                                      "https://2001:db8::1",
                                      "https://[p]",
                                      "https://[::1",
                                      "https://[::1]x",
                                      "https://p?h={target_host}&p={target_port}",
                                      "https://{target_host}/{target_port}",
                                      "https://p/x",
                                      "https://p/{target_host}",
                                      "https://p/{target_port}",
                                      "https://p/{+target_host}/{target_port}",
                                      "https://p/{#target_host}/{target_port}",
                                      "https://p/{.target_host}/{target_port}",
                                      "https://p{/target_host}{/target_port}",
                                      "https://p/x{;target_host,target_port}",
                                      "https://p/{target_host:3}/{target_port}",
                                      "https://p/{target_host*}/{target_port}",
                                      "https://p/{target_host}/{target_port",
                                      "https://p/{target_host}/target_port}",
                                      "https://p/{target_host}/{target_port}#f",
                                      "https://p/{target_host}/{target_port}/{}",
                                      "https://p/{target_host,}/{target_port}",
                                      "https://p/{target_host}/{target_port}/ ",
                                      "https://p/{target_host}/{target_port}/\xc3\xa4",
                                      "https://p/%zz/{target_host}/{target_port}",
                                      "https://p/%4"}) {
    const auto parsed = ProxyTemplate::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage) << text;
  }
}

TEST(MatchUdpPath, FindsTheTarget) {
  const std::string longest(253, 'a');
  const std::vector<std::pair<std::string, Target>> cases{
      {"/.well-known/masque/udp/192.0.2.6/443/", {"192.0.2.6", 443}},
      {"/.well-known/masque/udp/192.0.2.6/443", {"192.0.2.6", 443}},
      {"/.well-known/masque/udp/2001%3Adb8%3a%3A42/53/", {"2001:db8::42", 53}},
      {"/.well-known/masque/udp/2001:db8::42/53/", {"2001:db8::42", 53}},
      {"/.well-known/masque/udp/%61.example/%34%34/?x=y", {"a.example", 44}},
      {"/.well-known/masque/udp/xn--bcher-kva.example./1/", {"xn--bcher-kva.example.", 1}},
      {"/.well-known/masque/udp/" + longest + "/65535/", {longest, 65535}},
      {"/masque?h=a.example&p=443", {"a.example", 443}},
      {"/masque?p=443&x&h=%3A%3A1", {"::1", 443}},
      {"/?target_port=9&target_host=_srv.a", {"_srv.a", 9}},
  };
  for (const auto& [path, target] : cases) {
    const auto matched = match_udp_path(path);
    ASSERT_TRUE(matched) << path << ": " << matched.error().message;
    EXPECT_EQ(*matched, target) << path;
  }
}

// docs/threat-model.md, "malformed target".
TEST(MatchUdpPath, MalformedVariablesAreProtocolErrors) {
  const std::string too_long(254, 'a');
  for (const std::string& path : {std::string("/.well-known/masque/udp/"),
                                  std::string("/.well-known/masque/udp/a"),
                                  std::string("/.well-known/masque/udp/a/"),
                                  std::string("/.well-known/masque/udp//443/"),
                                  std::string("/.well-known/masque/udp/a/0/"),
                                  std::string("/.well-known/masque/udp/a/65536/"),
                                  std::string("/.well-known/masque/udp/a/99999999999999999999/"),
                                  std::string("/.well-known/masque/udp/a/-1/"),
                                  std::string("/.well-known/masque/udp/a/+1/"),
                                  std::string("/.well-known/masque/udp/a/1x/"),
                                  std::string("/.well-known/masque/udp/a/%201/"),
                                  std::string("/.well-known/masque/udp/a/443//"),
                                  std::string("/.well-known/masque/udp/a/443/b"),
                                  std::string("/.well-known/masque/udp/%/443/"),
                                  std::string("/.well-known/masque/udp/%4/443/"),
                                  std::string("/.well-known/masque/udp/%gg/443/"),
                                  std::string("/.well-known/masque/udp/a%00b/443/"),
                                  std::string("/.well-known/masque/udp/a%0d%0a/443/"),
                                  std::string("/.well-known/masque/udp/a%2Fb/443/"),
                                  std::string("/.well-known/masque/udp/a%20b/443/"),
                                  std::string("/.well-known/masque/udp/a@b/443/"),
                                  std::string("/.well-known/masque/udp/%c3%a4/443/"),
                                  std::string("/.well-known/masque/udp/%5B::1%5D/443/"),
                                  std::string("/.well-known/masque/udp/fe80::1%251/443/"),
                                  std::string("/.well-known/masque/udp/1:2:3/443/"),
                                  std::string("/.well-known/masque/udp/*/443/"),
                                  "/.well-known/masque/udp/" + too_long + "/443/",
                                  std::string("/masque?h=a"),
                                  std::string("/masque?p=1"),
                                  std::string("/masque?h=a&p"),
                                  std::string("/masque?h=&p=1"),
                                  std::string("/masque?h=a&p=0"),
                                  std::string("/masque?h=a&p=1&h=b"),
                                  std::string("/masque?h=a&p=1&p=1"),
                                  std::string("/masque?target_host=a&p=1")}) {
    const auto matched = match_udp_path(path);
    ASSERT_FALSE(matched) << path;
    EXPECT_EQ(matched.error().kind, ErrorKind::protocol) << path;
  }
}

TEST(MatchUdpPath, OtherPathsAreNotOurs) {
  for (const std::string_view path :
       {"", "/", "/index.html", "/.well-known/masque/udp", "/.well-known/masque/ip/a/1/", "/x?y=z", "/x?",
        "/.WELL-KNOWN/masque/udp/a/1/"}) {
    const auto matched = match_udp_path(path);
    ASSERT_FALSE(matched) << path;
    EXPECT_EQ(matched.error().kind, ErrorKind::closed) << path;
  }
}

TEST(MatchUdpPath, ErrorsRepeatOnlyPrintableWords) {
  const auto matched = match_udp_path("/.well-known/masque/udp/a\x1b[31m" + std::string(500, 'x') + "/1/");
  ASSERT_FALSE(matched);
  EXPECT_EQ(matched.error().message.find('\x1b'), std::string::npos);
  EXPECT_LT(matched.error().message.size(), 200u);
}

TEST(ParseAuthority, TakesHostAndPort) {
  const std::vector<std::pair<std::string_view, Target>> cases{
      {"a.example:443", {"a.example", 443}},
      {"192.0.2.1:1", {"192.0.2.1", 1}},
      {"[2001:db8::1]:65535", {"2001:db8::1", 65535}}};
  for (const auto& [text, target] : cases) {
    const auto parsed = parse_authority(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, target);
    EXPECT_EQ(parsed->to_string(), text);
  }
}

TEST(ParseAuthority, RefusesTheRest) {
  for (const std::string_view text :
       {"", "a", "a:", ":443", "a:0", "a:65536", "a:b", "a:1:2", "2001:db8::1:443", "[::1]",
        "[::1]:", "[::1:443", "[a]:443", "[192.0.2.1]:443", "u@a:443", "a:443/", "a b:443",
        "[fe80::1%251]:443", "https://a:443"})
    EXPECT_FALSE(parse_authority(text)) << text;
}

}  // namespace
}  // namespace sallyport::masque
