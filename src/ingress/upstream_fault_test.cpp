// Backends that are away, silent, or break off; and connections to them that are used again.
#include "config/route_flag.h"
#include "ingress/proxy_for_test.h"
#include "masque/proxy_status.h"

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

using http::test::get;
using http::test::post;
using http::test::status;

class UpstreamFaultTest : public testing::Test {
 protected:
  void respond() { respond_with(200); }
  void respond_with(unsigned code) {
    scene.at_backend().respond(status(code, {{"content-length", "0"}}), true);
    scene.settle();
  }
  void routed(std::string_view flag) { scene.apply(config::parse_route(flag).value()); }
  std::string told(const test::RecordingExchange& asked) {
    if (!asked.response) return "no response";
    const auto field = asked.response->fields.find("proxy-status");
    const auto parsed = masque::parse_proxy_status(field.value_or(""));
    return std::to_string(asked.response->status) + " " + (parsed ? parsed->error : std::string());
  }
  test::ProxyScene scene{true, false};
};

TEST_F(UpstreamFaultTest, ConnectionsAreUsedAgain) {
  for (int i = 0; i < 5; ++i) {
    auto& asked = scene.ask(get("/"));
    respond();
    EXPECT_TRUE(asked.is_well());
  }
  EXPECT_EQ(scene.world.servers.size(), 1u);
  scene.ask(get("/1"));
  scene.ask(get("/2"));
  EXPECT_EQ(scene.requests(), 7u);
  EXPECT_EQ(scene.world.servers.size(), 2u) << "over HTTP/1.1 each request has one to itself";
}

TEST_F(UpstreamFaultTest, ABackendThatIsAway) {
  scene.world.refuses = true;
  auto& asked = scene.ask(get("/"));
  EXPECT_EQ(told(asked), "502 connection_refused");
  EXPECT_EQ(asked.response->fields.find("proxy-status"), "sallyport; error=connection_refused")
      << "the network behind the gateway is not told of";
  EXPECT_TRUE(asked.is_well());
  EXPECT_EQ(scene.counters().failures, 1u);
  scene.world.refuses = false;
  auto& later = scene.ask(get("/"));
  respond();
  EXPECT_EQ(told(later), "200 ");
}

TEST_F(UpstreamFaultTest, AnotherBackendIsTried) {
  // Of these addresses none is there.
  scene.route({{.protocol = config::BackendProtocol::h3, .host = "gone.test", .port = 1},
               {.protocol = config::BackendProtocol::http1, .host = "backend.test", .port = 80}});
  scene.world.unreachable = {"192.0.2.1:1"};
  for (int i = 0; i < 8; ++i) {
    auto& asked = scene.ask(post("/"));
    scene.world.clock.pass(1ms);
    respond();
    EXPECT_EQ(told(asked), "200 ") << i;
  }
  EXPECT_EQ(scene.counters().failures, 0u);
  EXPECT_EQ(scene.counters().retries, 1u) << "the one that is away is known by then";
}

TEST_F(UpstreamFaultTest, ASilentBackendIsGivenUp) {
  auto& asked = scene.ask(get("/"));
  scene.world.clock.pass(59s);
  EXPECT_FALSE(asked.response);
  scene.world.clock.pass(2s);
  EXPECT_EQ(told(asked), "504 http_response_timeout");
}

TEST_F(UpstreamFaultTest, ABackendThatClosesWithoutAResponse) {
  auto& asked = scene.ask(get("/"));
  scene.world.servers.clear();
  scene.settle();
  EXPECT_EQ(told(asked), "502 http_response_incomplete");
  EXPECT_EQ(scene.requests(), 1u) << "its connection was new: it has seen the request";
}

TEST_F(UpstreamFaultTest, AConnectionThatWasTooOldIsNoFault) {
  scene.ask(get("/"));
  respond();
  auto& asked = scene.ask(get("/again"));
  ASSERT_EQ(scene.requests(), 2u);
  scene.world.servers.clear();
  scene.settle();
  ASSERT_EQ(scene.requests(), 3u);
  EXPECT_EQ(scene.request_at_backend().path, "/again");
  respond();
  EXPECT_EQ(told(asked), "200 ");
  EXPECT_EQ(scene.counters().retries, 1u);
}

