// Fields, heads, and the values that are parsed out of fields: Priority, Alt-Svc, content-length.
#include "http/message.h"

#include "http/abuse_budget.h"
#include "http/alt_svc.h"
#include "http/fields.h"
#include "http/priority.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

TEST(Fields, AddFindAndOrder) {
  Fields fields{{"A", "1"}, {"b", "2"}, {"a", "3"}};
  EXPECT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields[0].name, "a");
  EXPECT_EQ(fields.find("a"), "1");
  EXPECT_EQ(fields.find("A"), std::nullopt);
  EXPECT_EQ(fields.joined("a"), "1, 3");
  EXPECT_EQ(fields.joined("c"), std::nullopt);
  EXPECT_EQ(fields.count("a"), 2u);
  EXPECT_EQ(fields.section_size(), 6u + 3 * 32);
  std::string all;
  for (const auto& [name, value] : fields) all += std::string(name) + "=" + std::string(value) + ";";
  EXPECT_EQ(all, "a=1;b=2;a=3;");
}

TEST(Fields, RemoveAndSetDoNotGrow) {
  Fields fields{{"first", "x"}, {"gone", "1"}, {"middle", "y"}, {"gone", "22"}, {"last", "z"}};
  EXPECT_EQ(fields.remove("gone"), 2u);
  EXPECT_EQ(fields.remove("gone"), 0u);
  ASSERT_EQ(fields.size(), 3u);
  EXPECT_EQ(fields.find("first"), "x");
  EXPECT_EQ(fields.find("middle"), "y");
  EXPECT_EQ(fields.find("last"), "z");
  const std::size_t before = fields.section_size();
  for (int i = 0; i < 100; ++i) fields.set("middle", "w");
  EXPECT_EQ(fields.section_size(), before);
  EXPECT_EQ(fields[2].name, "middle");
  fields.clear();
  EXPECT_TRUE(fields.empty());
  EXPECT_EQ(fields.section_size(), 0u);
}

TEST(Message, ContentLength) {
  EXPECT_EQ(parse_content_length("0"), 0u);
  EXPECT_EQ(parse_content_length("18446744073709551615"), ~std::uint64_t{0});
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "1,1", "0x1", "18446744073709551616"})
    EXPECT_EQ(parse_content_length(bad), std::nullopt) << bad;
}

TEST(Message, Methods) {
  EXPECT_TRUE(is_safe("HEAD"));
  EXPECT_FALSE(is_safe("PUT"));
  EXPECT_TRUE(is_idempotent("PUT"));
  EXPECT_FALSE(is_idempotent("POST"));
  EXPECT_FALSE(is_safe("get"));
}

TEST(Priority, Parses) {
  const auto is = [](std::string_view text, Priority expected) {
    const auto parsed = parse_priority(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, expected) << text;
  };
  is("", {3, false});
  is("u=0", {0, false});
  is("u=7, i", {7, true});
  is("i,u=2", {2, true});
  is("i=?0", {3, false});
  is("i=?1", {3, true});
  is("u=1;a=b;c, i;x=1.5", {1, true});
  is("  u=1  ", {1, false});
  is("u=1 ,\ti", {1, true});
  // Out of range or of another type: as if absent.
  is("u=8", {3, false});
  is("u=-1", {3, false});
  is("u=1.5", {3, false});
  is("u=\"1\"", {3, false});
  is("i=1", {3, false});
  is("u=(1 2), i", {3, true});
  // Unknown members; the last of two counts.
  is("x=token/1, y=:YWJj:, z=\"a\\\"b\", u=4, *k=?0", {4, false});
  is("u=1, u=5", {5, false});
}

TEST(Priority, RefusesWhatIsNoDictionary) {
  for (const char* bad : {"u=1,",  "u=",     "=1",        "U=1",      "u=1 i",
                          "u==1",  "i=?2",   "u=1;",      "u=(1",     "u=(1,2)",
                          "x=\"a", "x=:a",   "x=1.",      "x=1.2345", "x=1234567890123456",
                          ",",     "u=1,,i", "x=\"\\a\"", "x=\x01",   "x=-"})
    EXPECT_FALSE(parse_priority(bad)) << bad;
}

TEST(Priority, Formats) {
  EXPECT_EQ(format_priority({}), "");
  EXPECT_EQ(format_priority({0, false}), "u=0");
  EXPECT_EQ(format_priority({3, true}), "i");
  EXPECT_EQ(format_priority({5, true}), "u=5, i");
}

