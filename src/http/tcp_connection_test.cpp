// What an exchange does over HTTP/1.1 and HTTP/2 alike: heads, bodies, tunnels, back-pressure.
#include "http/alike_for_test.h"

#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

INSTANTIATE_TEST_SUITE_P(, Alike, all_ways(), way_name);

TEST_P(Alike, RequestAndResponse) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"content-type", "text/plain"}, {"content-length", "5"}}));
    exchange.write(as_bytes("hello"));
    exchange.finish();
  };
  Request request = get("/a?b=c");
  request.fields.add("accept", "*/*");
  RecordingExchange& client = recorder();
  pair.client->request(request, client, true);
  settle();
  const Request& seen = pair.requests.last().request;
  EXPECT_EQ(seen.method, "GET");
  EXPECT_EQ(seen.scheme, "https");
  EXPECT_EQ(seen.authority, "example.com");
  EXPECT_EQ(seen.path, "/a?b=c");
  EXPECT_EQ(seen.fields.size(), 1u);
  EXPECT_EQ(seen.fields.find("accept"), "*/*");
  ASSERT_TRUE(client.response);
  EXPECT_EQ(client.response->status, 200u);
  EXPECT_EQ(client.response->fields.size(), 2u);
  EXPECT_EQ(client.response->fields.find("content-type"), "text/plain");
  EXPECT_EQ(client.body, "hello");
  EXPECT_TRUE(client.is_well());
  EXPECT_TRUE(pair.requests.last().handler.is_well());
  EXPECT_EQ(pair.client->open_exchanges(), 0u);
  EXPECT_EQ(pair.server->open_exchanges(), 0u);
  EXPECT_EQ(pair.server->counters().requests, 1u);
}

TEST_P(Alike, RequestsOneAfterAnotherOnOneConnection) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200));
    exchange.write(as_bytes(exchange.request().path));
    exchange.finish();
  };
  RecordingExchange &first = recorder(), &second = recorder(), &third = recorder();
  first.then_closed = [&] { pair.client->request(get("/2"), second, true); };
  second.then_closed = [&] { pair.client->request(get("/3"), third, true); };
  pair.client->request(get("/1"), first, true);
  settle();
  EXPECT_EQ(first.body + second.body + third.body, "/1/2/3");
  EXPECT_TRUE(first.is_well() && second.is_well() && third.is_well());
  EXPECT_EQ(pair.client_events.closed, 0);
}

TEST_P(Alike, BodiesBothWaysOfUnknownLengthWithTrailers) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange& handler) {
    exchange.respond(status(200));
    handler.then_body = [&](Exchange& e) { e.write(as_bytes(std::exchange(handler.body, {}))); };
    handler.then_end = [](Exchange& e) { e.finish({{"checksum", "abc"}}); };
  };
  RecordingExchange& client = recorder();
  Exchange& exchange = pair.client->request(post("/echo"), client, false);
  exchange.write(as_bytes("one "));
  settle();
  exchange.write(as_bytes("two "));
  exchange.write(as_bytes("three"));
  exchange.finish({{"sum", "11"}});
  settle();
  EXPECT_EQ(client.body, "one two three");
  ASSERT_TRUE(pair.requests.last().handler.trailers);
  EXPECT_EQ(pair.requests.last().handler.trailers->find("sum"), "11");
  ASSERT_TRUE(client.trailers);
  EXPECT_EQ(client.trailers->find("checksum"), "abc");
  EXPECT_TRUE(client.is_well());
  EXPECT_TRUE(pair.requests.last().handler.is_well());
}

TEST_P(Alike, BodyOfKnownLength) {
  const std::string body(5000, 'x');
  pair.requests.then = [](Exchange&, RecordingExchange& handler) {
    handler.then_end = [](Exchange& e) { e.respond(status(201), true); };
  };
  Request request = post("/");
  request.fields.add("content-length", "5000");
  RecordingExchange& client = recorder();
  Exchange& exchange = pair.client->request(request, client, false);
  exchange.write(as_bytes(body));
  exchange.finish();
  settle();
  EXPECT_EQ(pair.requests.last().handler.body, body);
  EXPECT_EQ(pair.requests.last().request.fields.find("content-length"), "5000");
  EXPECT_EQ(client.response->status, 201u);
  EXPECT_TRUE(client.is_well());
}

