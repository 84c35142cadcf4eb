// What a server's log is told, over all versions and however an exchange ends: once, with the right bytes.
#include "http/exchange_log.h"

#include "http/h2_frames_for_test.h"
#include "http/h3_for_test.h"
#include "http/tcp_for_test.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using namespace test;

class NotingLog final : public ExchangeLog {
 public:
  struct Told {
    std::optional<Request> request;
    ExchangeRecord record;
    std::string why;
  };
  void on_exchange_ended(const Connection&, const ExchangeRecord& record) override {
    Told& told = all.emplace_back();
    if (record.request != nullptr) told.request = *record.request;
    if (record.why != nullptr) told.why = record.why->message;
    told.record = record;
  }
  std::vector<Told> all;
};

/// A client and a server of one version whose log notes.
class Recorded : public testing::TestWithParam<Version> {
 protected:
  Recorded() {
    if (is_h3()) {
      h3 = std::make_unique<H3Pair>();
      h3->requests.record_to = &log;
      EXPECT_TRUE(h3->establish());
    } else {
      const auto speaks = GetParam() == Version::http2 ? Pair::Speaks::h2 : Pair::Speaks::h1;
      tcp = std::make_unique<Pair>(speaks, 64 * 1024, Limits{}, &log);
    }
  }
  bool is_h3() const { return GetParam() == Version::http3; }
  bool is_h1() const { return GetParam() == Version::http1_1; }
  RecordingServer& requests() { return h3 ? h3->requests : tcp->requests; }
  Exchange& ask(Request request, bool end = true) {
    client = &handlers.emplace_back();
    return (h3 ? static_cast<Connection&>(*h3->client) : *tcp->client)
        .request(std::move(request), *client, end);
  }
  void settle() { h3 ? h3->run_for(1s) : tcp->clock.settle(); }
  void pass(Duration time) { h3 ? h3->run_for(time) : tcp->clock.pass(time); }
  void close_server() {
    Connection& server = h3 ? static_cast<Connection&>(h3->server()) : *tcp->server;
    server.close({ErrorKind::closed, "the server is shutting down"});
    settle();
  }
  const NotingLog::Told& told() {
    settle();
    static const NotingLog::Told none;
    EXPECT_EQ(log.all.size(), 1u);
    return log.all.size() == 1 ? log.all[0] : none;
  }

  NotingLog log;                           // outlives the connections
  std::deque<RecordingExchange> handlers;  // likewise
  RecordingExchange* client = nullptr;
  std::unique_ptr<H3Pair> h3;
  std::unique_ptr<Pair> tcp;
};

INSTANTIATE_TEST_SUITE_P(, Recorded, testing::Values(Version::http1_1, Version::http2, Version::http3),
                         [](const auto& one) {
                           return one.param == Version::http3   ? "Http3"
                                  : one.param == Version::http2 ? "Http2"
                                                                : "Http1";
                         });

TEST_P(Recorded, AResponseWithItsBody) {
  requests().then = [](Exchange& exchange, RecordingExchange&) {
    exchange.set_identity("alice");
    exchange.respond(status(200));
    exchange.write(as_bytes(std::string(50'000, 'x')));
    exchange.write(as_bytes("end"));
    exchange.finish({});
  };
  Request request = get("/page?q=1");
  request.fields.add("user-agent", "test");
  ask(std::move(request));
  const auto& [asked, record, why] = told();
  EXPECT_EQ(record.status, 200u);
  EXPECT_EQ(record.bytes_out, 50'003u);
  EXPECT_EQ(record.bytes_in, 0u);
  EXPECT_EQ(record.end, ExchangeEnd::complete);
  EXPECT_EQ(record.version, GetParam());
  EXPECT_EQ(record.identity, "alice");
  EXPECT_LE(record.started, record.ended);
  EXPECT_EQ(asked->path, "/page?q=1");
  EXPECT_EQ(asked->fields.find("user-agent"), "test");
  EXPECT_EQ(why, "");
}

TEST_P(Recorded, ARequestWithABodyAndAnAnswerWithout) {
  requests().then = [](Exchange&, RecordingExchange& handler) {
    handler.then_end = [](Exchange& exchange) { exchange.respond(status(204), true); };
  };
  Request request = post("/");
  request.fields.add("content-length", "1000");
  Exchange& exchange = ask(std::move(request), false);
  exchange.write(as_bytes(std::string(1000, 'x')));
  exchange.finish({});
  const auto& record = told().record;
  EXPECT_EQ(record.status, 204u);
  EXPECT_EQ(record.bytes_in, 1000u);
  EXPECT_EQ(record.bytes_out, 0u);
  EXPECT_EQ(record.end, ExchangeEnd::complete);
}

TEST_P(Recorded, HeadHasNoBody) {
  requests().then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"content-length", "7"}}));
    exchange.write(as_bytes("ignored"));
    exchange.finish({});
  };
  Request request = get("/");
  request.method = "HEAD";
  ask(std::move(request));
  EXPECT_EQ(told().record.bytes_out, 0u);
  EXPECT_EQ(told().request->method, "HEAD");
}

