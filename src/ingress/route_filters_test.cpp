// What routes change in requests and responses, and what the gateway answers by itself.
#include "config/route_flag.h"
#include "ingress/proxy_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

using http::test::get;
using http::test::status;

class RouteFiltersTest : public testing::Test {
 protected:
  void route(std::string_view flag) { scene.apply(config::parse_route(flag).value()); }
  std::string response_field(std::string_view name) {
    return scene.asked.back().response->fields.joined(name).value_or("none");
  }
  std::string request_field(std::string_view name) {
    return scene.request_at_backend().fields.joined(name).value_or("none");
  }
  test::ProxyScene scene{true, false};
};

TEST_F(RouteFiltersTest, ARequestIsChanged) {
  route(
      "*/api=http://backend.test;prefix=/"
      "v2;host=inner.test:81;set-header=x-a:1;add-header=accept:b;remove-header=cookie;"
      "set-header=x-forwarded-proto:http");
  auto request = get("/api/users?x=/api");
  request.fields = {{"x-a", "0"}, {"accept", "a"}, {"cookie", "k=v"}};
  scene.ask(request);
  EXPECT_EQ(scene.request_at_backend().path, "/v2/users?x=/api");
  EXPECT_EQ(scene.request_at_backend().authority, "inner.test:81");
  EXPECT_EQ(request_field("x-a"), "1");
  EXPECT_EQ(request_field("accept"), "a, b");
  EXPECT_EQ(request_field("cookie"), "none");
  EXPECT_EQ(request_field("x-forwarded-proto"), "http") << "the operator has the last word";
  EXPECT_EQ(request_field("x-forwarded-host"), "example.com") << "what the client asked for";
}

TEST_F(RouteFiltersTest, AResponseIsChanged) {
  route("*=http://backend.test;set-response-header=cache-control:no-store;remove-response-header=server");
  scene.ask(get("/"));
  scene.at_backend().inform(status(103, {{"server", "b"}}));
  scene.at_backend().respond(status(200, {{"server", "b"}, {"cache-control", "max-age=1"}}), true);
  scene.settle();
  EXPECT_EQ(response_field("server"), "none");
  EXPECT_EQ(response_field("cache-control"), "no-store");
}

TEST_F(RouteFiltersTest, ARedirect) {
  route("*/old=redirect:http://new.test/docs;status=301;set-response-header=x-a:1");
  scene.ask(get("/old/a?b"));
  EXPECT_EQ(scene.asked.back().response->status, 301u);
  EXPECT_EQ(response_field("location"), "http://new.test/docs/a?b");
  EXPECT_EQ(response_field("x-a"), "1");
  EXPECT_TRUE(scene.asked.back().is_well());
  EXPECT_EQ(scene.requests(), 0u);
  EXPECT_EQ(scene.counters().requests, 1u);
}

TEST_F(RouteFiltersTest, AResponseOfItsOwn) {
  route("*=respond:410;body=it is gone;set-response-header=content-type:text/html");
  scene.ask(get("/"));
  EXPECT_EQ(scene.asked.back().response->status, 410u);
  EXPECT_EQ(scene.asked.back().body, "it is gone\n");
  EXPECT_EQ(response_field("content-type"), "text/html");
  route("*=respond:204");
  scene.ask(get("/"));
  EXPECT_EQ(scene.asked.back().response->status, 204u);
  EXPECT_EQ(scene.asked.back().body, "");
  EXPECT_EQ(response_field("content-length"), "none");
  EXPECT_TRUE(scene.asked.back().is_well());
  route("*=respond:404");
  scene.ask(get("/"));
  EXPECT_TRUE(scene.asked.back().is_well());
  EXPECT_EQ(scene.asked.back().body, "");
}

TEST_F(RouteFiltersTest, TheHashOfAHeaderChoosesTheBackend) {
  route("*=http://backend.test:1,http://backend.test:2,http://backend.test:3;balance=header:x-user");
  const auto used = [this](std::string user) {
    auto request = get("/");
    request.fields = {{"x-user", user}};
    scene.ask(request);
    scene.at_backend().respond(status(204), true);
    scene.settle();
    return scene.world.servers.size();
  };
  const std::size_t first = used("ann");
  EXPECT_EQ(first, 1u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(used("ann"), 1u) << "the same backend";
  for (int i = 0; i < 20; ++i) used(std::to_string(i));
  EXPECT_EQ(scene.world.servers.size(), 3u) << "others are there, too";
}

}  // namespace
}  // namespace sallyport::ingress
