// How exchanges and connections end over HTTP/1.1 and HTTP/2 alike: resets, timeouts, shutting down.
#include "http/alike_for_test.h"

#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

class EndAlike : public Alike {};

INSTANTIATE_TEST_SUITE_P(, EndAlike, all_ways(), way_name);

TEST_P(EndAlike, ResetByServerIsAnErrorForTheClient) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(as_bytes("part"));
  };
  RecordingExchange& client = recorder();
  pair.client->request(get("/"), client, true);
  settle();
  pair.requests.last().exchange->reset(ResetCode::internal_error);
  EXPECT_EQ(pair.requests.last().handler.closed, 0);  // never inside the call
  settle();
  EXPECT_EQ(pair.requests.last().handler.closed, 1);
  EXPECT_EQ(client.body, "part");
  EXPECT_FALSE(client.ended);
  EXPECT_EQ(client.closed, 1);
  EXPECT_TRUE(client.error);
}

TEST_P(EndAlike, ResetByClientCancelsTheHandler) {
  RecordingExchange& client = recorder();
  Exchange& exchange = pair.client->request(get("/"), client, true);
  settle();
  exchange.reset(ResetCode::cancelled);
  settle();
  EXPECT_EQ(client.closed, 1);
  EXPECT_EQ(client.error->kind, ErrorKind::cancelled);
  EXPECT_EQ(pair.requests.last().handler.closed, 1);
  EXPECT_TRUE(pair.requests.last().handler.error);
}

TEST_P(EndAlike, ServerMayAnswerBeforeTheBodyIsThere) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(413), true);
    exchange.stop_reading();
  };
  RecordingExchange& client = recorder();
  Exchange& exchange = pair.client->request(post("/"), client, false);
  exchange.write(as_bytes(std::string(1000, 'x')));
  settle();
  EXPECT_EQ(client.response->status, 413u);
  EXPECT_TRUE(client.ended);
  EXPECT_TRUE(client.is_well());
  EXPECT_TRUE(pair.requests.last().handler.is_well());
}

TEST_P(EndAlike, ClientMayStopReading) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(as_bytes("more than is wanted"));
  };
  RecordingExchange& client = recorder();
  Exchange& exchange = pair.client->request(get("/"), client, true);
  client.then_response = [&] { exchange.stop_reading(); };
  settle();
  EXPECT_TRUE(client.is_well());
  EXPECT_EQ(client.body, "");
  EXPECT_EQ(pair.requests.last().handler.closed, 1);
  EXPECT_TRUE(pair.requests.last().handler.error);
}

TEST_P(EndAlike, StalledBodyTimesOut) {
  RecordingExchange& client = recorder();
  Exchange& exchange = pair.client->request(post("/"), client, false);
  exchange.write(as_bytes("a"));
  pair.clock.pass(30s);
  EXPECT_EQ(pair.requests.last().handler.closed, 0);
  pair.clock.pass(40s);
  EXPECT_EQ(pair.requests.last().handler.closed, 1);
  EXPECT_EQ(pair.requests.last().handler.error->kind, ErrorKind::timeout);
}

TEST_P(EndAlike, IdleConnectionCloses) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(200), true); };
  RecordingExchange& client = recorder();
  pair.client->request(get("/"), client, true);
  pair.clock.pass(50s);
  EXPECT_EQ(pair.server_events.closed, 0);
  pair.clock.pass(15s);
  EXPECT_EQ(pair.server_events.closed, 1);
  EXPECT_FALSE(pair.server_events.error);
  EXPECT_EQ(pair.client_events.closed, 1);
  EXPECT_FALSE(pair.client_events.error);
  EXPECT_FALSE(pair.client->can_request());
}

TEST_P(EndAlike, IdleTunnelStands) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(200)); };
  RecordingExchange& client = recorder();
  Exchange& tunnel = pair.client->request(connect("a.example:1"), client, false);
  pair.clock.pass(10min);
  tunnel.write(as_bytes("still here"));
  settle();
  EXPECT_EQ(pair.requests.last().handler.body, "still here");
}