TEST_P(Alike, BodiesThatDoNotMatchTheirLengthNeverLookComplete) {
  for (const std::size_t written : {3u, 7u}) {
    Pair fresh(GetParam().speaks, GetParam().piece);
    fresh.requests.then = [&](Exchange& exchange, RecordingExchange&) {
      exchange.respond(status(200, {{"content-length", "5"}}));
      exchange.write(as_bytes(std::string(written, 'x')));
      exchange.finish();
    };
    RecordingExchange& client = recorder();
    fresh.client->request(get("/"), client, true);
    fresh.clock.settle();
    EXPECT_FALSE(client.ended);
    EXPECT_EQ(client.closed, 1);
    EXPECT_TRUE(client.error);
  }
}

TEST_P(Alike, RequestWithoutTheBodyOfItsLengthIsNotSent) {
  RecordingExchange& client = recorder();
  Request request = post("/");
  request.fields.add("content-length", "5");
  pair.client->request(request, client, true);
  settle();
  EXPECT_EQ(client.closed, 1);
  EXPECT_TRUE(client.error);
  EXPECT_TRUE(pair.requests.requests.empty());
}

TEST_P(Alike, RequestWithAContentLengthOfZeroNeedsNoBody) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.respond(status(204), true); };
  RecordingExchange& client = recorder();
  Request request = post("/");
  request.fields.add("content-length", "0");
  pair.client->request(request, client, true);
  settle();
  EXPECT_TRUE(client.is_well());
  ASSERT_EQ(pair.requests.requests.size(), 1u);
  EXPECT_EQ(pair.requests.last().request.fields.find("content-length"), "0");
}

TEST_P(Alike, HeadAndBodilessStatuses) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    if (exchange.request().path == "/304")
      return exchange.respond(status(304, {{"content-length", "7"}}), true);
    if (exchange.request().path == "/204") return exchange.respond(status(204), true);
    exchange.respond(status(200, {{"content-length", "5"}}));
    exchange.write(as_bytes("hello"));
    exchange.finish();
  };
  Request head = get("/");
  head.method = "HEAD";
  for (const Request& request : {head, get("/304"), get("/204"), head}) {
    RecordingExchange& client = recorder();
    pair.client->request(request, client, true);
    settle();
    EXPECT_TRUE(client.is_well()) << request.path;
    EXPECT_TRUE(client.ended);
    EXPECT_EQ(client.body, "");
    if (request.method == "HEAD") {
      EXPECT_EQ(client.response->fields.find("content-length"), "5");
    }
  }
}

TEST_P(Alike, InterimResponses) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.inform(status(103, {{"link", "</a>"}}));
    exchange.inform(status(102));
    exchange.respond(status(200), true);
  };
  RecordingExchange& client = recorder();
  pair.client->request(get("/"), client, true);
  settle();
  EXPECT_EQ(client.interim, (std::vector<unsigned>{103, 102}));
  EXPECT_EQ(client.response->status, 200u);
  EXPECT_TRUE(client.is_well());
}

TEST_P(Alike, WhoWaitsFor100IsTold) {
  pair.requests.then = [](Exchange&, RecordingExchange& handler) {
    handler.then_end = [](Exchange& e) { e.respond(status(200), true); };
  };
  Request request = post("/");
  request.fields.add("expect", "100-continue");
  RecordingExchange& client = recorder();
  Exchange& exchange = pair.client->request(request, client, false);
  settle();
  EXPECT_EQ(client.interim, std::vector<unsigned>{100});
  exchange.write(as_bytes("x"));
  exchange.finish();
  settle();
  EXPECT_TRUE(client.is_well());
}