// RFC 9110 §9.2.2.
TEST_F(UpstreamFaultTest, WhatMayNotBeSentTwiceIsNot) {
  scene.ask(get("/"));
  respond();
  auto& asked = scene.ask(post("/order"));
  ASSERT_EQ(scene.requests(), 2u);
  scene.world.servers.clear();
  scene.settle();
  EXPECT_EQ(scene.requests(), 2u);
  EXPECT_EQ(told(asked), "502 http_response_incomplete");
}

TEST_F(UpstreamFaultTest, AnInvalidResponse) {
  auto& asked = scene.ask(get("/"));
  scene.at_backend().respond(status(200, {{"content-length", "5"}}));
  scene.at_backend().write(as_bytes(std::string_view("four")));
  scene.settle();
  scene.world.servers.clear();
  scene.settle();
  EXPECT_FALSE(asked.ended);
  EXPECT_TRUE(asked.error);
}

TEST_F(UpstreamFaultTest, ABodyIsNotSentTwice) {
  scene.ask(get("/"));
  respond();
  auto request = get("/file");
  request.method = "PUT";
  request.fields = {{"content-length", "4"}};
  auto& asked = scene.ask(request, false);
  scene.exchange->write(as_bytes(std::string_view("body")));
  scene.exchange->finish();
  scene.settle();
  ASSERT_EQ(scene.requests(), 2u);
  scene.world.servers.clear();
  scene.settle();
  EXPECT_EQ(scene.requests(), 2u);
  EXPECT_EQ(told(asked), "502 http_response_incomplete");
}

TEST_F(UpstreamFaultTest, WhatWasNotProcessedIsSentAgain) {
  test::ProxyScene h2(true, true);
  auto& asked = h2.ask(post("/"));
  ASSERT_EQ(h2.requests(), 1u);
  h2.at_backend().reset(http::ResetCode::refused);
  h2.settle();
  ASSERT_EQ(h2.requests(), 2u);
  h2.at_backend().reset(http::ResetCode::refused);
  h2.settle();
  ASSERT_EQ(h2.requests(), 3u);
  h2.at_backend().reset(http::ResetCode::refused);
  h2.settle();
  EXPECT_EQ(h2.requests(), 3u);
  EXPECT_EQ(told(asked), "503 destination_unavailable");
  EXPECT_EQ(h2.counters().retries, 2u);
}

TEST_F(UpstreamFaultTest, AStreamThatFailsIsNoConnectionThatWasTooOld) {
  test::ProxyScene h2(true, true);
  h2.ask(get("/"));
  h2.at_backend().respond(status(204), true);
  h2.settle();
  auto& asked = h2.ask(get("/crash"));
  ASSERT_EQ(h2.requests(), 2u);
  h2.at_backend().reset(http::ResetCode::internal_error);
  h2.settle();
  EXPECT_EQ(h2.requests(), 2u);
  EXPECT_EQ(told(asked).substr(0, 3), "502");
}

TEST_F(UpstreamFaultTest, TheTimeoutOfTheRoutePasses) {
  routed("*=http://backend.test;timeout=2");
  auto& asked = scene.ask(get("/"));
  scene.world.clock.pass(1900ms);
  EXPECT_FALSE(asked.response);
  scene.world.clock.pass(200ms);
  EXPECT_EQ(told(asked), "504 http_response_timeout");
  EXPECT_TRUE(scene.backend_handler().error) << "the backend need not go on";
  auto& begun = scene.ask(get("/"));
  scene.at_backend().respond(status(200));
  scene.at_backend().write(as_bytes(std::string_view("begun")));
  scene.world.clock.pass(2100ms);
  EXPECT_TRUE(begun.error) << "it must not look complete";
  EXPECT_EQ(scene.counters().cut, 1u);
  auto& in_time = scene.ask(get("/"));
  respond();
  scene.world.clock.pass(3s);
  EXPECT_TRUE(in_time.is_well());
}

