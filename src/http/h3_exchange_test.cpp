// HTTP/3 between our client and our server: messages, bodies under back-pressure, resets, priorities, 0-RTT.
#include "http/h3_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::get;
using test::H3Pair;
using test::post;
using test::RecordingExchange;

/// Answers every request with 200 and `body`.
void answer_with(H3Pair& pair, std::string body) {
  pair.requests.then = [body = std::move(body)](Exchange& exchange, RecordingExchange&) {
    exchange.respond(
        {.status = 200, .fields = {{"content-length", std::to_string(body.size())}, {"x-a", "b"}}});
    exchange.write(as_bytes(body));
    exchange.finish();
  };
}

TEST(H3Exchange, Get) {
  H3Pair pair;
  answer_with(pair, "hello");
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Request request = get("/a?b=c");
  request.fields.add("x-one", "1");
  pair.client->request(request, handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  ASSERT_TRUE(handler.response);
  EXPECT_EQ(handler.response->status, 200u);
  EXPECT_EQ(handler.response->fields.find("x-a"), "b");
  EXPECT_EQ(handler.body, "hello");
  EXPECT_TRUE(handler.ended);
  ASSERT_EQ(pair.requests.requests.size(), 1u);
  const Request& seen = pair.requests.last().request;
  EXPECT_EQ(seen.method, "GET");
  EXPECT_EQ(seen.scheme, "https");
  EXPECT_EQ(seen.authority, "example.com");
  EXPECT_EQ(seen.path, "/a?b=c");
  EXPECT_EQ(seen.fields.find("x-one"), "1");
  EXPECT_FALSE(seen.early_data);
  pair.run_for(1s);
  EXPECT_TRUE(pair.requests.last().handler.is_well());
  EXPECT_EQ(pair.client->open_exchanges(), 0u);
  EXPECT_EQ(pair.server().open_exchanges(), 0u);
  EXPECT_EQ(pair.client->counters().requests, 1u);
  EXPECT_EQ(pair.server().counters().requests, 1u);
}

TEST(H3Exchange, RequestBeforeTheHandshakeLeavesWithIt) {
  H3Pair pair;
  answer_with(pair, "x");
  pair.serve();
  pair.connect();
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/"), handler, true);
  const Time start = pair.simulation.timers.now();
  ASSERT_TRUE(pair.run_until([&] { return handler.response.has_value(); }));
  // 10 ms each way: one round trip for the handshake, one for the request.
  EXPECT_EQ(pair.simulation.timers.now() - start, 40ms);
}

TEST(H3Exchange, ExtendedConnectNeedsNoMoreRoundTripsThanGet) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.use_capsules();
    exchange.respond({.status = 200});
  };
  pair.serve();
  pair.connect();
  RecordingExchange& handler = pair.handler();
  pair.client->request(test::connect_udp(), handler, false).use_capsules();
  const Time start = pair.simulation.timers.now();
  ASSERT_TRUE(pair.run_until([&] { return handler.response.has_value(); }));
  EXPECT_EQ(pair.simulation.timers.now() - start, 40ms);
}

TEST(H3Exchange, ManyAtOnceOverTheStreamLimit) {
  H3Pair pair;
  pair.server_options.config.peer_bidirectional_streams = 10;
  answer_with(pair, std::string(1000, 'x'));
  ASSERT_TRUE(pair.establish());
  std::vector<std::unique_ptr<RecordingExchange>> handlers;
  for (int i = 0; i < 200; ++i) {
    handlers.push_back(std::make_unique<RecordingExchange>());
    pair.client->request(get("/" + std::to_string(i)), *handlers.back(), true);
  }
  ASSERT_TRUE(pair.run_until([&] { return pair.client->open_exchanges() == 0; }));
  for (const auto& handler : handlers) {
    EXPECT_TRUE(handler->is_well());
    EXPECT_EQ(handler->body.size(), 1000u);
  }
}