TEST_P(Alike, HandlersKnowWhatIsComplete) {
  std::vector<bool> complete;
  pair.requests.then = [&](Exchange& exchange, RecordingExchange& handler) {
    complete.push_back(exchange.request_complete());
    handler.then_end = [&](Exchange& e) {
      complete.push_back(e.request_complete());
      e.respond(status(204), true);
    };
  };
  RecordingExchange &first = recorder(), &second = recorder();
  pair.client->request(get("/"), first, true);
  settle();
  Exchange& exchange = pair.client->request(post("/"), second, false);
  exchange.write(as_bytes("x"));
  exchange.finish();
  settle();
  EXPECT_TRUE(first.is_well() && second.is_well());
  ASSERT_EQ(complete.size(), 4u);
  // Byte by byte nobody can know before.
  if (GetParam().piece > 1) {
    EXPECT_TRUE(complete[0]);
  }
  EXPECT_TRUE(complete[1]);
  EXPECT_FALSE(complete[2]);
  EXPECT_TRUE(complete[3]);
}

TEST_P(Alike, ContinueCanBeLeftToAnother) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.hold_continue(); };
  Request request = post("/");
  request.fields.add("expect", "100-Continue");
  RecordingExchange& client = recorder();
  pair.client->request(request, client, false);
  settle();
  EXPECT_TRUE(client.interim.empty());
  pair.requests.last().exchange->inform(status(100));
  settle();
  EXPECT_EQ(client.interim, std::vector<unsigned>{100});
}

TEST_P(Alike, WhoSendsNoBodyIsNotToldToGoOn) {
  if (GetParam().piece == 1) return;
  RecordingExchange& client = recorder();
  Request request = get("/");
  request.fields.add("expect", "100-continue");
  pair.client->request(request, client, true);
  settle();
  EXPECT_TRUE(client.interim.empty());
}

TEST_P(Alike, ConnectTunnelWithHalfClose) {
  pair.requests.then = [](Exchange&, RecordingExchange&) {};
  RecordingExchange& client = recorder();
  Exchange& tunnel = pair.client->request(connect("target.example:25"), client, false);
  tunnel.write(as_bytes("early "));  // waits for the answer where the version asks for it
  settle();
  RecordingServer::Taken& taken = pair.requests.last();
  EXPECT_EQ(taken.request.method, "CONNECT");
  EXPECT_EQ(taken.request.authority, "target.example:25");
  EXPECT_EQ(taken.request.path, "");
  taken.exchange->respond(status(200));
  taken.exchange->write(as_bytes("220 ready"));
  settle();
  ASSERT_TRUE(client.response);
  EXPECT_EQ(client.response->status, 200u);
  EXPECT_EQ(client.body, "220 ready");
  tunnel.write(as_bytes("QUIT"));
  tunnel.finish();
  settle();
  EXPECT_EQ(taken.handler.body, "early QUIT");
  EXPECT_TRUE(taken.handler.ended);
  EXPECT_FALSE(client.ended);
  taken.exchange->write(as_bytes(" bye"));
  taken.exchange->finish();
  settle();
  EXPECT_EQ(client.body, "220 ready bye");
  EXPECT_TRUE(client.is_well());
  EXPECT_TRUE(taken.handler.is_well());
}

TEST_P(Alike, AnySuccessOpensATunnel) {  // RFC 9110 §9.3.6
  for (const unsigned success : {201u, 204u, 205u, 206u, 299u}) {
    RecordingExchange client;
    Pair one(GetParam().speaks, GetParam().piece);
    one.requests.then = [&](Exchange& exchange, RecordingExchange&) {
      exchange.respond(status(success));
      exchange.write(as_bytes("220 ready"));
    };
    Exchange& tunnel = one.client->request(connect("target.example:25"), client, false);
    one.clock.settle();
    ASSERT_TRUE(client.response) << success;
    EXPECT_EQ(client.response->status, success);
    tunnel.write(as_bytes("QUIT"));
    tunnel.finish();
    one.clock.settle();
    RecordingServer::Taken& taken = one.requests.last();
    EXPECT_EQ(taken.handler.body, "QUIT") << success;
    taken.exchange->write(as_bytes(" bye"));
    taken.exchange->finish();
    one.clock.settle();
    EXPECT_EQ(client.body, "220 ready bye") << success;
    EXPECT_TRUE(client.is_well()) << success << (client.error ? client.error->message : "");
  }
}