TEST_F(UpstreamFaultTest, TheTimeoutOfTheRoutePassesWithoutABackend) {
  scene.world.answers_names = false;
  routed("*=http://backend.test;timeout=2");
  auto& asked = scene.ask(get("/"));
  scene.world.clock.pass(2100ms);
  EXPECT_EQ(told(asked).substr(0, 3), "504");
}

TEST_F(UpstreamFaultTest, TheBackendTimeoutIsForTheHead) {
  routed("*=http://backend.test;backend-timeout=2");
  auto& asked = scene.ask(get("/"));
  scene.world.clock.pass(2100ms);
  EXPECT_EQ(told(asked), "504 http_response_timeout");
  auto& slow = scene.ask(get("/"));
  scene.at_backend().respond(status(200));
  scene.world.clock.pass(10s);
  EXPECT_FALSE(slow.error);
  scene.at_backend().finish();
  scene.settle();
  EXPECT_TRUE(slow.is_well());
}

// A connection that is used again may have been closed by the backend; one that is silent was not.
TEST_F(UpstreamFaultTest, ATimeoutIsNotTriedAgainOnAConnectionThatIsUsedAgain) {
  for (const char* const flag : {"*=http://backend.test;timeout=2", "*=http://backend.test;backend-timeout=2",
                                 "*=http://backend.test;idle-timeout=2"}) {
    routed(flag);
    scene.ask(get("/"));
    respond();
    auto& asked = scene.ask(get("/"));
    const std::size_t before = scene.requests();
    scene.world.clock.pass(2100ms);
    EXPECT_EQ(told(asked), "504 http_response_timeout") << flag;
    EXPECT_EQ(scene.requests(), before) << flag;
  }
}

TEST_F(UpstreamFaultTest, AClientThatDoesNotSendItsRequestIsNoFaultOfTheBackend) {
  routed("*=http://backend.test;timeout=2");
  for (int i = 0; i < 6; ++i) {
    auto request = post("/");
    request.fields = {{"content-length", "10"}};
    auto& asked = scene.ask(request, false);
    scene.world.clock.pass(2100ms);
    EXPECT_EQ(told(asked).substr(0, 3), "504");
  }
  EXPECT_EQ(scene.proxy.upstreams().begin()->second->ejections, 0u);
}

TEST_F(UpstreamFaultTest, HowLongABackendMaySayNothing) {
  routed("*=http://backend.test;idle-timeout=0");
  auto& patient = scene.ask(get("/events"));
  scene.world.clock.pass(500s);
  EXPECT_FALSE(patient.response);
  scene.at_backend().respond(status(200));
  scene.world.clock.pass(500s);
  EXPECT_FALSE(patient.error);
  routed("*=http://backend.test;idle-timeout=5");
  auto& asked = scene.ask(get("/"));
  scene.world.clock.pass(5100ms);
  EXPECT_EQ(told(asked), "504 http_response_timeout");
}

TEST_F(UpstreamFaultTest, SomeStatusesAreTriedAgain) {
  routed("*=http://backend.test;retry-on=503;retries=1");
  auto& asked = scene.ask(get("/"));
  respond_with(503);
  ASSERT_EQ(scene.requests(), 2u);
  respond();
  EXPECT_EQ(told(asked), "200 ");
  EXPECT_EQ(scene.counters().retries, 1u);
  auto& again = scene.ask(get("/"));
  respond_with(503);
  respond_with(503);
  EXPECT_EQ(told(again), "503 ") << "no try is left: the backend's own response";
  auto& other = scene.ask(get("/"));
  respond_with(500);
  EXPECT_EQ(told(other), "500 ");
  auto& order = scene.ask(post("/order"));
  respond_with(503);
  EXPECT_EQ(told(order), "503 ") << "it may have been done";
  EXPECT_EQ(scene.counters().retries, 2u);
}

