#include "config/route_flag.h"

#include "config/route_text.h"

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
           {"a=http://b/x", "it has no path: requests keep their own, and ;prefix=/PATH changes it"},
           {"a=http://b?x", "it has no path"},
           {"a=http://user:secret@b", "it has no user name"},
           {"a=http://b:0", "the port must be 1 to 65535"},
           {"a=http://b:65536", "the port must be 1 to 65535"},
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

TEST(RouteFlag, Conditions) {
  EXPECT_EQ(read("a/x/=http://b;exact"), "a/x/;exact -> http://b:80*1");
  EXPECT_EQ(read("a/x=http://b,http://c#2;method=POST;header=X-A: 1;header-regex=x-b:a|b;query=v=2"),
            "a/x;method=POST;header=x-a:1;header-regex=x-b:a|b;query=v=2 -> http://b:80*1 http://c:80*2");
  EXPECT_EQ(read("a/x/[0-9]{1,3}(/.*)?=http://b;regex;query-regex=q;;=.*;;"),
            "a/x/[0-9]{1,3}(/.*)?;regex;query-regex=q;;=.*;; -> http://b:80*1");
}

/// What the options change, one behind the other; or the error.
std::string changes(std::string_view text) {
  const auto route = parse_route(text);
  if (!route) return route.error().message;
  std::string out;
  for (const std::string& option : behaviour_options(*route)) out += (out.empty() ? "" : " ") + option;
  return out;
}

TEST(RouteFlag, Options) {
  for (const char* const same : {"set-header=x-a:1",
                                 "add-header=x-a:1",
                                 "remove-header=x-a",
                                 "set-response-header=x-a:b c",
                                 "add-response-header=x-a:1",
                                 "remove-response-header=server",
                                 "host=b.test:8080",
                                 "host=[2001:db8::1]",
                                 "prefix=/",
                                 "prefix=/new",
                                 "path=/new/",
                                 "balance=round-robin",
                                 "balance=client",
                                 "balance=header:x-user",
                                 "timeout=0.5",
                                 "backend-timeout=2",
                                 "idle-timeout=0",
                                 "retries=0",
                                 "retry-on=502,503",
                                 "add-header=x-a:"})
    EXPECT_EQ(changes(std::string("a=http://b;") + same), same);
  EXPECT_EQ(changes("a=http://b;set-header=Authorization: Basic eDp5"), "set-header=authorization:...");
  EXPECT_EQ(changes("a=http://b;balance=least-requests;retries=2;idle-timeout=60;prefix=/x/"), "prefix=/x");
  EXPECT_EQ(changes("a=http://b;set-header=x-a:1;;2"), "set-header=x-a:1;2");
}

TEST(RouteFlag, RedirectsAndResponses) {
  const auto moved = parse_route("a/old=redirect:https://www.example.org:8443/new;status=301");
  ASSERT_TRUE(moved);
  EXPECT_EQ(*moved->redirect, (Redirect{.scheme = "https",
                                        .host = "www.example.org",
                                        .port = 8443,
                                        .path = {PathRewrite::Kind::prefix, "/new"},
                                        .status = 301}));
  EXPECT_TRUE(moved->backends.empty());
  EXPECT_EQ(parse_route("a=redirect:https://b")->redirect->path.kind, PathRewrite::Kind::none);
  EXPECT_EQ(parse_route("a/x=redirect:https://b/")->redirect->path,
            (PathRewrite{PathRewrite::Kind::prefix, "/"}));
  EXPECT_EQ(parse_route("a=redirect:/b")->redirect->path.value, "/b");
  EXPECT_EQ(parse_route("a/x=redirect:/b;exact")->redirect->path.kind, PathRewrite::Kind::whole);
  EXPECT_EQ(parse_route("a=redirect:http://b;path=/c")->redirect->path,
            (PathRewrite{PathRewrite::Kind::whole, "/c"}));
  const auto gone = parse_route("a=respond:410;body=gone;set-response-header=cache-control:no-store");
  ASSERT_TRUE(gone);
  EXPECT_EQ(*gone->response, (DirectResponse{.status = 410, .body = "gone"}));
  EXPECT_EQ(gone->filters.response.set.front().second, "no-store");
}

