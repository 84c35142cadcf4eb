#include "ingress/route_table.h"

#include "config/route_flag.h"

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

/// The name of the route that takes a request; "none".
class RouteTableTest : public testing::Test {
 protected:
  void routes(std::initializer_list<std::pair<const char*, const char*>> all) {
    for (const auto& [host, path] : all) routes_.push_back({.host = host, .path = path, .backends = {}});
    table_ = RouteTable(routes_);
  }
  std::string find(std::string_view authority, std::string_view path) const {
    http::Request request;
    request.authority = authority;
    request.path = path;
    const auto found = table_.find(request);
    return found ? routes_[*found].name() : "none";
  }

  std::vector<config::Route> routes_;
  RouteTable table_;
};

TEST_F(RouteTableTest, HasNothingWithoutRoutes) {
  EXPECT_EQ(find("example.org", "/"), "none");
  EXPECT_EQ(find("", ""), "none");
}

TEST_F(RouteTableTest, TheMostSpecificHostDecides) {
  routes({{"example.org", "/"}, {"*.example.org", "/"}, {"*.a.example.org", "/"}, {"", "/"}});
  EXPECT_EQ(find("example.org", "/"), "example.org/");
  EXPECT_EQ(find("www.example.org", "/"), "*.example.org/");
  EXPECT_EQ(find("x.y.example.org", "/"), "*.example.org/");
  EXPECT_EQ(find("a.example.org", "/"), "*.example.org/") << "a wildcard is for what is below its name";
  EXPECT_EQ(find("x.a.example.org", "/"), "*.a.example.org/");
  EXPECT_EQ(find("example.com", "/"), "*/");
  EXPECT_EQ(find("notexample.org", "/"), "*/");
}

TEST_F(RouteTableTest, HostsAreComparedWithoutCasePortAndTrailingDot) {
  routes({{"example.org", "/"}, {"2001:db8::1", "/"}, {"192.0.2.1", "/"}});
  EXPECT_EQ(find("EXAMPLE.org:8443", "/"), "example.org/");
  EXPECT_EQ(find("example.org.", "/"), "example.org/");
  EXPECT_EQ(find("example.org.:443", "/"), "example.org/");
  EXPECT_EQ(find("[2001:db8::1]:443", "/"), "2001:db8::1/");
  EXPECT_EQ(find("[2001:DB8::1]", "/"), "2001:db8::1/");
  EXPECT_EQ(find("192.0.2.1:1", "/"), "192.0.2.1/");
  EXPECT_EQ(find("[2001:db8::1", "/"), "none");
}

TEST_F(RouteTableTest, TheLongestPrefixOfWholeSegmentsDecides) {
  routes({{"a", "/"}, {"a", "/api"}, {"a", "/api/v1/users"}});
  EXPECT_EQ(find("a", "/"), "a/");
  EXPECT_EQ(find("a", "/apis"), "a/");
  EXPECT_EQ(find("a", "/api"), "a/api");
  EXPECT_EQ(find("a", "/api/"), "a/api");
  EXPECT_EQ(find("a", "/api?x=/v1/users"), "a/api");
  EXPECT_EQ(find("a", "/api/v1"), "a/api");
  EXPECT_EQ(find("a", "/api/v1/users"), "a/api/v1/users");
  EXPECT_EQ(find("a", "/api/v1/users/7/mail/8"), "a/api/v1/users");
  EXPECT_EQ(find("a", "/api/v1/users7"), "a/api");
  EXPECT_EQ(find("a", "//api"), "a/") << "an empty segment is one";
  EXPECT_EQ(find("a", "*"), "a/") << "of OPTIONS";
}

TEST_F(RouteTableTest, AHostWithoutTheRootTakesOnlyItsPaths) {
  routes({{"a", "/api"}, {"", "/"}});
  EXPECT_EQ(find("a", "/api/x"), "a/api");
  EXPECT_EQ(find("a", "/"), "none") << "no other host's route";
  EXPECT_EQ(find("a", "/x/api"), "none");
}

/// Routes as --route has them, and the number of the one that takes a request.
class RouteConditionsTest : public testing::Test {
 protected:
  void routes(std::initializer_list<const char*> flags) {
    std::vector<config::Route> all;
    for (const char* const flag : flags) all.push_back(config::parse_route(flag).value());
    table_ = RouteTable(all);
  }
  int find(std::string path, http::Fields fields = {}, std::string method = "GET") const {
    http::Request request{.method = std::move(method), .authority = "a", .path = std::move(path)};
    request.fields = std::move(fields);
    const auto found = table_.find(request);
    return found ? static_cast<int>(*found) : -1;
  }
  RouteTable table_;
};

