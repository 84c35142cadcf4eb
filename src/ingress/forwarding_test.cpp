// Requests through the reverse proxy and back, over all pairs of HTTP/1.1 and HTTP/2.
#include "ingress/proxy_for_test.h"

#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

using http::test::extended_connect;
using http::test::get;
using http::test::post;
using http::test::status;
using testing::HasSubstr;

class ForwardingTest : public testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  bool client_http2() const { return std::get<0>(GetParam()); }
  bool backend_http2() const { return std::get<1>(GetParam()); }
  test::ProxyScene scene{client_http2(), backend_http2()};
};

std::string field(const http::Fields& fields, std::string_view name) {
  return fields.joined(name).value_or("none");
}

TEST_P(ForwardingTest, ARequestAndItsResponseTravel) {
  auto request = get("/a?b=c");
  request.fields = {{"accept", "x/y"}, {"cookie", "k=v"}};
  auto& asked = scene.ask(request);
  ASSERT_EQ(scene.requests(), 1u);
  const auto& came = scene.request_at_backend();
  EXPECT_EQ(came.method, "GET");
  EXPECT_EQ(came.authority, "example.com");
  EXPECT_EQ(came.path, "/a?b=c");
  EXPECT_EQ(field(came.fields, "accept"), "x/y");
  EXPECT_EQ(field(came.fields, "cookie"), "k=v");
  EXPECT_TRUE(scene.backend_handler().ended);
  scene.at_backend().respond(status(200, {{"x-made-by", "b"}, {"content-length", "5"}}));
  scene.at_backend().write(as_bytes(std::string_view("hello")));
  scene.at_backend().finish();
  scene.settle();
  ASSERT_TRUE(asked.response);
  EXPECT_EQ(asked.response->status, 200u);
  EXPECT_EQ(field(asked.response->fields, "x-made-by"), "b");
  EXPECT_EQ(field(asked.response->fields, "content-length"), "5");
  EXPECT_NE(field(asked.response->fields, "date"), "none");
  EXPECT_EQ(asked.body, "hello");
  EXPECT_TRUE(asked.is_well());
  EXPECT_TRUE(scene.backend_handler().is_well());
  EXPECT_EQ(scene.proxy.open(), 0u);
  EXPECT_EQ(scene.counters().requests, 1u);
  EXPECT_EQ(scene.counters().failures, 0u);
}

// docs/threat-model.md, "forwarded fields".
TEST_P(ForwardingTest, OnlyTheGatewaySaysWhereARequestCameFrom) {
  auto request = get("/");
  request.fields = {{"x_forwarded_for", "192.0.2.66"},
                    {"x-real-ip", "192.0.2.66"},
                    {"x-forwarded-for", "192.0.2.66"},
                    {"x-forwarded-user", "root"},
                    {"forwarded", "for=x"},
                    {"x-request-id", "mine"},
                    {"via", "1.0 before"}};
  scene.ask(request);
  const http::Fields& fields = scene.request_at_backend().fields;
  EXPECT_THAT(field(fields, "x-forwarded-for"), testing::Not(HasSubstr("192.0.2.66")));
  EXPECT_EQ(field(fields, "x_forwarded_for"), "none") << "for CGI it is the same";
  EXPECT_EQ(field(fields, "x-real-ip"), "none");
  EXPECT_EQ(field(fields, "x-forwarded-user"), "none");
  EXPECT_EQ(field(fields, "x-forwarded-proto"), "https");
  EXPECT_EQ(field(fields, "x-forwarded-host"), "example.com");
  EXPECT_EQ(field(fields, "forwarded"), "none");
  EXPECT_EQ(field(fields, "x-request-id").size(), 32u);
  EXPECT_EQ(field(fields, "via"),
            std::string("1.0 before, ") + (client_http2() ? "2.0" : "1.1") + " test-gateway");
}

