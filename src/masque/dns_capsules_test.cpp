#include "masque/dns_capsules.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using namespace std::string_literals;

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}
net::IpPrefix prefix(std::string_view text) {
  return net::IpPrefix::parse(text).value();
}

/// A 16-bit number, or the head of a service parameter by its key and its value's size.
std::string number16(unsigned value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}
std::string parameter(unsigned key, const std::string& value) {
  return number16(key) + number16(static_cast<unsigned>(value.size())) + value;
}
std::string sized(const std::string& text) {
  EXPECT_LT(text.size(), 16384u);
  return (text.size() < 64 ? std::string(1, static_cast<char>(text.size()))
                           : number16(static_cast<unsigned>(text.size()) | 0x4000)) +
         text;
}
/// A configuration with one nameserver, 192.0.2.33, and no domains.
std::string with_nameserver(const std::string& domain, const std::string& parameters, int priority = 1) {
  return "\1"s + number16(static_cast<unsigned>(priority)) + "\1\xc0\0\2\x21\0"s + sized(domain) +
         sized(parameters) + "\0\0"s;
}
std::string refusal(const std::string& value, ErrorKind kind = ErrorKind::protocol) {
  const auto parsed = parse_dns_assign(as_bytes(value));
  if (parsed) return "taken";
  return parsed.error().kind == kind ? parsed.error().message : "another kind: " + parsed.error().message;
}
bool says(const std::string& message, std::string_view what) {
  return message.find(what) != std::string::npos;
}

// §3.6.1
const std::string full_tunnel = "\1\0\1\0\0"s + sized("masque.example.org") +
                                sized(parameter(1, "\2h2\2h3") + parameter(7, "/dns-query{?dns}")) +
                                "\1\0\0"s;
// §3.6.2
const std::string split_tunnel = "\1\0\1\1\xc0\0\2\x21\1"s + "\x20\x01\x0d\xb8"s + std::string(11, '\0') +
                                 "\1\0\0"s + "\1"s + sized("internal.corp.example") + "\2" +
                                 sized("internal.corp.example") + sized("corp.example");

TEST(DnsAssign, ReadsTheDraftsExamples) {
  const auto parsed = parse_dns_assign(as_bytes(full_tunnel + split_tunnel));
  ASSERT_TRUE(parsed) << parsed.error().message;
  const std::vector<DnsConfiguration> expected{
      {.nameservers = {{.authentication_domain = "masque.example.org",
                        .alpn = {"h2", "h3"},
                        .doh_path = "/dns-query{?dns}"}},
       .internal_domains = {""},
       .search_domains = {}},
      {.nameservers = {{.addresses = {ip("192.0.2.33"), ip("2001:db8::1")}}},
       .internal_domains = {"internal.corp.example"},
       .search_domains = {"internal.corp.example", "corp.example"}}};
  EXPECT_EQ(*parsed, expected);
  EXPECT_EQ(as_text(write_dns_assign(expected)), full_tunnel + split_tunnel);
}

TEST(DnsAssign, MayBeEmpty) {
  EXPECT_TRUE(parse_dns_assign({}).value().empty());
  const auto none = parse_dns_assign(as_bytes("\0\0\0"s));
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, std::vector<DnsConfiguration>(1));
}

TEST(DnsAssign, ReadsAllParametersThatWeKnow) {
  const auto parsed = parse_dns_assign(as_bytes(
      with_nameserver("dns.example.", parameter(0, number16(1) + number16(3)) + parameter(1, "\3dot\3doq") +
                                          parameter(2, "") + parameter(3, number16(8853)) +
                                          parameter(5, "ech") + parameter(65280, "private"))));
  ASSERT_TRUE(parsed) << parsed.error().message;
  const DnsNameserver& nameserver = parsed->front().nameservers.front();
  EXPECT_EQ(nameserver.alpn, (std::vector{"dot"s, "doq"s}));
  EXPECT_FALSE(nameserver.unencrypted);
  EXPECT_EQ(nameserver.port, 8853);
  EXPECT_EQ(nameserver.authentication_domain, "dns.example.");
  EXPECT_FALSE(nameserver.needs_more);
}

TEST(DnsAssign, AMandatoryParameterThatWeDoNotKnowIsTold) {
  const auto parsed =
      parse_dns_assign(as_bytes(with_nameserver("", parameter(0, number16(65280)) + parameter(65280, "?"))));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_TRUE(parsed->front().nameservers.front().needs_more);
}

// docs/threat-model.md, "invalid address capsule".
TEST(DnsAssign, EveryCutIsRefused) {
  for (std::size_t size = 1; size < split_tunnel.size(); ++size)
    EXPECT_TRUE(says(refusal(split_tunnel.substr(0, size)), "cut short")) << size;
  EXPECT_TRUE(says(refusal("\1\0\1\0\0\xff\xff\xff\xff\xff\xff\xff\xff"s), "cut short"));
}