// docs/threat-model.md, "retry storm".
TEST_F(UpstreamFaultTest, RetriesHaveABudget) {
  routed("*=http://backend.test;retry-on=503;retries=2");
  for (int i = 0; i < 10; ++i) scene.ask(get("/"));
  ASSERT_EQ(scene.requests(), 10u);
  for (std::size_t i = 0; i < 10; ++i)
    scene.world.requests.requests[i]->exchange->respond(status(503, {{"content-length", "0"}}), true);
  scene.settle();
  EXPECT_EQ(scene.requests(), 13u);
  EXPECT_EQ(scene.counters().retrying, 3u);
  for (auto& asked : scene.asked) EXPECT_TRUE(!asked.response || asked.response->status == 503);
}

TEST_F(UpstreamFaultTest, AnotherBackendFirstIsTriedAfterAStatus) {
  scene.world.unreachable = {};
  routed("*=http://backend.test,http://backend.test:81;retry-on=503");
  scene.ask(get("/"));
  respond_with(503);
  ASSERT_EQ(scene.world.servers.size(), 2u) << "over a connection to the other one";
  respond_with(503);
  EXPECT_EQ(scene.requests(), 3u) << "both were tried: one of them again";
}

TEST_F(UpstreamFaultTest, ANamedBackendsConnectionGetsOld) {
  scene.ask(get("/"));
  respond();
  scene.world.clock.pass(50s);
  for (int i = 0; i < 5; ++i) {
    scene.ask(get("/"));
    respond();
    scene.world.clock.pass(50s);
  }
  EXPECT_EQ(scene.world.servers.size(), 1u);
  scene.ask(get("/"));
  respond();
  EXPECT_EQ(scene.world.servers.size(), 2u) << "its name may lead elsewhere by now";
}

TEST_F(UpstreamFaultTest, AClientMayLeaveWhileItsRequestWaits) {
  scene.world.answers_names = false;
  scene.ask(get("/"));
  scene.exchange->reset(http::ResetCode::cancelled);
  scene.settle();
  EXPECT_EQ(scene.proxy.open(), 0u);
  scene.world.clock.pass(30s);
  EXPECT_EQ(scene.requests(), 0u);
}

TEST_F(UpstreamFaultTest, ANameThatIsNotFoundInTime) {
  scene.world.answers_names = false;
  auto& asked = scene.ask(get("/"));
  scene.world.clock.pass(11s);
  ASSERT_TRUE(asked.response);
  EXPECT_GE(asked.response->status, 502u);
}

// docs/threat-model.md, "gateway loop".
TEST_F(UpstreamFaultTest, ALoopIsFound) {
  auto request = get("/");
  request.fields = {{"via", "3.0 other, 1.1 test-gateway"}};
  EXPECT_EQ(told(scene.ask(request)), "508 proxy_loop_detected");
  EXPECT_EQ(scene.requests(), 0u);
}

TEST_F(UpstreamFaultTest, TraceIsNotForwarded) {
  auto request = get("/");
  request.method = "TRACE";
  EXPECT_EQ(told(scene.ask(request)), "405 ");
}

// docs/threat-model.md, "path confusion".
TEST_F(UpstreamFaultTest, DotSegmentsAreRefused) {
  for (const char* path : {"/a/../b", "/a/%2e%2E/b", "/..", "/a/.", "/./a"}) {
    auto& asked = scene.ask(get(path));
    EXPECT_EQ(told(asked), "400 ") << path;
  }
  EXPECT_EQ(scene.requests(), 0u);
  scene.ask(get("/a/..b/.c/...?x=/../y"));
  EXPECT_EQ(scene.requests(), 1u);
}

TEST_F(UpstreamFaultTest, TheGatewayMayEndWithRequestsOnTheirWay) {
  scene.ask(get("/"));
  scene.ask(post("/"), false);
  scene.ask(get("/"));
  scene.at_backend().respond(status(200));
  scene.at_backend().write(as_bytes(std::string_view("begun")));
  scene.settle();
  EXPECT_EQ(scene.proxy.open(), 3u);
}

}  // namespace
}  // namespace sallyport::ingress