TEST_P(ForwardingTest, AResponseKeepsItsDateAndLosesTheBackendsAltSvc) {
  auto& asked = scene.ask(get("/"));
  scene.at_backend().respond(status(200, {{"date", "then"}, {"alt-svc", "h3=\":1\""}}), true);
  scene.settle();
  EXPECT_EQ(field(asked.response->fields, "date"), "then");
  EXPECT_EQ(field(asked.response->fields, "alt-svc"), "none");
}

TEST_P(ForwardingTest, BodiesAndTrailersTravelBothWays) {
  auto& asked = scene.ask(post("/"), false);
  ASSERT_EQ(scene.requests(), 1u) << "a body may come, so the backend hears of it at once";
  scene.exchange->write(as_bytes(std::string_view("question")));
  scene.exchange->finish({{"x-sum", "1"}, {"x-forwarded-for", "192.0.2.66"}, {"authorization", "x"}});
  scene.settle();
  EXPECT_EQ(scene.backend_handler().body, "question");
  ASSERT_TRUE(scene.backend_handler().trailers);
  EXPECT_EQ(field(*scene.backend_handler().trailers, "x-sum"), "1");
  EXPECT_EQ(scene.backend_handler().trailers->size(), 1u) << "the others may not be said there";
  scene.at_backend().respond(status(200));
  scene.at_backend().write(as_bytes(std::string_view("answer")));
  scene.at_backend().finish({{"grpc-status", "0"}});
  scene.settle();
  EXPECT_EQ(asked.body, "answer");
  ASSERT_TRUE(asked.trailers);
  EXPECT_EQ(field(*asked.trailers, "grpc-status"), "0");
  EXPECT_TRUE(asked.is_well());
}

TEST_P(ForwardingTest, AResponseMayBeginBeforeTheRequestHasEnded) {
  auto& asked = scene.ask(post("/"), false);
  scene.at_backend().respond(status(200));
  scene.at_backend().write(as_bytes(std::string_view("first")));
  scene.settle();
  EXPECT_EQ(asked.body, "first");
  scene.exchange->write(as_bytes(std::string_view("more")));
  scene.settle();
  EXPECT_EQ(scene.backend_handler().body, "more");
}

TEST_P(ForwardingTest, ResponsesWithoutABody) {
  for (const unsigned code : {204u, 304u}) {
    auto& asked = scene.ask(get("/"));
    scene.at_backend().respond(status(code), true);
    scene.settle();
    EXPECT_EQ(asked.response->status, code);
    EXPECT_TRUE(asked.is_well());
  }
  auto head = get("/");
  head.method = "HEAD";
  auto& asked = scene.ask(head);
  scene.at_backend().respond(status(200, {{"content-length", "1000"}}), true);
  scene.settle();
  EXPECT_EQ(field(asked.response->fields, "content-length"), "1000");
  EXPECT_TRUE(asked.is_well());
}

TEST_P(ForwardingTest, InterimResponsesTravel) {
  scene.world.requests.then = [](http::Exchange& exchange, auto&) { exchange.hold_continue(); };
  auto request = post("/");
  request.fields = {{"expect", "100-continue"}, {"content-length", "2"}};
  auto& asked = scene.ask(request, false);
  EXPECT_TRUE(asked.interim.empty()) << "it is the backend that says so";
  scene.at_backend().inform(status(100));
  scene.at_backend().inform(status(103, {{"link", "</a>"}}));
  scene.settle();
  EXPECT_THAT(asked.interim, testing::ElementsAre(100u, 103u));
  scene.exchange->write(as_bytes(std::string_view("hi")));
  scene.exchange->finish();
  scene.settle();
  EXPECT_EQ(scene.backend_handler().body, "hi");
}