TEST(H3Exchange, LargeBodiesBothWaysKeepQueuesBounded) {
  H3Pair pair;
  constexpr std::size_t size = 8 * 1024 * 1024;
  std::size_t highest = 0;
  // Writes as long as the exchange takes it.
  const auto pump = [&highest](Exchange& exchange, std::size_t& left) {
    while (left > 0 && exchange.queued_bytes() <= Exchange::high_water) {
      const std::size_t step = std::min<std::size_t>(left, 50'000);
      exchange.write(Chunk::allocate(step));
      left -= step;
      highest = std::max(highest, exchange.queued_bytes());
      if (left == 0) exchange.finish();
    }
  };
  std::size_t server_left = size, client_left = size;
  pair.requests.then = [&](Exchange& exchange, RecordingExchange& handler) {
    handler.then_writable = [&](Exchange& e) { pump(e, server_left); };
    exchange.respond({.status = 200});
    pump(exchange, server_left);
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  handler.then_writable = [&](Exchange& e) { pump(e, client_left); };
  pump(pair.client->request(post("/"), handler, false), client_left);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  EXPECT_EQ(handler.body.size(), size);
  EXPECT_EQ(pair.requests.last().handler.body.size(), size);
  EXPECT_LE(highest, Exchange::high_water + 50'000);
  EXPECT_GT(handler.writable, 10);
}

TEST(H3Exchange, ReaderThatDoesNotConsumeStopsThePeer) {
  H3Pair pair;
  pair.client_options.config.initial_stream_window = 64 * 1024;
  pair.client_options.config.maximum_stream_window = 64 * 1024;
  answer_with(pair, std::string(1024 * 1024, 'x'));
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  handler.consumes = false;
  Exchange& exchange = pair.client->request(get("/"), handler, true);
  pair.run_for(3s);
  EXPECT_LE(handler.body.size(), 64u * 1024);
  EXPECT_GT(handler.body.size(), 60u * 1024);
  EXPECT_EQ(handler.closed, 0);
  handler.consumes = true;
  exchange.consume(std::exchange(handler.unconsumed, 0));
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  EXPECT_EQ(handler.body.size(), 1024u * 1024);
}

TEST(H3Exchange, TrailersAndInterimResponses) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange& handler) {
    exchange.inform({.status = 100});
    exchange.inform({.status = 103, .fields = {{"link", "</a>"}}});
    handler.then_end = [](Exchange& e) {
      e.respond({.status = 200});
      e.write(as_bytes("body"));
      e.finish({{"x-sum", "42"}});
    };
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(post("/"), handler, false);
  exchange.write(as_bytes("question"));
  exchange.finish({{"x-asked", "yes"}});
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  EXPECT_EQ(handler.interim, (std::vector<unsigned>{100, 103}));
  EXPECT_EQ(handler.body, "body");
  ASSERT_TRUE(handler.trailers);
  EXPECT_EQ(handler.trailers->find("x-sum"), "42");
  const auto& taken = pair.requests.last();
  EXPECT_EQ(taken.handler.body, "question");
  ASSERT_TRUE(taken.handler.trailers);
  EXPECT_EQ(taken.handler.trailers->find("x-asked"), "yes");
}

TEST(H3Exchange, FieldsThatMayNotBeSentAreLeftOut) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond(
        {.status = 200, .fields = {{"connection", "close"}, {"transfer-encoding", "chunked"}, {"x", "1"}}});
    exchange.finish({{"keep-alive", "1"}, {"bad", "a\nb"}, {"sum", "2"}});
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Request request = get("/");
  request.fields.add("upgrade", "h2c");
  request.fields.add("x y", "1");
  request.fields.add("smuggled", "a\r\nb: c");
  pair.client->request(request, handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  EXPECT_TRUE(pair.requests.last().request.fields.empty());
  EXPECT_EQ(handler.response->fields.size(), 1u);
  ASSERT_TRUE(handler.trailers);
  EXPECT_EQ(handler.trailers->size(), 1u);
}

TEST(H3Exchange, HeadHasContentLengthAndNoBody) {
  H3Pair pair;
  answer_with(pair, "not sent");
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Request request = get("/");
  request.method = "HEAD";
  pair.client->request(request, handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  EXPECT_EQ(handler.response->fields.find("content-length"), "8");
  EXPECT_EQ(handler.body, "");
}

TEST(H3Exchange, EmptyResponses) {
  for (const unsigned status : {204u, 304u, 200u}) {
    H3Pair pair;
    pair.requests.then = [status](Exchange& exchange, RecordingExchange&) {
      exchange.respond({.status = status}, true);
    };
    ASSERT_TRUE(pair.establish());
    RecordingExchange& handler = pair.handler();
    pair.client->request(get("/"), handler, true);
    ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; })) << status;
    EXPECT_TRUE(handler.is_well()) << status;
    EXPECT_EQ(handler.response->status, status);
  }
}