TEST_P(Recorded, AnAnswerBeforeTheBodyIsThere) {
  requests().then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(413), true);
    exchange.stop_reading();
  };
  ask(post("/"), false).write(as_bytes(std::string(1000, 'x')));
  const auto& record = told().record;
  EXPECT_EQ(record.status, 413u);
  EXPECT_EQ(record.end, ExchangeEnd::complete);
}

TEST_P(Recorded, AClientThatGivesUpInTheMiddle) {
  requests().then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(as_bytes("part"));
  };
  Exchange& exchange = ask(get("/"));
  settle();
  exchange.reset(ResetCode::cancelled);
  const auto& [asked, record, why] = told();
  EXPECT_EQ(record.status, 200u);
  EXPECT_EQ(record.bytes_out, 4u);
  EXPECT_EQ(record.end, is_h1() ? ExchangeEnd::connection_closed : ExchangeEnd::client_reset);
  EXPECT_NE(why, "");
}

TEST_P(Recorded, AServerThatGivesUpInTheMiddle) {
  requests().then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(as_bytes("part"));
  };
  ask(get("/"));
  settle();
  requests().last().exchange->reset(ResetCode::internal_error, {ErrorKind::file, "the file was cut"});
  const auto& [asked, record, why] = told();
  EXPECT_EQ(record.status, 200u);
  EXPECT_EQ(record.end, ExchangeEnd::reset);
  EXPECT_EQ(why, "the file was cut");
}

TEST_P(Recorded, WhatTheShutdownCut) {
  requests().then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(200)); };
  ask(get("/"));
  settle();
  close_server();
  const auto& record = told().record;
  EXPECT_EQ(record.status, 200u);
  EXPECT_EQ(record.end, ExchangeEnd::connection_closed);
  EXPECT_NE(told().why, "");
}

TEST_P(Recorded, WhatIsLeftWhenTheConnectionIsDestroyed) {
  ask(get("/"));
  settle();
  if (h3)
    h3->endpoint.reset();
  else
    tcp->server.reset();
  EXPECT_EQ(told().record.status, 0u);
  EXPECT_EQ(told().record.end, ExchangeEnd::connection_closed);
}

TEST_P(Recorded, ARefusedTunnelSaysWhy) {
  requests().then = [](Exchange& exchange, RecordingExchange&) {
    exchange.use_capsules();
    exchange.respond(status(403, {{"proxy-status", "p; error=destination_ip_prohibited"}}), true);
    exchange.stop_reading();
  };
  ask(extended_connect("connect-udp", "/.well-known/masque/udp/192.0.2.9/53/"), false);
  settle();
  if (is_h1()) tcp->client.reset();
  const auto& record = told().record;
  EXPECT_EQ(record.status, 403u);
  EXPECT_EQ(record.proxy_status, "p; error=destination_ip_prohibited");
}

