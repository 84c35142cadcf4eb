#include "ingress/route_table.h"

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
    const auto found = table_.find(authority, path);
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