// docs/threat-model.md, "invalid address capsule".
TEST(DnsAssign, MalformedNameserversAreRefused) {
  EXPECT_EQ(refusal(with_nameserver("", "")), "taken");
  EXPECT_TRUE(
      says(refusal(with_nameserver("", "", 0)), "priority 0 (draft-ietf-masque-connect-ip-dns-06 §3.2)"));
  EXPECT_TRUE(says(refusal("\1\0\1\0\0\0\0\0\0"s), "without an address"));
  EXPECT_TRUE(says(refusal(with_nameserver("", parameter(1, "\3dot"))), "without an authentication domain"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(2, ""))), "without alpn"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(1, "\3dot") + parameter(2, "x"))), "with a value"));
  EXPECT_TRUE(
      says(refusal(with_nameserver("a", parameter(3, "xx") + parameter(1, "\3dot"))), "out of order"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(3, "xx") + parameter(3, "xx"))), "out of order"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(1, ""))), "malformed alpn"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(1, "\0"s))), "malformed alpn"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(1, "\4dot"))), "malformed alpn"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(3, "x"))), "malformed port"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(4, "\1\2\3\4"))), "ipv4hint or ipv6hint"));
  EXPECT_TRUE(
      says(refusal(with_nameserver("a", parameter(6, std::string(16, 'x')))), "ipv4hint or ipv6hint"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(7, "dns-query"))), "dohpath"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(7, "/dns\n"))), "dohpath"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(0, ""))), "malformed list of mandatory"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(0, number16(0)))), "malformed list of mandatory"));
  EXPECT_TRUE(
      says(refusal(with_nameserver("a", parameter(0, number16(3) + "x"))), "malformed list of mandatory"));
  EXPECT_TRUE(
      says(refusal(with_nameserver("a", parameter(0, number16(3) + number16(3)) + parameter(3, "xx"))),
           "malformed list of mandatory"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(0, number16(3)))), "not there"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", number16(3))), "cut short"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", number16(3) + number16(3) + "xx")), "cut short"));
  EXPECT_TRUE(says(refusal(with_nameserver("a", parameter(1, "") + number16(3))), "malformed alpn"))
      << "of two errors the first is told";
}

// docs/threat-model.md, "invalid address capsule".
TEST(DnsAssign, WhatMayNotGoIntoAFileIsNoDomain) {
  const auto with_search = [](const std::string& domain) { return "\0\0\1"s + sized(domain); };
  for (const auto& good :
       {"a"s, "corp.example"s, "_x.Corp-1.example."s, "xn--bcher-kva.example"s, std::string(63, 'a')})
    EXPECT_EQ(refusal(with_search(good)), "taken") << good;
  for (const auto& bad :
       {""s, "."s, ".a"s, "a..b"s, "a.."s, "a b"s, "a\nnameserver 9.9.9.9"s, "a\0b"s, "b\xc3\xbc"s, "a/b"s,
        "*.a"s, "a\\.b"s, std::string(64, 'a'), std::string(254, 'a')})
    EXPECT_TRUE(says(refusal(with_search(bad)), "a search domain that is no domain name")) << bad;
  EXPECT_EQ(refusal("\0\1\0\0"s), "taken") << "as an internal domain the root has a meaning";
  std::string long_name;
  for (int i = 0; i < 127; ++i) long_name += "a.";
  EXPECT_EQ(refusal(with_search(long_name)), "taken");
  EXPECT_TRUE(says(refusal(with_search("a" + long_name)), "no domain name"));
}

// docs/threat-model.md, "invalid address capsule".
TEST(DnsAssign, TooMuchIsRefused) {
  const auto too_large = [](const std::string& value) { return refusal(value, ErrorKind::too_large); };
  EXPECT_EQ(refusal(std::string(3 * max_dns_configurations, '\0')), "taken");
  EXPECT_TRUE(
      says(too_large(std::string(3 * max_dns_configurations + 3, '\0')), "more than 16 DNS configurations"));
  EXPECT_TRUE(says(too_large("\x11"), "17 nameservers"));
  EXPECT_TRUE(says(too_large("\1\0\1\x11"s), "17 addresses"));
  EXPECT_TRUE(says(too_large("\1\0\1\0\x11"s), "17 addresses"));
  EXPECT_TRUE(says(too_large("\0\x41\1"s), "257 domains"));
  EXPECT_TRUE(says(too_large("\0\xff\xff\xff\xff\xff\xff\xff\xff"s), "domains"));
  EXPECT_TRUE(says(too_large(std::string(max_dns_capsule + 1, '\0')), "32769 bytes"));
}

TEST(Pref64, ReadsTheDraftsExample) {
  const std::string value = "\x60\0\x64\xff\x9b\0\0\0\0\0\0\0\0"s;
  const auto parsed = parse_pref64(as_bytes(value));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, std::vector{prefix("64:ff9b::/96")});
  EXPECT_EQ(as_text(write_pref64(*parsed)), value);
  EXPECT_TRUE(parse_pref64({}).value().empty());
}

TEST(Pref64, TakesTheLengthsOfRfc6052) {
  for (unsigned length = 0; length < 256; ++length) {
    const auto parsed = parse_pref64(
        as_bytes(static_cast<char>(length) + "\x20\x01\x0d\xb8\xff\xff\xff\xff\xff\xff\xff\xff"s));
    const bool good =
        length == 32 || length == 40 || length == 48 || length == 56 || length == 64 || length == 96;
    EXPECT_EQ(parsed.has_value(), good) << length;
    if (good) {
      EXPECT_EQ(parsed->front(), net::IpPrefix(ip("2001:db8:ffff:ffff:ffff:ffff:0:0"), length));
    }
  }
}

// docs/threat-model.md, "invalid address capsule".
TEST(Pref64, MalformedOnesAreRefused) {
  for (const std::size_t size : {1, 12, 14, 25})
    EXPECT_EQ(parse_pref64(as_bytes(std::string(size, '\x60'))).error().kind, ErrorKind::protocol) << size;
  EXPECT_TRUE(parse_pref64(as_bytes(std::string(13 * max_pref64, '\x60'))));
  EXPECT_EQ(parse_pref64(as_bytes(std::string(13 * max_pref64 + 13, '\x60'))).error().kind,
            ErrorKind::too_large);
}

}  // namespace
}  // namespace sallyport::masque
