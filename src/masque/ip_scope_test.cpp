#include "masque/ip_scope.h"

#include "masque/uri_template.h"

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}
IpScope to_prefix(std::string_view text, std::optional<std::uint8_t> protocol = {}) {
  return {net::IpPrefix::parse(text).value(), protocol};
}
IpScope to_host(std::string name, std::optional<std::uint8_t> protocol = {}) {
  return {std::move(name), protocol};
}
PacketAddresses packet(std::string_view source, std::string_view destination, std::uint8_t protocol) {
  return {ip(source), ip(destination), protocol};
}

struct Case {
  std::string_view path;
  IpScope scope;
};

TEST(MatchIpPath, FindsTheScope) {
  const std::vector<Case> cases{
      {"/.well-known/masque/ip/*/*/", {}},
      {"/.well-known/masque/ip/%2A/%2a/", {}},
      {"/.well-known/masque/ip/*/*", {}},
      {"/.well-known/masque/ip/*/17/", {{}, 17}},
      {"/.well-known/masque/ip/*/0/", {{}, 0}},
      {"/.well-known/masque/ip/*/255/", {{}, 255}},
      {"/.well-known/masque/ip/*/%31%37/", {{}, 17}},
      {"/.well-known/masque/ip/192.0.2.6/*/", to_prefix("192.0.2.6/32")},
      {"/.well-known/masque/ip/192.0.2.0%2F24/6/", to_prefix("192.0.2.0/24", 6)},
      {"/.well-known/masque/ip/0.0.0.0%2f0/6/", to_prefix("0.0.0.0/0", 6)},
      {"/.well-known/masque/ip/2001%3Adb8%3A%3A42/*/", to_prefix("2001:db8::42/128")},
      {"/.well-known/masque/ip/2001%3Adb8%3A%3A%2F32/*/", to_prefix("2001:db8::/32")},
      {"/.well-known/masque/ip/2001:db8::%2F032/*/", to_prefix("2001:db8::/32")},
      {"/.well-known/masque/ip/%3A%3A%2F0/58/", to_prefix("::/0", 58)},
      {"/.well-known/masque/ip/target.example/17/", to_host("target.example", 17)},
      {"/.well-known/masque/ip/%74arget.example./*/?x=y", to_host("target.example.")},
      {"/proxy?target=192.0.2.6&ipproto=132", to_prefix("192.0.2.6/32", 132)},
      {"/proxy?x&ipproto=6", {{}, 6}},
      {"/?target=a.example", to_host("a.example")},
  };
  for (const auto& c : cases) {
    const auto matched = match_ip_path(c.path);
    ASSERT_TRUE(matched) << c.path << ": " << matched.error().message;
    EXPECT_EQ(*matched, c.scope) << c.path;
  }
}

// docs/threat-model.md, "malformed target".
TEST(MatchIpPath, MalformedVariablesAreProtocolErrors) {
  const std::string ip_path = "/.well-known/masque/ip/";
  for (const std::string& path : {ip_path,
                                  ip_path + "a",
                                  ip_path + "a/",
                                  ip_path + "/6/",
                                  ip_path + "//",
                                  ip_path + "a/256/",
                                  ip_path + "a/-1/",
                                  ip_path + "a/+1/",
                                  ip_path + "a/0006/",
                                  ip_path + "a/tcp/",
                                  ip_path + "a/**/",
                                  ip_path + "a/6//",
                                  ip_path + "a/6/b",
                                  ip_path + "a/%/",
                                  ip_path + "%/6/",
                                  ip_path + "%4/6/",
                                  ip_path + "**/6/",
                                  ip_path + "*.example/6/",
                                  ip_path + "a%00b/6/",
                                  ip_path + "a%20b/6/",
                                  ip_path + "a@b/6/",
                                  ip_path + "a.example%2F24/6/",
                                  ip_path + "192.0.2.0/24/6/",
                                  ip_path + "192.0.2.0%2F/6/",
                                  ip_path + "192.0.2.0%2F33/6/",
                                  ip_path + "192.0.2.0%2F024/6/",
                                  ip_path + "192.0.2.0%2F-1/6/",
                                  ip_path + "192.0.2.0%2F24%2F24/6/",
                                  ip_path + "192.0.2.1%2F24/6/",
                                  ip_path + "%2F24/6/",
                                  ip_path + "2001%3Adb8%3A%3A%2F129/6/",
                                  ip_path + "2001%3Adb8%3A%3A%2F0032/6/",
                                  ip_path + "2001%3Adb8%3A%3A1%2F64/6/",
                                  ip_path + "fe80%3A%3A%251/6/",
                                  ip_path + "fe80%3A%3A%25lo%2F64/6/",
                                  ip_path + "%5B%3A%3A1%5D/6/",
                                  ip_path + std::string(254, 'a') + "/6/",
                                  std::string("/proxy?target="),
                                  std::string("/proxy?target=a&ipproto"),
                                  std::string("/proxy?target=a&target=a"),
                                  std::string("/proxy?ipproto=6&target=a&ipproto=6")}) {
    const auto matched = match_ip_path(path);
    ASSERT_FALSE(matched) << path;
    EXPECT_EQ(matched.error().kind, ErrorKind::protocol) << path;
  }
}