TEST_P(ForwardingTest, ASlowClientHoldsTheBackendBack) {
  auto& asked = scene.ask(get("/"));
  asked.consumes = false;
  scene.at_backend().respond(status(200));
  const std::string piece(64 * 1024, 'x');
  std::size_t written = 0;
  for (int i = 0; i < 400 && scene.at_backend().room() > 0; ++i) {
    scene.at_backend().write(as_bytes(piece));
    written += piece.size();
    scene.settle();
  }
  EXPECT_LT(written, std::size_t{4} << 20) << "of 25 MiB";
  scene.at_backend().finish();
  asked.consumes = true;
  for (int i = 0; i < 1000 && !asked.ended; ++i) {
    scene.exchange->consume(std::exchange(asked.unconsumed, 0));
    scene.settle();
  }
  EXPECT_EQ(asked.body.size(), written);
  EXPECT_TRUE(asked.is_well());
}

TEST_P(ForwardingTest, ASlowClientGetsTheRestWhenTheBackendsExchangeIsOver) {
  auto& asked = scene.ask(get("/"));
  asked.consumes = false;
  scene.at_backend().respond(status(200));
  const std::string piece(16 * 1024, 'x');
  std::size_t written = 0;
  const auto write = [&] {
    scene.at_backend().write(as_bytes(piece));
    written += piece.size();
    scene.settle();
  };
  for (int i = 0; i < 200 && scene.at_gateway->room() > 0; ++i) write();
  ASSERT_EQ(scene.at_gateway->room(), 0u);
  // The gateway takes a little more than the client does, and owes the backend its credit.
  for (int i = 0; i < 4; ++i) write();
  scene.at_backend().finish();
  scene.settle();
  EXPECT_TRUE(scene.backend_handler().is_well());
  EXPECT_FALSE(asked.ended);
  asked.consumes = true;
  for (int i = 0; i < 1000 && !asked.ended; ++i) {
    scene.exchange->consume(std::exchange(asked.unconsumed, 0));
    scene.settle();
  }
  EXPECT_EQ(asked.body.size(), written);
  EXPECT_TRUE(asked.is_well());
  EXPECT_EQ(scene.proxy.open(), 0u);
}

TEST_P(ForwardingTest, ASlowBackendHoldsTheClientBack) {
  scene.ask(post("/"), false);
  scene.backend_handler().consumes = false;
  const std::string piece(64 * 1024, 'x');
  std::size_t written = 0;
  for (int i = 0; i < 400 && scene.exchange->room() > 0; ++i) {
    scene.exchange->write(as_bytes(piece));
    written += piece.size();
    scene.settle();
  }
  EXPECT_LT(written, std::size_t{4} << 20) << "of 25 MiB";
  scene.exchange->finish();
  scene.backend_handler().consumes = true;
  for (int i = 0; i < 1000 && !scene.backend_handler().ended; ++i) {
    scene.at_backend().consume(std::exchange(scene.backend_handler().unconsumed, 0));
    scene.settle();
  }
  EXPECT_EQ(scene.backend_handler().body.size(), written);
}

TEST_P(ForwardingTest, AResponseThatBreaksOffDoesNotLookComplete) {
  auto& asked = scene.ask(get("/"));
  scene.at_backend().respond(status(200));
  scene.at_backend().write(as_bytes(std::string_view("half of")));
  scene.settle();
  scene.at_backend().reset(http::ResetCode::internal_error);
  scene.settle();
  EXPECT_EQ(asked.body, "half of");
  EXPECT_FALSE(asked.ended);
  EXPECT_EQ(asked.closed, 1);
  EXPECT_TRUE(asked.error);
  EXPECT_EQ(scene.counters().cut, 1u);
}

TEST_P(ForwardingTest, AClientThatGivesUpTakesItsRequestWithIt) {
  scene.ask(get("/"));
  scene.exchange->reset(http::ResetCode::cancelled);
  scene.settle();
  EXPECT_EQ(scene.backend_handler().closed, 1);
  EXPECT_TRUE(scene.backend_handler().error);
  EXPECT_EQ(scene.proxy.open(), 0u);
}

