#include "config/route_flag.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::config {
namespace {

using testing::HasSubstr;

/// "example.org/ -> http://127.0.0.1:80*1", or the error.
std::string read(std::string_view text) {
  const auto route = parse_route(text);
  if (!route) return route.error().message;
  std::string out = route->name() + " ->";
  for (const Backend& backend : route->backends)
    out += " " + backend.to_string() + "*" + std::to_string(backend.weight);
  return out;
}

TEST(RouteFlag, HostsPathsAndBackends) {
  EXPECT_EQ(read("example.org=http://127.0.0.1:8080"), "example.org/ -> http://127.0.0.1:8080*1");
  EXPECT_EQ(read("EXAMPLE.org./a/=https://Backend.Test"), "example.org/a -> https://backend.test:443*1");
  EXPECT_EQ(read("*.example.org=h2c://[2001:db8::1]"), "*.example.org/ -> h2c://[2001:db8::1]:80*1");
  EXPECT_EQ(read("*=h3://b/"), "*/ -> h3://b:443*1");
  EXPECT_EQ(read("/api=http://b"), "*/api -> http://b:80*1");
  EXPECT_EQ(read("a=http://b#9,http://c:1#0,HTTPS://d"), "a/ -> http://b:80*9 http://c:1*0 https://d:443*1");
  EXPECT_EQ(read("b\xc3\xbc"
                 "cher.example=http://b"),
            "xn--bcher-kva.example/ -> http://b:80*1");
  EXPECT_EQ(read("a/x=y=http://b"),
            "--route a/x: the backend y=http://b: it begins with http://, https://, h2c:// "
            "or h3://, as http://127.0.0.1:8080 does");
}

TEST(RouteFlag, SaysWhatIsWrong) {
  for (const auto& [text, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"example.org", "it is HOST[/PATH]=URL"},
           {"example.org:8443=http://b", "a route's host has no port"},
           {"a.*.org=http://b", "a * stands for all of the name in front of a dot"},
           {"a/x?y=http://b", "a route's path has no query"},
           {"a/x/../y=http://b", "a route's path has no segments . and .."},
           {"a..org=http://b", "the host has an empty label"},
           {"a..=http://b", "the host has an empty label"},
           {"a/x y=http://b", "other characters are percent-encoded"},
           {"a=b:8080", "it begins with http://"},
           {"a=ftp://b", "it begins with http://"},
           {"a=http://b/x", "it has no path: requests keep their own"},
           {"a=http://b?x", "it has no path"},
           {"a=http://user:secret@b", "it has no user name"},
           {"a=http://b:0", "the port must be 1 to 65535"},
           {"a=http://b:65536", "the port must be 1 to 65535"},
           {"a=http://b:", "the port must be 1 to 65535"},
           {"a=http://[::1", "the closing bracket"},
           {"a=http://b#x", "its weight, behind the #, is 0 to 1000000"},
           {"a=http://b#1000001", "its weight"},
           {"a=http://b#0,http://c#0", "all of its backends have the weight 0"},
           {"a=", "it begins with http://"},
           {"a=http://b,", "it begins with http://"},
           {"a=http://", "the host"}}) {
    EXPECT_THAT(read(text), HasSubstr(why)) << text;
    EXPECT_THAT(read(text), testing::StartsWith("--route ")) << text;
  }
}

TEST(RouteFlag, HidesPasswords) {
  EXPECT_EQ(read("a=http://user:secret@b"), "--route a: the backend http://...@b: it has no user name");
}

}  // namespace
}  // namespace sallyport::config