TEST(MatchIpPath, OtherPathsAreNotOurs) {
  for (const std::string_view path : {"", "/", "/.well-known/masque/ip", "/.well-known/masque/udp/a/1/",
                                      "/x?y=z", "/x?target_host=a&target_port=1"}) {
    const auto matched = match_ip_path(path);
    ASSERT_FALSE(matched) << path;
    EXPECT_EQ(matched.error().kind, ErrorKind::closed) << path;
  }
}

TEST(ProxyTemplateForIp, Expands) {
  struct Expansion {
    std::string_view text;
    IpScope scope;
    std::string_view path;
  };
  const std::vector<Expansion> cases{
      {"https://proxy.example", {}, "/.well-known/masque/ip/*/*/"},
      {"https://proxy.example/", to_prefix("192.0.2.6", 17), "/.well-known/masque/ip/192.0.2.6/17/"},
      {"https://p", to_prefix("192.0.2.0/24"), "/.well-known/masque/ip/192.0.2.0%2F24/*/"},
      {"https://p", to_prefix("2001:db8::42", 132), "/.well-known/masque/ip/2001%3Adb8%3A%3A42/132/"},
      {"https://p", to_prefix("2001:db8::/32"), "/.well-known/masque/ip/2001%3Adb8%3A%3A%2F32/*/"},
      {"https://p", to_host("target.example", 6), "/.well-known/masque/ip/target.example/6/"},
      {"https://p/vpn?t={target}&i={ipproto}", to_prefix("::/0", 0), "/vpn?t=%3A%3A%2F0&i=0"},
      {"https://p/vpn{?target,ipproto}", {}, "/vpn?target=*&ipproto=*"},
      {"https://p/vpn?k=v{&user,ipproto,target}", to_host("a", 6), "/vpn?k=v&ipproto=6&target=a"},
      {"https://p/{user}/{target,ipproto}", to_host("a", 6), "//a,6"},
      {"https://p/vpn", {}, "/vpn"},
      {"https://p/.well-known/masque/ip/*/*/", {}, "/.well-known/masque/ip/*/*/"},
      {"https://p/{ipproto}", {{}, 6}, "/6"},
  };
  for (const auto& c : cases) {
    const auto parsed = ProxyTemplate::parse(c.text, Protocol::ip);
    ASSERT_TRUE(parsed) << c.text << ": " << parsed.error().message;
    const auto path = parsed->expand(c.scope);
    ASSERT_TRUE(path) << c.text << ": " << path.error().message;
    EXPECT_EQ(*path, c.path) << c.text;
  }
}

TEST(ProxyTemplateForIp, WhatItCannotSayIsAnError) {
  const auto fixed = ProxyTemplate::parse("https://p/vpn/{ipproto}", Protocol::ip);
  ASSERT_TRUE(fixed);
  EXPECT_TRUE(fixed->expand(IpScope{{}, 6}));
  const auto target = fixed->expand(to_prefix("192.0.2.0/24", 6));
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().kind, ErrorKind::usage);
  EXPECT_NE(target.error().message.find("no {target} to limit the tunnel to 192.0.2.0/24"),
            std::string::npos);
  const auto protocol = ProxyTemplate::parse("https://p/{target}", Protocol::ip)->expand(to_host("a", 6));
  ASSERT_FALSE(protocol);
  EXPECT_NE(protocol.error().message.find("no {ipproto} to limit the tunnel to protocol 6"),
            std::string::npos);
}

TEST(ProxyTemplateForIp, RefusesWhatRfc9484Section3Forbids) {
  for (const std::string_view text :
       {"", "http://p", "https://p/{+target}", "https://p/{#target}", "https://p/{.target}",
        "https://p{/target}", "https://p/x{;ipproto}", "https://p/{target*}", "https://p/{target:3}",
        "https://p/{target", "https://p/\xc3\xa4", "https://p/ ", "https://p/x#f",
        "https://p/{target_host}/{target_port}", "https://p/m{?target_host,ipproto}"}) {
    const auto parsed = ProxyTemplate::parse(text, Protocol::ip);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::usage) << text;
  }
  EXPECT_NE(ProxyTemplate::parse("https://p/{+target}", Protocol::ip).error().message.find("CONNECT-IP"),
            std::string::npos);
}