TEST(H3Exchange, EarlyAnswerStopsTheUpload) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 413}, true);
    exchange.stop_reading();
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(post("/"), handler, false);
  exchange.write(Chunk::allocate(200'000));
  ASSERT_TRUE(pair.run_until([&] { return handler.ended; }));
  EXPECT_EQ(handler.response->status, 413u);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  pair.run_for(1s);
  EXPECT_TRUE(pair.requests.last().handler.is_well());
}

// Resets, in every state

TEST(H3Exchange, ClientResetsBeforeTheRequestLeft) {
  H3Pair pair;
  pair.serve();
  pair.connect();
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/"), handler, true).reset(ResetCode::cancelled);
  EXPECT_EQ(handler.closed, 0);  // never inside the call
  pair.run_for(1s);
  EXPECT_EQ(handler.closed, 1);
  ASSERT_TRUE(handler.error);
  EXPECT_EQ(handler.error->kind, ErrorKind::cancelled);
  EXPECT_EQ(pair.requests.requests.size(), 0u);
}

TEST(H3Exchange, ClientResetsWhileItWaits) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(get("/"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return !pair.requests.requests.empty(); }));
  exchange.reset(ResetCode::cancelled);
  pair.run_for(1s);
  EXPECT_EQ(handler.closed, 1);
  const auto& server = pair.requests.last().handler;
  EXPECT_EQ(server.closed, 1);
  ASSERT_TRUE(server.error);
  EXPECT_EQ(server.error->code, test::code(H3Code::request_cancelled));
  EXPECT_EQ(pair.server().open_exchanges(), 0u);
  EXPECT_EQ(pair.server().counters().resets_in, 1u);
}

TEST(H3Exchange, ServerResetsInTheMiddle) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(100'000));
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.body.size() > 50'000; }));
  pair.requests.last().exchange->reset(ResetCode::internal_error);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  ASSERT_TRUE(handler.error);
  EXPECT_EQ(handler.error->code, test::code(H3Code::internal_error));
  EXPECT_FALSE(handler.ended);
}

// What comes for streams that were reset, or whose rest nobody wants, holds up no other stream.
TEST(H3Exchange, CreditOfAnUnwantedBodyReturnsToTheConnection) {
  enum class How { answers, resets, goes_on };
  for (const How how : {How::answers, How::resets, How::goes_on}) {
    H3Pair pair;
    auto& config = pair.server_options.config;
    config.initial_connection_window = config.maximum_connection_window = 300'000;
    pair.requests.then = [how](Exchange& exchange, RecordingExchange& handler) {
      if (exchange.request().path == "/last") {
        handler.then_end = [](Exchange& e) { e.respond({.status = 200}, true); };
      } else if (how == How::resets) {
        exchange.reset(ResetCode::cancelled);
      } else {
        exchange.respond({.status = 404}, how == How::answers);
        exchange.stop_reading();
      }
    };
    ASSERT_TRUE(pair.establish());
    // Each has up to a stream's window on its way when the server's word reaches it.
    std::size_t sent = 0;
    for (int i = 0; i < 40; ++i) {
      RecordingExchange& handler = pair.handler();
      Exchange& exchange = pair.client->request(post("/unwanted"), handler, false);
      exchange.write(Chunk::allocate(200'000));
      exchange.finish();
      if (how == How::goes_on)
        pair.run_for(200ms);
      else
        ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; })) << i;
      sent += 200'000;
    }
    ASSERT_GT(sent, 4 * pair.server_options.config.initial_connection_window);
    RecordingExchange& last = pair.handler();
    Exchange& exchange = pair.client->request(post("/last"), last, false);
    exchange.write(Chunk::allocate(200'000));
    exchange.finish();
    ASSERT_TRUE(pair.run_until([&] { return last.closed > 0; }));
    EXPECT_TRUE(last.is_well());
    EXPECT_EQ(pair.requests.last().handler.body.size(), 200'000u);
  }
}

TEST(H3Exchange, RefusedIsToldApart) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) { exchange.reset(ResetCode::refused); };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_EQ(handler.error->kind, ErrorKind::refused);
}