TEST_P(Alike, ConnectRefused) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(403, {{"proxy-status", "x; error=destination_ip_prohibited"}}));
    exchange.write(as_bytes("no"));
    exchange.finish();
  };
  RecordingExchange& client = recorder();
  Exchange& tunnel = pair.client->request(connect("127.0.0.1:25"), client, false);
  tunnel.write(as_bytes("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"));
  settle();
  if (!is_h1()) {
    tunnel.finish();
    settle();
  }
  EXPECT_EQ(client.response->status, 403u);
  EXPECT_EQ(client.response->fields.find("proxy-status"), "x; error=destination_ip_prohibited");
  EXPECT_EQ(client.body, "no");
  EXPECT_TRUE(client.ended);
  EXPECT_TRUE(client.is_well());
  EXPECT_EQ(pair.requests.requests.size(), 1u);
}

TEST_P(Alike, ExtendedConnectCarriesDatagramsAndCapsules) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.use_capsules();
    exchange.respond(status(200, {{"capsule-protocol", "?1"}}));
  };
  Request request = extended_connect("connect-udp", "/.well-known/masque/udp/192.0.2.1/443/");
  request.fields.add("capsule-protocol", "?1");
  RecordingExchange& client = recorder();
  Exchange& tunnel = pair.client->request(request, client, false);
  tunnel.use_capsules();
  EXPECT_FALSE(tunnel.datagrams_unreliable());
  EXPECT_TRUE(tunnel.send_datagram(as_bytes(std::string_view("\0", 1)), as_bytes("early")));
  settle();
  RecordingServer::Taken& taken = pair.requests.last();
  EXPECT_EQ(taken.request.method, "CONNECT");
  EXPECT_EQ(taken.request.protocol, "connect-udp");
  EXPECT_EQ(taken.request.path, "/.well-known/masque/udp/192.0.2.1/443/");
  EXPECT_EQ(taken.request.fields.find("capsule-protocol"), "?1");
  EXPECT_EQ(client.response->status, 200u);
  tunnel.send_datagram({}, as_bytes(std::string(1500, 'd')));
  tunnel.send_capsule(0x2575, as_bytes("value"));
  taken.exchange->send_datagram(as_bytes("a"), as_bytes("bc"));
  settle();
  EXPECT_EQ(taken.handler.datagrams,
            (std::vector<std::string>{std::string("\0early", 6), std::string(1500, 'd')}));
  ASSERT_EQ(taken.handler.capsules.size(), 1u);
  EXPECT_EQ(taken.handler.capsules[0].first, 0x2575u);
  EXPECT_EQ(taken.handler.capsules[0].second, "value");
  EXPECT_EQ(client.datagrams, std::vector<std::string>{"abc"});
  tunnel.finish();
  taken.exchange->finish();
  settle();
  EXPECT_TRUE(client.is_well());
  EXPECT_TRUE(taken.handler.is_well());
  EXPECT_EQ(pair.client->counters().datagrams_out, 2u);
  EXPECT_EQ(pair.client->counters().datagrams_in, 1u);
}

TEST_P(Alike, WebSocketIsOneThing) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(status(200, {{"sec-websocket-protocol", "chat"}}));
    exchange.write(as_bytes("frame"));
  };
  Request request = extended_connect("websocket", "/chat");
  request.fields.add("sec-websocket-version", "13");
  request.fields.add("sec-websocket-protocol", "chat");
  RecordingExchange& client = recorder();
  pair.client->request(request, client, false);
  settle();
  EXPECT_EQ(pair.requests.last().request.fields.size(), 2u);
  EXPECT_EQ(pair.requests.last().request.fields.find("sec-websocket-protocol"), "chat");
  EXPECT_EQ(client.response->fields.size(), 1u);
  EXPECT_EQ(client.response->fields.find("sec-websocket-protocol"), "chat");
  EXPECT_EQ(client.body, "frame");
}