TEST(IpScope, KnowsTheNumbersOfExtensionHeaders) {
  for (const std::uint8_t protocol : {0, 43, 44, 60, 135, 139, 140})
    EXPECT_TRUE((IpScope{{}, protocol}.names_extension_header())) << int{protocol};
  for (const std::uint8_t protocol : {1, 6, 17, 50, 51, 58, 59, 255})
    EXPECT_FALSE((IpScope{{}, protocol}.names_extension_header())) << int{protocol};
  EXPECT_FALSE(IpScope{}.names_extension_header());
  EXPECT_TRUE(to_prefix("2001:db8::/32", 51).names_extension_header()) << "AH has a protocol behind it";
  EXPECT_FALSE(to_prefix("192.0.2.0/24", 51).names_extension_header());
  EXPECT_FALSE(to_host("a.example", 51).names_extension_header());
  EXPECT_FALSE(to_prefix("2001:db8::/32", 50).names_extension_header());
}

TEST(PacketScope, WithoutLimitsAdmitsEverything) {
  const PacketScope scope{IpScope{}};
  EXPECT_TRUE(scope.admits_from_client(packet("10.0.0.1", "192.0.2.1", 6)));
  EXPECT_TRUE(scope.admits_to_client(packet("2001:db8::1", "2001:db8::2", 132)));
}

TEST(PacketScope, LimitsTheFarEnd) {
  const PacketScope scope{to_prefix("192.0.2.0/24")};
  EXPECT_TRUE(scope.admits_from_client(packet("10.0.0.1", "192.0.2.255", 6)));
  EXPECT_FALSE(scope.admits_from_client(packet("192.0.2.1", "10.0.0.1", 6)));
  EXPECT_TRUE(scope.admits_to_client(packet("192.0.2.1", "10.0.0.1", 17)));
  EXPECT_FALSE(scope.admits_to_client(packet("192.0.3.1", "192.0.2.1", 17)));
  EXPECT_FALSE(scope.admits_from_client(packet("::ffff:10.0.0.1", "::ffff:192.0.2.1", 6)));
}

TEST(PacketScope, LimitsTheProtocolButNeverIcmp) {
  const PacketScope scope{IpScope{{}, 17}};
  EXPECT_TRUE(scope.admits_from_client(packet("10.0.0.1", "192.0.2.1", 17)));
  EXPECT_FALSE(scope.admits_from_client(packet("10.0.0.1", "192.0.2.1", 6)));
  EXPECT_TRUE(scope.admits_from_client(packet("10.0.0.1", "192.0.2.1", 1)));
  EXPECT_FALSE(scope.admits_from_client(packet("10.0.0.1", "192.0.2.1", 58)));
  EXPECT_TRUE(scope.admits_to_client(packet("2001:db8::1", "2001:db8::2", 58)));
  EXPECT_FALSE(scope.admits_to_client(packet("2001:db8::1", "2001:db8::2", 1)));
}

TEST(PacketScope, IcmpComesFromAnywhereButGoesToTheTarget) {
  const PacketScope scope{to_prefix("192.0.2.0/24", 17)};
  EXPECT_TRUE(scope.admits_to_client(packet("203.0.113.1", "10.0.0.1", 1)));
  EXPECT_FALSE(scope.admits_from_client(packet("10.0.0.1", "203.0.113.1", 1)));
  EXPECT_FALSE(scope.admits_to_client(packet("2001:db8::1", "2001:db8::2", 58))) << "another IP version";
}

TEST(PacketScope, OfANameHasItsAddresses) {
  const std::vector<net::IpAddress> resolved{ip("192.0.2.7"), ip("2001:db8::7"), ip("192.0.2.6")};
  const PacketScope scope(to_host("a.example", 6), resolved);
  EXPECT_TRUE(scope.admits_from_client(packet("10.0.0.1", "192.0.2.7", 6)));
  EXPECT_TRUE(scope.admits_from_client(packet("2001:db8::1", "2001:db8::7", 6)));
  EXPECT_FALSE(scope.admits_from_client(packet("10.0.0.1", "192.0.2.8", 6)));
  EXPECT_EQ(scope.ranges(), (std::vector<IpRange>{{ip("192.0.2.6"), ip("192.0.2.7"), 6},
                                                  {ip("2001:db8::7"), ip("2001:db8::7"), 6}}));
  EXPECT_FALSE(PacketScope(to_host("a.example")).admits_from_client(packet("10.0.0.1", "192.0.2.7", 6)));
}

TEST(PacketScope, RangesAreTheScope) {
  EXPECT_EQ(PacketScope{IpScope{}}.ranges(),
            (std::vector<IpRange>{{ip("0.0.0.0"), ip("255.255.255.255"), 0},
                                  {ip("::"), ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 0}}));
  EXPECT_EQ(PacketScope{to_prefix("192.0.2.0/24", 17)}.ranges(),
            (std::vector<IpRange>{{ip("192.0.2.0"), ip("192.0.2.255"), 17}}));
  EXPECT_TRUE((PacketScope{IpScope{{}, 0}}.ranges().empty())) << "not: all protocols";
}

}  // namespace
}  // namespace sallyport::masque