TEST(H3Exchange, ResetInsideEveryCallback) {
  for (int where = 0; where < 3; ++where) {
    H3Pair pair;
    answer_with(pair, std::string(100'000, 'x'));
    ASSERT_TRUE(pair.establish());
    RecordingExchange& handler = pair.handler();
    Exchange& exchange = pair.client->request(get("/"), handler, true);
    const auto reset = [&](Exchange& e) { e.reset(ResetCode::cancelled); };
    if (where == 0) handler.then_response = [&] { exchange.reset(ResetCode::cancelled); };
    if (where == 1) handler.then_body = reset;
    if (where == 2) handler.then_end = reset;
    pair.run_for(1s);
    EXPECT_EQ(handler.closed, 1) << where;
    EXPECT_EQ(pair.client->open_exchanges(), 0u) << where;
    EXPECT_EQ(pair.server().open_exchanges(), 0u) << where;
  }
}

TEST(H3Exchange, BodyThatBelongsToNoContentLengthIsNeverMadeToLookComplete) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200, .fields = {{"content-length", "10"}}});
    exchange.write(as_bytes("short"));
    exchange.finish();
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.error);
  EXPECT_FALSE(handler.ended);
}

TEST(H3Exchange, RequestWithoutTheBodyOfItsLengthIsNotSent) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  Request request = get("/");
  request.fields.add("content-length", "5");
  RecordingExchange& handler = pair.handler();
  pair.client->request(request, handler, true);
  pair.run_for(1s);
  EXPECT_EQ(handler.closed, 1);
  EXPECT_TRUE(handler.error);
  EXPECT_TRUE(pair.requests.requests.empty());
  EXPECT_TRUE(pair.client->can_request());
}

TEST(H3Exchange, ConnectionCloseEndsAllOnce) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  RecordingExchange& one = pair.handler();
  RecordingExchange& two = pair.handler();
  pair.client->request(get("/1"), one, true);
  pair.client->request(get("/2"), two, true);
  ASSERT_TRUE(pair.run_until([&] { return pair.requests.requests.size() == 2; }));
  pair.client->close({ErrorKind::cancelled, "enough"});
  pair.run_for(1s);
  EXPECT_EQ(one.closed, 1);
  EXPECT_EQ(two.closed, 1);
  EXPECT_EQ(pair.client_events.closed, 1);
  EXPECT_EQ(pair.server_events.closed, 1);
  EXPECT_EQ(pair.requests.requests[0]->handler.closed, 1);
  RecordingExchange& late = pair.handler();
  pair.client->request(get("/3"), late, true);
  pair.run_for(1s);
  EXPECT_EQ(late.closed, 1);
}

TEST(H3Exchange, DestroyedClientTellsItsHandlers) {
  H3Pair pair;
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/"), handler, true);
  pair.client.reset();
  EXPECT_EQ(handler.closed, 1);
  EXPECT_TRUE(handler.error);
}

// Priorities

TEST(H3Exchange, UrgentResponsesOvertake) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(400'000));
    exchange.finish();
  };
  ASSERT_TRUE(pair.establish());
  std::vector<int> order;
  RecordingExchange& slow = pair.handler();
  RecordingExchange& urgent = pair.handler();
  slow.then_closed = [&] { order.push_back(1); };
  urgent.then_closed = [&] { order.push_back(2); };
  pair.client->request(get("/slow"), slow, true);
  Request request = get("/urgent");
  request.priority = {.urgency = 0, .incremental = false};
  pair.client->request(request, urgent, true);
  ASSERT_TRUE(pair.run_until([&] { return order.size() == 2; }));
  EXPECT_EQ(order, (std::vector<int>{2, 1}));
  // The client's own requests go by urgency too.
  const Request& first = pair.requests.requests[0]->request;
  EXPECT_EQ(first.path, "/urgent");
  EXPECT_EQ(first.priority, (Priority{0, false}));
  EXPECT_EQ(first.fields.find("priority"), "u=0");
}

