#include "ingress/message_filters.h"

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

using Kind = config::PathRewrite::Kind;

TEST(MessageFilters, RemovesThenSetsThenAdds) {
  http::Fields fields{{"a", "1"}, {"b", "1"}, {"c", "1"}, {"b", "2"}};
  apply({.remove = {"a"}, .set = {{"b", "3"}, {"d", "4"}}, .add = {{"c", "5"}, {"a", "6"}}}, fields);
  EXPECT_EQ(fields.joined("a"), "6");
  EXPECT_EQ(fields.joined("b"), "3");
  EXPECT_EQ(fields.joined("c"), "1, 5");
  EXPECT_EQ(fields.joined("d"), "4");
}

TEST(MessageFilters, PutsAnotherPathInPlace) {
  EXPECT_EQ(rewritten({}, "/a", "/a/b?c"), "/a/b?c");
  EXPECT_EQ(rewritten({Kind::whole, "/new"}, "/a", "/a/b?c=/d"), "/new?c=/d");
  EXPECT_EQ(rewritten({Kind::whole, "/new"}, "/", "*"), "*");
}

TEST(MessageFilters, PutsAnotherPrefixInPlace) {
  const auto prefix = [](const char* to, std::string_view of, std::string_view target) {
    return rewritten({Kind::prefix, to}, of, target);
  };
  EXPECT_EQ(prefix("/new", "/a", "/a"), "/new");
  EXPECT_EQ(prefix("/new", "/a", "/a/"), "/new/");
  EXPECT_EQ(prefix("/new", "/a", "/a/b/?c"), "/new/b/?c");
  EXPECT_EQ(prefix("/new/x", "/a/b", "/a/b/c"), "/new/x/c");
  EXPECT_EQ(prefix("/", "/a", "/a"), "/");
  EXPECT_EQ(prefix("/", "/a", "/a?b"), "/?b");
  EXPECT_EQ(prefix("/", "/a", "/a/b"), "/b");
  EXPECT_EQ(prefix("/new", "/", "/"), "/new");
  EXPECT_EQ(prefix("/new", "/", "/a/b"), "/new/a/b");
  EXPECT_EQ(prefix("/new", "/ab", "/%61b/c%2Fd"), "/new/c%2Fd") << "encoded as it need not be";
  EXPECT_EQ(prefix("/new", "/", "*"), "*");
}

TEST(MessageFilters, WhereARedirectLeadsTo) {
  const http::Request request{.authority = "a.test:8443", .path = "/old/x?y"};
  const auto to = [&request](const config::Redirect& redirect, bool clear = false) {
    return location_of(redirect, "/old", request, clear);
  };
  EXPECT_EQ(to({}), "https://a.test:8443/old/x?y");
  EXPECT_EQ(to({}, true), "http://a.test:8443/old/x?y");
  EXPECT_EQ(to({.scheme = "https"}), "https://a.test/old/x?y") << "the scheme's own port";
  EXPECT_EQ(to({.scheme = "http", .host = "b.test", .port = 80}), "http://b.test/old/x?y");
  EXPECT_EQ(to({.scheme = "http", .host = "b.test", .port = 443}), "http://b.test:443/old/x?y");
  EXPECT_EQ(to({.host = "2001:db8::1"}), "https://[2001:db8::1]:8443/old/x?y");
  EXPECT_EQ(to({.path = {Kind::prefix, "/new"}}), "https://a.test:8443/new/x?y");
  EXPECT_EQ(location_of({}, "/", {.authority = ""}, false), "");
  EXPECT_EQ(location_of({.host = "b.test"}, "/", {.method = "OPTIONS", .authority = "", .path = "*"}, false),
            "https://b.test/");
}

}  // namespace
}  // namespace sallyport::ingress