TEST(AltSvc, RoundTrip) {
  const AltService service{.protocol = "h3", .host = "", .port = 443};
  EXPECT_EQ(format_alt_svc(service), "h3=\":443\"; ma=86400");
  const auto parsed = parse_alt_svc(format_alt_svc(service));
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->services.size(), 1u);
  EXPECT_EQ(parsed->services[0], service);
}

TEST(AltSvc, Lists) {
  const auto parsed = parse_alt_svc(
      "h3=\"alt.test:8443\"; ma=60; persist=1 , h2=\"[::1]:443\";ma=\"5\", w%3Dx=\":1\"; unknown=y");
  ASSERT_TRUE(parsed);
  ASSERT_EQ(parsed->services.size(), 3u);
  EXPECT_EQ(parsed->services[0], (AltService{"h3", "alt.test", 8443, 60s, true}));
  EXPECT_EQ(parsed->services[1], (AltService{"h2", "[::1]", 443, 5s, false}));
  EXPECT_EQ(parsed->services[2].protocol, "w=x");
  EXPECT_TRUE(parse_alt_svc(" clear")->clear);
}

TEST(AltSvc, RefusesNonsense) {
  for (const char* bad : {"", "h3", "h3=443", "h3=\"443\"", "h3=\":0\"", "h3=\":65536\"", "h3=\":443",
                          "h3=\":443\";", "h3=\":443\"; ma=-1", "h3=\":443\"; ma=x", "h3=\":443\",",
                          "h3=\"a b:1\"", "%zz=\":1\"", "h3=\":443\" h2=\":1\""})
    EXPECT_FALSE(parse_alt_svc(bad)) << bad;
}

TEST(AltSvc, IsBounded) {
  std::string many = "h3=\":1\"; ma=99999999999";
  for (int i = 0; i < 1000; ++i) many += ", h3=\":1\"";
  const auto parsed = parse_alt_svc(many);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->services.size(), 16u);
  EXPECT_EQ(parsed->services[0].max_age, std::chrono::hours(24 * 365));
}

TEST(AbuseBudget, BurstThenRate) {
  Limits limits;
  limits.abuse_burst = 10;
  limits.abuse_per_second = 4;
  Time now(1000s);
  AbuseBudget budget(limits, now);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(budget.spend(now)) << i;
  EXPECT_FALSE(budget.spend(now));
  now += 249ms;
  EXPECT_FALSE(budget.spend(now));
  now += 1ms;
  EXPECT_TRUE(budget.spend(now));
  EXPECT_FALSE(budget.spend(now));
  now += 600s;  // fills up to the burst, not beyond
  EXPECT_TRUE(budget.spend(now, 10));
  EXPECT_FALSE(budget.spend(now));
}

TEST(AbuseBudget, UsefulWorkFillsItUpToTheBurst) {
  const Time start{};
  AbuseBudget budget({.abuse_burst = 10, .abuse_per_second = 0}, start);
  EXPECT_TRUE(budget.spend(start, 10));
  EXPECT_FALSE(budget.spend(start));
  budget.earn(3);
  EXPECT_TRUE(budget.spend(start, 3));
  EXPECT_FALSE(budget.spend(start));
  budget.earn(1000);
  EXPECT_TRUE(budget.spend(start, 10));
  EXPECT_FALSE(budget.spend(start));
}

TEST(AbuseBudget, BytesFillItFourTimesAsFastAsTimeAtMost) {
  Time now{};
  AbuseBudget budget({.abuse_burst = 10, .abuse_per_second = 2}, now);
  EXPECT_TRUE(budget.spend(now, 10));
  budget.earn_by_bytes(now, 1000);
  EXPECT_TRUE(budget.spend(now, 8));
  budget.earn_by_bytes(now, 1000);
  EXPECT_FALSE(budget.spend(now));
  now += 1s;
  budget.earn_by_bytes(now, 1000);
  EXPECT_TRUE(budget.spend(now, 8));
  EXPECT_TRUE(budget.spend(now, 2));  // by time
  EXPECT_FALSE(budget.spend(now));
}

TEST(AbuseBudget, PartsOfTokensAreKept) {
  Limits limits;
  limits.abuse_burst = 1;
  limits.abuse_per_second = 10;
  Time now(0s);
  AbuseBudget budget(limits, now);
  int spent = 0;
  for (int i = 0; i < 1000; ++i) {
    now += 33ms;
    spent += budget.spend(now) ? 1 : 0;
  }
  // 33 seconds at 10 a second; a bucket of one loses what comes while it is full.
  EXPECT_GE(spent, 240);
  EXPECT_LE(spent, 331);
}

}  // namespace
}  // namespace sallyport::http