TEST_F(RouteConditionsTest, ExactBeforeRegexBeforePrefix) {
  routes({"a/x=respond:200", "a/x=respond:200;exact", "a/x/[0-9]+=respond:200;regex",
          "a/x/[0-9]+/more=respond:200;regex", "a/x/1=respond:200;exact", "a/(=respond:200"});
  EXPECT_EQ(find("/x"), 1);
  EXPECT_EQ(find("/x?q"), 1);
  EXPECT_EQ(find("/x/"), 0) << "not exactly";
  EXPECT_EQ(find("/x/2"), 2);
  EXPECT_EQ(find("/x/2/more?q"), 3);
  EXPECT_EQ(find("/x/2/less"), 0);
  EXPECT_EQ(find("/x/1"), 4);
  EXPECT_EQ(find("/%78/1"), 4) << "percent-encoded as it need not be";
  EXPECT_EQ(find("/y"), -1);
}

TEST_F(RouteConditionsTest, OfRegexesTheLongestPatternCounts) {
  routes({"a/.*=respond:200;regex", "a/x.*=respond:200;regex", "a/xy?z*=respond:200;regex"});
  EXPECT_EQ(find("/xyz"), 2);
  EXPECT_EQ(find("/xq"), 1);
  EXPECT_EQ(find("/q"), 0);
}

TEST_F(RouteConditionsTest, MethodThenHeadersThenQuery) {
  routes({"a=respond:200", "a=respond:200;query=v=2", "a=respond:200;header=x-a:1",
          "a=respond:200;header=x-a:1;header=x-b:2", "a=respond:200;method=POST"});
  EXPECT_EQ(find("/"), 0);
  EXPECT_EQ(find("/?v=1"), 0);
  EXPECT_EQ(find("/?u=1&v=2"), 1);
  EXPECT_EQ(find("/?v=2", {{"x-a", "1"}}), 2);
  EXPECT_EQ(find("/", {{"x-b", "2"}, {"x-a", "1"}}), 3);
  EXPECT_EQ(find("/", {{"x-b", "2"}, {"x-a", "1"}}, "POST"), 4);
  EXPECT_EQ(find("/", {{"x-a", "1, 2"}}), 0);
  EXPECT_EQ(find("/", {{"x-a", "1"}, {"x-a", "2"}}), 0) << "the value is 1, 2 (RFC 9110 §5.3)";
}

TEST_F(RouteConditionsTest, RegexesOfFieldsAndParameters) {
  routes({"a=respond:200;header-regex=x-a:[0-9]+", "a=respond:200;query-regex=v=a|b"});
  EXPECT_EQ(find("/", {{"x-a", "17"}}), 0);
  EXPECT_EQ(find("/", {{"x-a", "17a"}}), -1);
  EXPECT_EQ(find("/?v=b"), 1);
  EXPECT_EQ(find("/?v=ab"), -1);
}

TEST_F(RouteConditionsTest, WhereConditionsFailTheShorterPathCounts) {
  routes({"a/x/y=respond:200;method=POST", "a/x/y=respond:200;exact;method=PUT",
          "a/x/.=respond:200;regex;method=PUT", "a/x=respond:200"});
  EXPECT_EQ(find("/x/y"), 3);
  EXPECT_EQ(find("/x/y", {}, "POST"), 0);
  EXPECT_EQ(find("/x/y", {}, "PUT"), 1);
  EXPECT_EQ(find("/x/z", {}, "PUT"), 2);
}

// RFC 8441 §4: over HTTP/2 and /3 it is a CONNECT, over HTTP/1.1 a GET; one route takes both.
TEST_F(RouteConditionsTest, AWebSocketIsAGet) {
  routes({"a=respond:200;method=GET"});
  http::Request request{.method = "CONNECT", .authority = "a", .path = "/", .protocol = "websocket"};
  EXPECT_EQ(table_.find(request), 0);
}

TEST_F(RouteTableTest, LongNamesAndPathsAreLookedUpFast) {
  routes({{"*.a", "/x/y"}, {"", "/"}});
  std::string name, path;
  for (int i = 0; i < 100'000; ++i) name += "b.";
  for (int i = 0; i < 100'000; ++i) path += "/x";
  EXPECT_EQ(find(name + "a", path), "*/") << "no name is so long";
  EXPECT_EQ(find("b.a", path), "none");
  EXPECT_EQ(find("b.a", "/x/y" + path), "*.a/x/y");
}

}  // namespace
}  // namespace sallyport::ingress