TEST_P(Alike, WriterIsHeldBackByReader) {
  Pair wide(GetParam().speaks,
            GetParam().piece == 1 ? 1009 : GetParam().piece);  // megabytes take too long byte by byte
  constexpr std::size_t total = 8 * 1024 * 1024;
  const Chunk block = Chunk::copy_of(as_bytes(std::string(64 * 1024, 'x')));
  std::size_t written = 0;
  const auto write_on = [&](Exchange& exchange) {
    while (written < total && exchange.queued_bytes() <= Exchange::high_water) {
      exchange.write(block);
      written += block.size();
    }
    if (written == total) exchange.finish();
  };
  wide.requests.then = [&](Exchange& exchange, RecordingExchange& handler) {
    exchange.respond(status(200));
    handler.then_writable = write_on;
    write_on(exchange);
  };
  RecordingExchange& client = recorder();
  client.consumes = false;
  Exchange& exchange = wide.client->request(get("/"), client, true);
  wide.clock.settle();
  EXPECT_LT(written, total / 2);
  EXPECT_LT(client.body.size(), total / 2);
  EXPECT_FALSE(client.ended);
  while (client.closed == 0 && client.unconsumed > 0) {
    exchange.consume(std::exchange(client.unconsumed, 0));
    wide.clock.settle();
  }
  EXPECT_EQ(client.body.size(), total);
  EXPECT_GT(wide.requests.last().handler.writable, 1);
  EXPECT_TRUE(client.is_well());
}

TEST_P(Alike, UploaderIsHeldBackByHandler) {
  Pair wide(GetParam().speaks,
            GetParam().piece == 1 ? 1009 : GetParam().piece);  // megabytes take too long byte by byte
  constexpr std::size_t total = 8 * 1024 * 1024;
  wide.requests.then = [](Exchange&, RecordingExchange& handler) { handler.consumes = false; };
  const Chunk block = Chunk::copy_of(as_bytes(std::string(64 * 1024, 'x')));
  std::size_t written = 0;
  RecordingExchange& client = recorder();
  client.then_writable = [&](Exchange& exchange) {
    while (written < total && exchange.queued_bytes() <= Exchange::high_water) {
      exchange.write(block);
      written += block.size();
    }
    if (written == total) exchange.finish();
  };
  client.then_writable(wide.client->request(post("/"), client, false));
  wide.clock.settle();
  RecordingServer::Taken& taken = wide.requests.last();
  EXPECT_LT(taken.handler.body.size(), total / 2);
  while (taken.handler.closed == 0 && taken.handler.unconsumed > 0) {
    taken.exchange->consume(std::exchange(taken.handler.unconsumed, 0));
    wide.clock.settle();
  }
  EXPECT_EQ(taken.handler.body.size(), total);
  EXPECT_TRUE(taken.handler.ended);
  taken.exchange->respond(status(204), true);
  wide.clock.settle();
  EXPECT_TRUE(client.is_well());
}

TEST_P(Alike, TooLargeHeadGets431AndALongPath414) {
  const auto answer_to = [&](const Request& request) {
    Pair fresh(GetParam().speaks, GetParam().piece, {.max_section_size = 2000, .max_path = 500});
    RecordingExchange& client = recorder();
    fresh.client->request(request, client, true);
    fresh.clock.settle();
    EXPECT_TRUE(fresh.requests.requests.empty());
    return client.response ? client.response->status : 0;
  };
  Request many = get("/");
  for (int i = 0; i < 100; ++i) many.fields.add("x", "y");
  EXPECT_EQ(answer_to(many), 431u);
  Request large = get("/");
  large.fields.add("cookie", std::string(2000, 'c'));
  EXPECT_EQ(answer_to(large), 431u);
  EXPECT_EQ(answer_to(get("/" + std::string(600, 'p'))), 414u);
}

TEST_P(Alike, ConnectionTellsWhatItIs) {
  settle();
  const ConnectionInfo& info = pair.server->info();
  EXPECT_EQ(info.version, is_h1() ? Version::http1_1 : Version::http2);
  EXPECT_TRUE(info.server);
  EXPECT_FALSE(pair.client->info().server);
  EXPECT_EQ(info.server_name, "example.com");
  EXPECT_EQ(info.tls, "TLS1.3");
  EXPECT_EQ(info.certificate, pair.certificate);
  EXPECT_EQ(&info, &pair.server->info()) << "nothing is copied";
  EXPECT_EQ(pair.client_events.ready, 1);
}

}  // namespace
}  // namespace sallyport::http::test