// docs/threat-model.md, "body length upstream".
TEST_P(ForwardingTest, ARequestThatBreaksOffDoesNotLookComplete) {
  auto request = post("/");
  request.fields = {{"content-length", "10"}};
  scene.ask(request, false);
  scene.exchange->write(as_bytes(std::string_view("half")));
  scene.settle();
  EXPECT_EQ(scene.backend_handler().body, "half");
  scene.client.reset();
  scene.settle();
  EXPECT_FALSE(scene.backend_handler().ended);
  EXPECT_TRUE(scene.backend_handler().error);
  EXPECT_EQ(scene.proxy.open(), 0u);
}

TEST_P(ForwardingTest, WebSockets) {
  auto& asked = scene.ask(extended_connect("websocket", "/chat"), false);
  ASSERT_EQ(scene.requests(), 1u);
  EXPECT_EQ(scene.request_at_backend().protocol, "websocket");
  EXPECT_EQ(scene.request_at_backend().path, "/chat");
  scene.at_backend().respond(status(200, {{"sec-websocket-protocol", "p"}}));
  scene.settle();
  ASSERT_TRUE(asked.response);
  EXPECT_EQ(asked.response->status, 200u);
  EXPECT_EQ(field(asked.response->fields, "sec-websocket-protocol"), "p");
  scene.exchange->write(as_bytes(std::string_view("ping")));
  scene.at_backend().write(as_bytes(std::string_view("pong")));
  scene.settle();
  EXPECT_EQ(scene.backend_handler().body, "ping");
  EXPECT_EQ(asked.body, "pong");
  scene.world.clock.pass(websocket_idle - 1s);
  EXPECT_EQ(asked.closed, 0) << "it may be silent for long";
  scene.at_backend().write(as_bytes(std::string_view("!")));
  scene.settle();
  scene.world.clock.pass(websocket_idle - 1s);
  EXPECT_EQ(asked.closed, 0);
  scene.exchange->finish();
  scene.settle();
  EXPECT_TRUE(scene.backend_handler().ended);
  scene.at_backend().finish();
  scene.settle();
  EXPECT_TRUE(asked.is_well());
}

TEST_P(ForwardingTest, AWebSocketThatIsIdleForTooLong) {
  auto& asked = scene.ask(extended_connect("websocket", "/chat"), false);
  scene.at_backend().respond(status(200));
  scene.settle();
  scene.world.clock.pass(websocket_idle + 1s);
  EXPECT_EQ(asked.closed, 1);
  EXPECT_EQ(scene.backend_handler().closed, 1);
  EXPECT_EQ(scene.proxy.open(), 0u);
}

// gRPC's "Trailers-Only": an empty DATA frame behind it would be taken for a message without trailers.
TEST_P(ForwardingTest, AResponseThatIsAHeadAloneStaysOne) {
  auto& asked = scene.ask(post("/"));
  bool whole = false;
  asked.then_response = [&] { whole = scene.exchange->response_complete(); };
  scene.at_backend().respond(status(200, {{"grpc-status", "5"}, {"content-length", "0"}}), true);
  scene.settle();
  ASSERT_TRUE(asked.response);
  EXPECT_EQ(field(asked.response->fields, "grpc-status"), "5");
  EXPECT_TRUE(whole);
  EXPECT_TRUE(asked.is_well());
}

TEST_P(ForwardingTest, TheEndOfARequestMayComeLater) {
  if (!client_http2()) return;  // over HTTP/1.1 its head says that there is no body
  auto& asked = scene.ask(get("/"), false);
  EXPECT_EQ(scene.requests(), 0u) << "it is not known whether it has a body";
  scene.exchange->finish();
  scene.settle();
  ASSERT_EQ(scene.requests(), 1u);
  EXPECT_TRUE(scene.at_backend().request_complete());
  scene.at_backend().respond(status(204), true);
  scene.settle();
  EXPECT_TRUE(asked.is_well());
}

TEST_P(ForwardingTest, AGetMayHaveABody) {
  auto request = get("/");
  request.fields = {{"content-length", "4"}};
  scene.ask(request, false);
  scene.exchange->write(as_bytes(std::string_view("body")));
  scene.exchange->finish();
  scene.settle();
  EXPECT_EQ(scene.backend_handler().body, "body");
  EXPECT_TRUE(scene.backend_handler().ended);
}