TEST(RouteFlag, SaysWhatIsWrongWithAnOption) {
  for (const auto& [text, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"a=http://b;retires=2", "there is no option 'retires'; a ; in a value is written ;;"},
           {"a=http://b;exact=1", "the option exact has no value"},
           {"a=http://b;timeout=5;timeout=6", "the option timeout is given twice"},
           {"a=http://b;exact;regex", "the options exact and regex contradict each other"},
           {"a=http://b;prefix=/x;path=/y", "the options prefix and path contradict each other"},
           {"a=http://b;method", "the option method wants a value, as in method=..."},
           {"a=http://b;method=A B", "that is not a method"},
           {"a=http://b;header=x", "it is NAME:VALUE"},
           {"a=http://b;header=x y:1", "that is not the name of a header field"},
           {"a=http://b;header=host:b", "the host stands in front of the path"},
           {"a=http://b;header=x:1;header=X:2", "there are two for x"},
           {"a=http://b;header-regex=x:(", "the option header-regex: missing )"},
           {"a=http://b;query=v", "it is NAME=VALUE"},
           {"a=http://b;query==v", "it is NAME=VALUE"},
           {"a/(=http://b;regex", "the option regex: missing )"},
           {"a=http://b;set-header=host:c", "host=NAME sets the Host"},
           {"a=http://b;set-header=Connection:close", "connection is the gateway's own to set"},
           {"a=http://b;remove-header=content-length", "content-length is the gateway's own to set"},
           {"a=http://b;set-header=x:\n", "a header field cannot have that value"},
           {"a=http://b;host=", "the host is missing"},
           {"a=http://b;prefix=new", "it begins with a /"},
           {"a=http://b;path=/x?y", "it has no query"},
           {"a=http://b;path=/x y", "percent-encoded"},
           {"a/x=http://b;exact;prefix=/y", "the option prefix is for routes whose path is a prefix"},
           {"a=http://b;timeout=x", "it is a number of seconds"},
           {"a=http://b;timeout=-1", "it is a number of seconds"},
           {"a=http://b;timeout=nan", "it is a number of seconds"},
           {"a=http://b;timeout=86401", "it is a number of seconds, 0 (for ever) to 86400"},
           {"a=http://b;retries=11", "it is 0 to 10"},
           {"a=http://b;retry-on=200", "statuses from 400 to 599"},
           {"a=http://b;retry-on=502,", "statuses from 400 to 599"},
           {"a=http://b;balance=random", "it is least-requests, round-robin, client, or header:NAME"},
           {"a=http://b;balance=header:", "it is least-requests"},
           {"a=http://b;status=301", "it is for routes to redirect:"},
           {"a=http://b;body=x", "it is for routes to respond:"},
           {"a=redirect:https://b;status=304", "301, 302, 303, 307 or 308"},
           {"a=redirect:https://b;timeout=1", "it is for routes to backends"},
           {"a=redirect:b", "redirect: is followed by a URL or a path"},
           {"a=redirect:https://b:0", "redirect: the port must be 1 to 65535"},
           {"a=redirect:https://b/x?y", "it has no query"},
           {"a=respond:100", "respond: is followed by a status from 200 to 599"},
           {"a=respond:204;body=x", "a response with the status 204 has no body"},
           {"a=respond:404;prefix=/x", "it is for routes to backends and to redirect:"}}) {
    EXPECT_THAT(changes(text), HasSubstr(why)) << text;
    EXPECT_THAT(changes(text), testing::StartsWith("--route a")) << text;
  }
}

TEST(RouteFlag, HidesPasswords) {
  EXPECT_EQ(read("a=http://user:secret@b"), "--route a: the backend http://...@b: it has no user name");
}

}  // namespace
}  // namespace sallyport::config