TEST(H3Exchange, ResponsesAreNotInterleavedUnlessIncremental) {
  for (const bool incremental : {false, true}) {
    H3Pair pair;
    pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
      exchange.respond({.status = 200});
      exchange.write(Chunk::allocate(400'000));
      exchange.finish();
    };
    ASSERT_TRUE(pair.establish());
    RecordingExchange& first = pair.handler();
    RecordingExchange& second = pair.handler();
    std::size_t second_at_end_of_first = 0;
    first.then_end = [&](Exchange&) { second_at_end_of_first = second.body.size(); };
    Request request = get("/");
    request.priority.incremental = incremental;
    pair.client->request(request, first, true);
    pair.client->request(request, second, true);
    ASSERT_TRUE(pair.run_until([&] { return first.closed + second.closed == 2; }));
    if (incremental)
      EXPECT_GT(second_at_end_of_first, 300'000u);
    else
      EXPECT_LT(second_at_end_of_first, 20'000u);
  }
}

/// As Firefox does: it has the response, sends no more of the request and does not end it either.
TEST(H3Exchange, ARequestThatIsAnsweredAndStandsStillGivesItsStreamBack) {
  H3Pair pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 405});
    exchange.write(as_bytes("no"));
    exchange.finish();
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(post("/"), handler, false);
  exchange.write(as_bytes("the beginning"));
  ASSERT_TRUE(pair.run_until([&] { return handler.ended; }));
  for (int i = 0; i < 4; ++i) {
    pair.run_for(1s);
    exchange.write(as_bytes("it goes on"));
  }
  EXPECT_EQ(pair.requests.last().handler.closed, 0) << "a body that moves is waited for";
  pair.run_for(5s);
  EXPECT_TRUE(pair.requests.last().handler.is_well());
}

TEST(H3Exchange, ResponsesThatWaitForEachOtherDoNotTimeOut) {
  H3Pair pair;
  pair.server_limits.idle_timeout = pair.client_limits.idle_timeout = 5s;
  // Some 2 Mbit/s.
  Time window{};
  std::size_t passed = 0;
  pair.link.server.filter = [&](Bytes datagram) {
    if (pair.simulation.timers.now() - window > 100ms) {
      window = pair.simulation.timers.now();
      passed = 0;
    }
    passed += datagram.size();
    return passed <= 25'000;
  };
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(2'000'000));
    exchange.finish();
  };
  ASSERT_TRUE(pair.establish());
  std::vector<RecordingExchange*> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(&pair.handler());
    pair.client->request(get("/"), *all.back(), true);
  }
  ASSERT_TRUE(pair.run_until([&] { return all[0]->closed + all[1]->closed + all[2]->closed == 3; }, 300s));
  for (const RecordingExchange* const one : all) {
    EXPECT_EQ(one->body.size(), 2'000'000u);
    EXPECT_TRUE(one->is_well()) << (one->error ? one->error->message : "not closed");
  }
}

// 0-RTT (RFC 8470)

struct Returning : H3Pair {
  tls::SessionCache sessions;
  Returning() {
    client_options.sessions = &sessions;
    client_options.early_data = true;
  }
  ~Returning() { client.reset(); }
  void first_visit() {
    ASSERT_TRUE(establish());
    run_for(1s);
    client->close({ErrorKind::cancelled, ""});
    run_for(1s);
    client.reset();
    client_events = {};
  }
};

TEST(H3Exchange, EarlyDataForSafeRequestsOnly) {
  Returning pair;
  answer_with(pair, "x");
  pair.first_visit();
  pair.connect();
  RecordingExchange& early = pair.handler();
  RecordingExchange& late = pair.handler();
  pair.client->request(get("/early"), early, true);
  pair.client->request(post("/late"), late, true);
  const Time start = pair.simulation.timers.now();
  ASSERT_TRUE(pair.run_until([&] { return early.response.has_value(); }));
  EXPECT_EQ(pair.simulation.timers.now() - start, 20ms);
  ASSERT_EQ(pair.requests.requests.size(), 1u);
  EXPECT_TRUE(pair.requests.requests[0]->request.early_data);
  ASSERT_TRUE(pair.run_until([&] { return late.closed > 0; }));
  EXPECT_EQ(pair.requests.requests[1]->request.method, "POST");
  EXPECT_FALSE(pair.requests.requests[1]->request.early_data);
  EXPECT_TRUE(early.is_well());
  EXPECT_TRUE(late.is_well());
}

TEST(H3Exchange, RefusedEarlyDataIsSentAgain) {
  Returning pair;
  answer_with(pair, "x");
  pair.first_visit();
  // Another deployment's keys: it cannot read the ticket.
  pair.endpoint.reset();
  pair.server_options.secret = tls::ServerSecret::random();
  pair.serve();
  pair.connect();
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/again"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  ASSERT_EQ(pair.requests.requests.size(), 1u);
  EXPECT_FALSE(pair.requests.last().request.early_data);
}

}  // namespace
}  // namespace sallyport::http