TEST_P(Recorded, ATunnelCountsItsPayloads) {
  requests().then = [](Exchange& exchange, RecordingExchange& handler) {
    exchange.use_capsules();
    exchange.set_addresses("10.7.0.2");
    exchange.respond(status(200, {{"capsule-protocol", "?1"}}));
    exchange.set_addresses("10.7.0.2,10.7.0.3");
    handler.then_end = [](Exchange& ended) { ended.finish({}); };
  };
  const std::string context(1, '\0');
  Exchange& exchange = ask(extended_connect("connect-udp", "/.well-known/masque/udp/192.0.2.9/53/"), false);
  exchange.use_capsules();
  settle();
  ASSERT_TRUE(client->response);
  EXPECT_TRUE(exchange.send_datagram(as_bytes(context), as_bytes("twelve bytes")));
  EXPECT_TRUE(exchange.send_datagram(as_bytes(context), {}));
  settle();
  EXPECT_TRUE(requests().last().exchange->send_datagram(as_bytes(context), as_bytes("seven b")));
  settle();
  exchange.finish({});
  const auto& record = told().record;
  EXPECT_EQ(record.bytes_in, 12u);
  EXPECT_EQ(record.bytes_out, 7u);
  EXPECT_EQ(record.datagrams_in, 2u);
  EXPECT_EQ(record.datagrams_out, 1u);
  EXPECT_EQ(record.addresses, "10.7.0.2,10.7.0.3");
  EXPECT_EQ(record.status, is_h1() ? 101u : 200u);
  EXPECT_EQ(record.end, ExchangeEnd::complete);
  EXPECT_EQ(told().request->protocol, "connect-udp");
}

TEST_P(Recorded, ATcpTunnelCountsItsBytes) {
  requests().then = [](Exchange& exchange, RecordingExchange& handler) {
    exchange.respond(status(200));
    exchange.write(as_bytes("down"));
    handler.then_end = [](Exchange& ended) { ended.finish({}); };
  };
  Exchange& exchange = ask(connect("target.test:25"), false);
  settle();
  exchange.write(as_bytes("upwards"));
  exchange.finish({});
  const auto& record = told().record;
  EXPECT_EQ(record.bytes_in, 7u);
  EXPECT_EQ(record.bytes_out, 4u);
  EXPECT_EQ(told().request->authority, "target.test:25");
}

TEST_P(Recorded, WhenItsPartsPassed) {
  requests().then = [](Exchange&, RecordingExchange&) {};
  Exchange& asking = ask(post("/"), false);
  settle();
  pass(2s);
  Exchange& answering = *requests().last().exchange;
  answering.respond(status(200));
  pass(3s);
  answering.finish({});
  asking.finish({});
  const auto& record = told().record;
  ASSERT_TRUE(record.request_head && record.response_head);
  EXPECT_EQ(record.started, *record.request_head) << "in one piece";
  EXPECT_GE(*record.response_head - *record.request_head, 2s);
  EXPECT_LT(*record.response_head - *record.request_head, 4s);
  EXPECT_GE(record.ended - *record.response_head, 3s);
  EXPECT_LT(record.ended - *record.response_head, 4s);
}

TEST_P(Recorded, AConnectionWithoutALogAsksForNone) {
  if (h3) h3->requests.record_to = nullptr;  // is asked once a connection
  requests().then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(200), true); };
  ask(get("/"));
  EXPECT_EQ(told().record.status, 200u);
}

// Malformed requests

struct RawH1 {
  explicit RawH1(std::string_view text, bool answers = true) {
    auto [near, far] = net::make_memory_streams(clock.timers);
    requests.record_to = &log;
    if (answers)
      requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(200), true); };
    server = make_h1_server(clock.timers, std::move(far), {"a", "TLS1.3"}, requests, nullptr, {});
    peer = std::make_unique<RawEnd>(std::move(near));
    peer->say(text);
    clock.settle();
  }
  NotingLog log;
  Clock clock;
  RecordingServer requests;
  std::unique_ptr<Connection> server;
  std::unique_ptr<RawEnd> peer;
};

TEST(RecordedMalformed, Http1WithoutAHeadThatCanBeRead) {
  RawH1 world("GET / HTTP/1.1\r\nbad field\r\n\r\n");
  ASSERT_EQ(world.log.all.size(), 1u);
  EXPECT_EQ(world.log.all[0].record.status, 400u);
  EXPECT_EQ(world.log.all[0].record.end, ExchangeEnd::reset);
  EXPECT_FALSE(world.log.all[0].request);
  EXPECT_TRUE(world.peer->received.starts_with("HTTP/1.1 400"));
}

TEST(RecordedMalformed, Http1WhoseHeadIsNoGoodRequest) {
  RawH1 world("GET /x HTTP/1.1\r\n\r\n");  // no Host
  ASSERT_EQ(world.log.all.size(), 1u);
  EXPECT_EQ(world.log.all[0].record.status, 400u);
  EXPECT_EQ(world.log.all[0].request->path, "/x");
}