TEST_P(EndAlike, ShutdownLetsTheLastResponseFinish) {
  RecordingExchange& client = recorder();
  pair.client->request(get("/"), client, true);
  settle();
  pair.server->shutdown();
  settle();
  RecordingServer::Taken& taken = pair.requests.last();
  taken.exchange->respond(status(200));
  taken.exchange->write(as_bytes("last"));
  settle();
  taken.exchange->finish();
  pair.clock.pass(3s);
  EXPECT_EQ(client.body, "last");
  EXPECT_TRUE(client.is_well());
  EXPECT_EQ(pair.server_events.closed, 1);
  EXPECT_FALSE(pair.server_events.error);
  EXPECT_EQ(pair.client_events.closed, 1);
  EXPECT_FALSE(pair.client->can_request());
}

TEST_P(EndAlike, ShutdownWaitsForSlowReaders) {
  constexpr std::size_t size = 400'000;
  Pair slow(GetParam().speaks, 1000, 100ms, {});
  slow.requests.then = [&](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"content-length", std::to_string(size)}}));
    exchange.write(Chunk::allocate(size));
    exchange.finish();
  };
  RecordingExchange& client = recorder();
  slow.client->request(get("/"), client, true);
  slow.clock.pass(1s);
  slow.server->shutdown();
  slow.clock.pass(60s);
  EXPECT_EQ(client.body.size(), size);
  EXPECT_TRUE(client.is_well()) << (client.error ? client.error->message : "");
  EXPECT_EQ(slow.server_events.closed, 1);
  EXPECT_FALSE(slow.server_events.error);
}

TEST_P(EndAlike, ClientShutdownClosesWhenDone) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(200), true); };
  RecordingExchange &client = recorder(), &late = recorder();
  pair.client->request(get("/"), client, true);
  pair.client->shutdown();
  pair.client->request(get("/late"), late, true);
  pair.clock.pass(3s);
  EXPECT_TRUE(client.is_well());
  EXPECT_EQ(late.closed, 1);
  EXPECT_EQ(late.error->kind, ErrorKind::refused);
  EXPECT_EQ(pair.client_events.closed, 1);
  EXPECT_FALSE(pair.client_events.error);
  EXPECT_EQ(pair.server_events.closed, 1);
}

TEST_P(EndAlike, CloseEndsEverything) {
  RecordingExchange& client = recorder();
  pair.client->request(get("/"), client, true);
  settle();
  pair.server->close({ErrorKind::cancelled, "the test is over"});
  pair.clock.pass(3s);
  EXPECT_EQ(pair.requests.last().handler.error->message, "the test is over");
  EXPECT_TRUE(client.error);
  EXPECT_EQ(pair.server_events.closed, 1);
  EXPECT_EQ(pair.server_events.error->message, "the test is over");
  EXPECT_EQ(pair.client_events.closed, 1);
}

TEST_P(EndAlike, DestroyedConnectionTellsItsHandlers) {
  RecordingExchange& client = recorder();
  pair.client->request(get("/"), client, true);
  settle();
  pair.client.reset();
  EXPECT_EQ(client.closed, 1);
  settle();
  EXPECT_EQ(pair.requests.last().handler.closed, 1);
  EXPECT_EQ(pair.server_events.closed, 1);
}

TEST_P(EndAlike, ExchangesMayHaveTimeoutsOfTheirOwn) {
  std::vector<RecordingExchange*> all;
  std::deque<Pair> pairs;
  for (const Duration timeout : {Duration::zero(), Duration(5s), Duration(600s)}) {
    Pair& fresh = pairs.emplace_back(GetParam().speaks, GetParam().piece);
    all.push_back(&recorder());
    fresh.client->request(get("/"), *all.back(), true).set_idle_timeout(timeout);
    fresh.clock.pass(12s);
    EXPECT_EQ(all.back()->closed, timeout == 5s ? 1 : 0);
    fresh.clock.pass(200s);
    EXPECT_EQ(all.back()->closed, timeout == 5s ? 1 : 0);
    fresh.clock.pass(1300s);
    EXPECT_EQ(all.back()->closed, timeout == Duration::zero() ? 0 : 1);
  }
}

}  // namespace
}  // namespace sallyport::http::test
