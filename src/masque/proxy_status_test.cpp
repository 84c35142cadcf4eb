#include "masque/proxy_status.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

TEST(ProxyStatus, FormatsARefusal) {
  EXPECT_EQ(format_proxy_status("sallyport", {502, "dns_error", "no such name"}),
            "sallyport; error=dns_error; details=\"no such name\"");
  EXPECT_EQ(format_proxy_status("gw-1.example:443", {502, "dns_error", ""}),
            "gw-1.example:443; error=dns_error");
  EXPECT_EQ(format_proxy_status("1st gate", {502, "dns_error", "a \"b\" \\ \x1b\xc3"}),
            "\"1st gate\"; error=dns_error; details=\"a \\\"b\\\" \\\\ ??\"");
}

TEST(ProxyStatus, FormatsANextHop) {
  EXPECT_EQ(format_next_hop("sallyport", "[2001:db8::1]:443"), "sallyport; next-hop=\"[2001:db8::1]:443\"");
}

TEST(ProxyStatus, ReadsWhatItWrites) {
  const auto status =
      parse_proxy_status(format_proxy_status("a b", {403, "destination_ip_prohibited", "say \"no\" \\"}));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->proxy, "a b");
  EXPECT_EQ(status->error, "destination_ip_prohibited");
  EXPECT_EQ(status->details, "say \"no\" \\");
  const auto hop = parse_proxy_status(format_next_hop("a", "192.0.2.1:443"));
  ASSERT_TRUE(hop);
  EXPECT_EQ(hop->next_hop, "192.0.2.1:443");
  EXPECT_TRUE(hop->error.empty());
  EXPECT_EQ(next_hop_of({{"proxy-status", format_next_hop("a", "192.0.2.1:443")}}), "192.0.2.1:443");
  EXPECT_EQ(next_hop_of({{"proxy-status", "not; a=\"field"}}), "");
  EXPECT_EQ(next_hop_of({}), "");
}

TEST(ProxyStatus, TakesTheLastMember) {
  const auto status = parse_proxy_status(
      " far.example;error=connection_refused ,\t\"near\"; next-hop=10.0.0.1;x; y=?0; z=-1.5;b=:aGk=: ");
  ASSERT_FALSE(status) << "a token cannot begin with a digit";
  const auto good = parse_proxy_status(
      " far.example;error=connection_refused ,\t\"near\"; next-hop=h1;x; y=?0; z=-1.5;b=:aGk=: ");
  ASSERT_TRUE(good);
  EXPECT_EQ(good->proxy, "near");
  EXPECT_EQ(good->next_hop, "h1");
  EXPECT_TRUE(good->error.empty());
}

TEST(ProxyStatus, LastOfEqualParametersCounts) {
  const auto status = parse_proxy_status("p;error=a;error=b");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->error, "b");
}

TEST(ProxyStatus, RefusesMalformed) {
  for (const std::string_view text : {"",
                                      " ",
                                      ",",
                                      "a,",
                                      ",a",
                                      "a b",
                                      "(a b)",
                                      "a;",
                                      "a;Error=x",
                                      "a;error=",
                                      "a;error=\"x",
                                      "a;error=\"\\x\"",
                                      "a;error=\"\x01\"",
                                      "a;error=\"\xc3\xa4\"",
                                      "\"\\",
                                      "a;x=?2",
                                      "a;x=:a b:",
                                      "a;x=:a",
                                      "a;x=-",
                                      "a;x=1.",
                                      "a;x=1..2",
                                      "a;x=12345678901234567",
                                      "a; \tx=1",
                                      "a ;x=1"})
    EXPECT_FALSE(parse_proxy_status(text)) << text;
}

TEST(Refusal, TellsTheKindsApart) {
  struct Case {
    ErrorKind kind;
    unsigned status;
    std::string_view type;
  };
  for (const Case& c :
       {Case{ErrorKind::resolve, 502, "dns_error"}, Case{ErrorKind::denied, 403, "destination_ip_prohibited"},
        Case{ErrorKind::refused, 502, "connection_refused"},
        Case{ErrorKind::timeout, 504, "connection_timeout"},
        Case{ErrorKind::unreachable, 503, "destination_unavailable"},
        Case{ErrorKind::closed, 502, "connection_terminated"},
        Case{ErrorKind::protocol, 400, "http_request_error"},
        Case{ErrorKind::resource, 503, "proxy_internal_error"}}) {
    const Refusal refusal = refusal_for({c.kind, "why", 0});
    EXPECT_EQ(refusal.status, c.status);
    EXPECT_EQ(refusal.type, c.type);
    EXPECT_EQ(refusal.details, "why");
  }
}

}  // namespace
}  // namespace sallyport::masque