TEST(RecordedMalformed, Http1ThatIsTooSlow) {
  RawH1 world("GET / HT");
  world.clock.pass(11s);
  ASSERT_EQ(world.log.all.size(), 1u);
  EXPECT_EQ(world.log.all[0].record.status, 408u);
}

TEST(RecordedTimes, Http1BeginsWithTheFirstByteOfTheHead) {
  RawH1 world("GET / HT");
  world.clock.pass(3s);
  world.peer->say("TP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
  world.clock.settle();
  ASSERT_EQ(world.log.all.size(), 2u);
  const ExchangeRecord& slow = world.log.all[0].record;
  EXPECT_EQ(*slow.request_head - slow.started, 3s);
  EXPECT_EQ(slow.response_head, slow.request_head);
  const ExchangeRecord& quick = world.log.all[1].record;
  EXPECT_EQ(quick.request_head, quick.started);
}

TEST(RecordedTimes, AHeadThatNeverCameHasNoTime) {
  RawH1 world("GET / HT");
  world.clock.pass(11s);
  ASSERT_EQ(world.log.all.size(), 1u);
  const ExchangeRecord& record = world.log.all[0].record;
  EXPECT_FALSE(record.request_head);
  EXPECT_EQ(record.ended - record.started, 10s);
  EXPECT_EQ(record.response_head, record.ended);
}

TEST(RecordedMalformed, Http1WhoseBodyBreaks) {
  RawH1 world("POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello", false);
  ASSERT_EQ(world.log.all.size(), 0u);
  world.peer->say("no line feed\r\n");
  world.clock.settle();
  ASSERT_EQ(world.log.all.size(), 1u);
  EXPECT_EQ(world.log.all[0].record.status, 400u);
  EXPECT_EQ(world.log.all[0].record.bytes_in, 5u);
  EXPECT_EQ(world.log.all[0].record.end, ExchangeEnd::reset);
}

TEST(RecordedMalformed, Http2) {
  NotingLog log;
  Clock clock;
  RecordingServer requests;
  requests.record_to = &log;
  auto [near, far] = net::make_memory_streams(clock.timers);
  const auto server = make_h2_server(clock.timers, std::move(far), {"a", "TLS1.3"}, requests, nullptr, {});
  RawEnd peer(std::move(near));
  peer.say(h2_preface + h2_frame(h2_settings, ack, 0) +
           h2_frame(h2_headers, end_stream | end_headers, 1,
                    hpack({{":method", "GET"}, {":scheme", "https"}, {":path", "/x"}, {"UPPER", "case"}})));
  clock.settle();
  ASSERT_EQ(log.all.size(), 1u);
  EXPECT_EQ(log.all[0].record.end, ExchangeEnd::reset);
  EXPECT_EQ(log.all[0].record.status, 0u);
  EXPECT_EQ(log.all[0].request->path, "/x");
}

TEST(RecordedMalformed, Http3) {
  NotingLog log;
  RawClient client;
  client.requests.record_to = &log;
  ASSERT_TRUE(client.meet());
  const auto id = client.say(headers(request_lines({{"connection", "close"}})), true);
  EXPECT_EQ(client.reset_with(id), code(H3Code::message_error));
  ASSERT_EQ(log.all.size(), 1u);
  EXPECT_EQ(log.all[0].record.end, ExchangeEnd::reset);
  EXPECT_EQ(log.all[0].request->path, "/");
  EXPECT_EQ(log.all[0].record.stream_id, id);
}

TEST(RecordedMalformed, Http3TooLargeToBeReadIsAnswered) {
  NotingLog log;
  RawClient client;
  client.requests.record_to = &log;
  client.server_limits.max_section_size = 100;
  ASSERT_TRUE(client.meet());
  client.say(headers(request_lines({{"a", std::string(1000, 'x')}})), true);
  client.run_for(200ms);
  ASSERT_EQ(log.all.size(), 1u);
  EXPECT_EQ(log.all[0].record.status, 431u);
}

TEST(RecordedMalformed, AStreamThatEndedBeforeItAskedIsNoRequest) {
  NotingLog log;
  RawClient client;
  client.requests.record_to = &log;
  ASSERT_TRUE(client.meet());
  const auto id = client.say(std::string(1, '\x01'), false);
  client.run_for(100ms);
  client.connection->reset_stream(id, code(H3Code::request_cancelled));
  client.run_for(100ms);
  EXPECT_TRUE(log.all.empty());
}

}  // namespace
}  // namespace sallyport::http