// What it owes of its request will not come.
TEST_P(ForwardingTest, AClientThatHasItsResponseAndNeverEndsItsRequest) {
  scene.world.limits.idle_timeout = scene.world.limits.answered_timeout = 1h;
  auto request = post("/");
  request.fields = {{"content-length", "1000"}};
  auto& asked = scene.ask(request, false);
  scene.at_backend().respond(status(200, {{"content-length", "0"}}), true);
  scene.settle();
  EXPECT_TRUE(asked.response);
  scene.world.clock.pass(3s);
  scene.client.reset();
  scene.settle();
  EXPECT_EQ(scene.proxy.open(), 0u);
  EXPECT_EQ(scene.backend_handler().closed, 1);
}

TEST_P(ForwardingTest, AResponseThatIsWholeIsNotCutByWhatFollows) {
  scene.world.limits.idle_timeout = scene.world.limits.answered_timeout = 1h;
  auto request = post("/");
  request.fields = {{"content-length", "1000"}};
  auto& asked = scene.ask(request, false);
  asked.consumes = false;
  const std::string body(300'000, 'x');
  scene.at_backend().respond(status(200, {{"content-length", "300000"}}));
  scene.at_backend().write(as_bytes(body));
  scene.at_backend().finish();
  scene.settle();
  scene.at_backend().reset(http::ResetCode::internal_error);
  scene.settle();
  for (int i = 0; i < 100 && !asked.ended; ++i) {
    scene.exchange->consume(std::exchange(asked.unconsumed, 0));
    scene.settle();
  }
  if (backend_http2()) {
    EXPECT_EQ(asked.body.size(), body.size());
    EXPECT_TRUE(asked.ended);
    EXPECT_EQ(scene.counters().cut, 0u);
  }
}

TEST_P(ForwardingTest, AnInterimResponseThatNobodyWaitsForIsNotForwarded) {
  auto& asked = scene.ask(post("/"), false);
  scene.at_backend().inform(status(100));
  scene.settle();
  EXPECT_TRUE(asked.interim.empty());
}

TEST_P(ForwardingTest, ConnectionsOutliveChangesOfTheirRoute) {
  scene.ask(get("/"));
  scene.at_backend().respond(status(204), true);
  scene.settle();
  scene.route({scene.backend("backend.test", 7), scene.backend("other.test", 0)});
  scene.ask(get("/"));
  EXPECT_EQ(scene.requests(), 2u);
  EXPECT_EQ(scene.world.servers.size(), 1u);
}

TEST_P(ForwardingTest, AWebSocketThatIsRefused) {
  auto& asked = scene.ask(extended_connect("websocket", "/chat"), false);
  scene.at_backend().respond(status(403), true);
  scene.settle();
  ASSERT_TRUE(asked.response);
  EXPECT_EQ(asked.response->status, 403u);
}

TEST_P(ForwardingTest, RequestsOnTheirWayOutliveTheirRoute) {
  auto& asked = scene.ask(get("/"));
  scene.proxy.apply({});
  scene.at_backend().respond(status(200));
  scene.at_backend().write(as_bytes(std::string_view("still")));
  scene.at_backend().finish();
  scene.settle();
  EXPECT_EQ(asked.body, "still");
  EXPECT_TRUE(asked.is_well());
  auto& later = scene.ask(get("/"));
  EXPECT_EQ(later.response->status, 404u);
  EXPECT_EQ(scene.world.servers.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Versions, ForwardingTest, testing::Combine(testing::Bool(), testing::Bool()),
                         [](const auto& shape) {
                           return std::string(std::get<0>(shape.param) ? "H2To" : "H1To") +
                                  (std::get<1>(shape.param) ? "H2" : "H1");
                         });

}  // namespace
}  // namespace sallyport::ingress
