// The state machine that all versions share, over a version that only notes what it is asked for.
#include "base/varint.h"
#include "http/exchange_base_for_test.h"

#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::RecordingExchange;

using test::FakeExchange;
using test::reset_of;
using Bench = test::ExchangeBench;

TEST(ExchangeBase, ServerSideInOrder) {
  Bench bench;
  FakeExchange& exchange = bench.serve();
  exchange.received_end();
  exchange.inform({.status = 103});
  exchange.respond({.status = 200}, false);
  exchange.write(as_bytes("body"));
  exchange.finish({});
  EXPECT_EQ(exchange.log, (std::vector<std::string>{"head 103", "head 200"}));
  EXPECT_TRUE(exchange.end_queued());
  EXPECT_EQ(exchange.queue().pop(100).size(), 4u);
  exchange.sent_body(4);
  exchange.sent_end();
  exchange.transport_closed(nullptr);
  exchange.transport_closed(nullptr);
  EXPECT_EQ(bench.served().closed, 0);  // not inside a call
  bench.clock.settle();
  EXPECT_TRUE(bench.served().is_well());
  EXPECT_EQ(bench.gone, 1);
  EXPECT_EQ(bench.set.size(), 0u);
}

TEST(ExchangeBase, WatermarksTellTheWriterOnce) {
  Bench bench;
  FakeExchange& exchange = bench.serve();
  exchange.respond({.status = 200}, false);
  exchange.write(Chunk::allocate(Exchange::high_water));
  exchange.write(as_bytes("x"));
  EXPECT_GT(exchange.queued_bytes(), Exchange::high_water);
  while (exchange.queued_bytes() > Exchange::high_water / 2) {
    EXPECT_EQ(bench.served().writable, 0);
    exchange.sent_body(exchange.queue().pop(10'000).size());
  }
  EXPECT_EQ(bench.served().writable, 1);
  exchange.sent_body(exchange.queue().pop(10'000).size());
  EXPECT_EQ(bench.served().writable, 1);
}

TEST(ExchangeBase, OutgoingContentLengthHolds) {
  for (const std::string body : {"four", "sixsix"}) {
    Bench bench;
    FakeExchange& exchange = bench.serve();
    exchange.received_end();
    exchange.respond({.status = 200, .fields = {{"content-length", "5"}}}, false);
    exchange.write(as_bytes(body));
    exchange.finish({});
    EXPECT_EQ(exchange.log.back(), reset_of(ResetCode::internal_error)) << body;
    bench.clock.settle();
    EXPECT_TRUE(bench.served().error);
  }
}

TEST(ExchangeBase, BodiesThatMustNotBeAreDropped) {
  for (const auto& [method, status] : {std::pair{"HEAD", 200u}, {"GET", 204u}, {"GET", 304u}}) {
    Bench bench;
    Request request = test::get("/");
    request.method = method;
    FakeExchange& exchange = bench.serve(request);
    exchange.respond({.status = status, .fields = {{"content-length", "100"}}}, false);
    EXPECT_TRUE(exchange.log.back().ends_with("end"));
    exchange.write(as_bytes("dropped"));
    exchange.finish({});
    EXPECT_EQ(exchange.queued_bytes(), 0u);
    EXPECT_FALSE(exchange.is_ending());
  }
}

TEST(ExchangeBase, FaultyRequestsNeverReachTheHandler) {
  for (const auto& [fault, expected] : {std::pair{Fault::section_too_large, std::string("head 431 end")},
                                        {Fault::uri_too_long, std::string("head 414 end")},
                                        {Fault::malformed, reset_of(ResetCode::message_error)}}) {
    Bench bench;
    auto made = std::make_unique<FakeExchange>(bench.set, bench, true);
    FakeExchange& exchange = *made;
    bench.set.add(std::move(made));
    exchange.received_request(bench.server, {fault, "for a test"}, std::nullopt);
    exchange.received_body(as_bytes("ignored"));
    ASSERT_FALSE(exchange.log.empty());
    EXPECT_EQ(exchange.log.front(), expected);
    EXPECT_EQ(exchange.credit, 7u);
    EXPECT_TRUE(bench.server.requests.empty());
  }
}

/// With some 60 KB in it.
Request large_request() {
  Request request = test::get("/" + std::string(8000, 'p'));
  request.fields.add("x", std::string(52'000, 'v'));
  return request;
}

// The client decides when the answer to it may leave, and with it the exchange.
TEST(ExchangeBase, RefusedRequestsAreNotKept) {
  for (const Fault fault : {Fault::section_too_large, Fault::uri_too_long}) {
    Bench bench;
    auto made = std::make_unique<FakeExchange>(bench.set, bench, true);
    FakeExchange& exchange = *made;
    exchange.set_request(large_request());
    bench.set.add(std::move(made));
    exchange.received_request(bench.server, {fault, "for a test"}, std::nullopt);
    EXPECT_LT(exchange.request().memory(), 2048u);
    EXPECT_TRUE(exchange.request().path.starts_with("/ppp")) << "the log tells it";
  }
  Bench bench;
  bench.limits.max_held_heads = 1000;
  FakeExchange& exchange = bench.serve(large_request());
  EXPECT_EQ(exchange.log.front(), "head 431 end");
  EXPECT_TRUE(bench.server.requests.empty());
  EXPECT_LT(exchange.request().memory(), 2048u);
}

TEST(ExchangeBase, WhatOthersHoldIsNoFaultOfTheRequest) {
  HeldHeads others;
  ASSERT_EQ(others.hold(HeldHeads::most_of_all, HeldHeads::most_of_all), HeldHeads::Verdict::held);
  Bench bench;
  Request request = test::get("/");
  request.fields.add("x", std::string(100'000, 'v'));
  const FakeExchange& exchange = bench.serve(request);
  EXPECT_EQ(exchange.log.front(), "head 503 end");
  EXPECT_LT(exchange.request().memory(), 2048u);
}

// Receiving

TEST(ExchangeBase, IncomingContentLengthHolds) {
  struct Row {
    std::uint64_t length;
    std::string body;
    bool fine;
  };
  for (const Row& row :
       {Row{4, "four", true}, {5, "four", false}, {3, "four", false}, {0, "", true}, {1, "", false}}) {
    Bench bench;
    FakeExchange& exchange = bench.serve(test::post("/"), row.length);
    for (const char c : row.body) exchange.received_body(as_bytes({&c, 1}));
    exchange.received_end();
    EXPECT_EQ(bench.served().ended, row.fine) << row.length << row.body;
    EXPECT_EQ(exchange.is_ending(), !row.fine);
    if (!row.fine) {
      EXPECT_EQ(exchange.log.back(), reset_of(ResetCode::message_error));
    }
  }
}

TEST(ExchangeBase, CreditComesBackByConsumeAndAtTheEnd) {
  Bench bench;
  FakeExchange& exchange = bench.serve(test::post("/"));
  bench.served().consumes = false;
  exchange.received_body(as_bytes("0123456789"));
  EXPECT_EQ(exchange.credit, 0u);
  exchange.consume(4);
  EXPECT_EQ(exchange.credit, 4u);
  exchange.consume(100);  // never more than came
  EXPECT_EQ(exchange.credit, 10u);
  exchange.received_body(as_bytes("abc"));
  exchange.stop_reading(ResetCode::no_error);
  EXPECT_EQ(exchange.credit, 13u);
  exchange.received_body(as_bytes("late"));
  EXPECT_EQ(exchange.credit, 17u);
  EXPECT_EQ(bench.served().body, "0123456789abc");
}

TEST(ExchangeBase, WhatIsUnconsumedAtTheEndIsGivenBack) {
  Bench bench;
  FakeExchange& exchange = bench.serve(test::post("/"));
  bench.served().consumes = false;
  exchange.received_body(as_bytes("0123456789"));
  exchange.consume(3);
  exchange.reset(ResetCode::cancelled);
  bench.clock.settle();
  EXPECT_EQ(bench.gone, 1);
  EXPECT_EQ(bench.credit_at_end, 10u);
}

TEST(ExchangeBase, ResponsesWithoutABody) {
  struct Row {
    const char* method;
    unsigned status;
    std::optional<std::uint64_t> length;
    bool length_stays;
  };
  for (const Row& row : {Row{"HEAD", 200, 100, true}, {"GET", 304, 100, true}, {"GET", 204, 100, false}}) {
    for (const bool with_body : {false, true}) {
      Bench bench;
      Request request = test::get("/");
      request.method = row.method;
      FakeExchange& exchange = bench.ask(request);
      bench.answer(row.status, row.length);
      EXPECT_EQ(bench.handler.response->fields.contains("content-length"), row.length_stays);
      if (with_body) exchange.received_body(as_bytes("x"));
      exchange.received_end();
      EXPECT_EQ(bench.handler.ended, !with_body) << row.method << row.status;
    }
  }
}

TEST(ExchangeBase, MessagesOutOfOrder) {
  for (int row = 0; row < 4; ++row) {
    Bench bench;
    FakeExchange& exchange = bench.ask();
    if (row == 0) exchange.received_body(as_bytes("before the head"));
    if (row == 1) exchange.received_end();
    if (row == 2) {
      bench.answer(200);
      bench.answer(200);
    }
    if (row == 3) {
      bench.answer(103);
      exchange.received_end();
    }
    EXPECT_EQ(exchange.log.back(), reset_of(ResetCode::message_error)) << row;
    bench.clock.settle();
    EXPECT_EQ(bench.handler.closed, 1);
    EXPECT_EQ(bench.handler.error->kind, ErrorKind::protocol);
  }
}

TEST(ExchangeBase, EndsOfThePeer) {
  // A reset ends the exchange, a benign stop of a client's upload does not.
  Bench bench;
  FakeExchange& exchange = bench.ask(test::post("/"), false);
  exchange.write(as_bytes("upload"));
  exchange.received_stop(true, {});
  EXPECT_FALSE(exchange.is_ending());
  EXPECT_EQ(exchange.queued_bytes(), 0u);
  exchange.write(as_bytes("more"));
  EXPECT_EQ(exchange.queued_bytes(), 0u);
  bench.answer(413);
  exchange.received_end();
  exchange.transport_closed(nullptr);
  bench.clock.settle();
  EXPECT_TRUE(bench.handler.is_well());

  Bench other;
  other.ask(test::post("/"), false).received_stop(false, {ErrorKind::closed, "stopped"});
  other.clock.settle();
  EXPECT_EQ(other.handler.error->message, "stopped");
}

TEST(ExchangeBase, ResetAfterWeStoppedReadingIsNoError) {
  Bench bench;
  FakeExchange& exchange = bench.serve(test::post("/"));
  exchange.respond({.status = 413}, true);
  exchange.stop_reading(ResetCode::no_error);
  exchange.received_reset({ErrorKind::closed, "as we asked"});
  EXPECT_FALSE(exchange.is_ending());
  EXPECT_EQ(bench.set.counters.resets_in, 0u);
  exchange.sent_end();
  exchange.transport_closed(nullptr);
  bench.clock.settle();
  EXPECT_TRUE(bench.served().is_well());
}

TEST(ExchangeBase, NothingIsDeliveredAfterAReset) {
  Bench bench;
  FakeExchange& exchange = bench.ask();
  bench.handler.then_response = [&] { exchange.reset(ResetCode::cancelled); };
  bench.answer(200);
  exchange.received_body(as_bytes("x"));
  exchange.received_trailers({}, {});
  exchange.received_end();
  exchange.write(as_bytes("x"));
  EXPECT_EQ(bench.handler.body, "");
  EXPECT_FALSE(bench.handler.ended);
  EXPECT_EQ(exchange.credit, 1u);
  bench.clock.settle();
  EXPECT_EQ(bench.handler.closed, 1);
}

// Tunnels and capsules

TEST(ExchangeBase, TunnelsAreOpenedByA2xx) {
  Bench bench;
  FakeExchange& exchange = bench.serve(test::extended_connect("connect-udp", "/"));
  EXPECT_FALSE(exchange.is_tunnel());
  exchange.respond({.status = 200, .fields = {{"content-length", "3"}}}, false);
  EXPECT_TRUE(exchange.is_tunnel());
  EXPECT_EQ(exchange.log, (std::vector<std::string>{"head 200", "tunnel"}));
  exchange.write(as_bytes("longer than three"));  // content-length says nothing here
  EXPECT_FALSE(exchange.is_ending());

  Bench refused;
  FakeExchange& other = refused.serve(test::extended_connect("connect-udp", "/"));
  other.respond({.status = 403}, true);
  EXPECT_FALSE(other.is_tunnel());
}

TEST(ExchangeBase, TunnelsTakeNoHeaders) {  // RFC 9113 §8.5
  Bench bench;
  FakeExchange& exchange = bench.serve(test::connect("a.example:1"));
  exchange.respond({.status = 200}, false);
  exchange.received_trailers({}, {});
  EXPECT_EQ(exchange.log.back(), reset_of(ResetCode::message_error));

  Bench asking;
  FakeExchange& asked = asking.ask(test::connect("a.example:1"), false);
  asking.answer(200);
  asked.received_trailers({}, {});
  EXPECT_EQ(asked.log.back(), reset_of(ResetCode::message_error));
}

TEST(ExchangeBase, CapsulesBothWays) {
  Bench bench;
  FakeExchange& exchange = bench.serve(test::extended_connect("connect-udp", "/"));
  EXPECT_FALSE(exchange.send_datagram({}, as_bytes("no tunnel yet")));
  exchange.use_capsules();
  exchange.respond({.status = 200}, false);
  EXPECT_TRUE(exchange.send_datagram(as_bytes("a"), as_bytes("bc")));
  exchange.send_capsule(5, as_bytes("xyz"));
  std::array<std::uint8_t, 64> out;
  const std::string sent(as_text(Bytes(out).first(exchange.queue().pop_into(out))));
  EXPECT_EQ(sent, std::string("\x00\x03"
                              "abc\x05\x03xyz",
                              10));
  for (const char c : sent) exchange.received_body(as_bytes({&c, 1}));
  EXPECT_EQ(bench.served().datagrams, (std::vector<std::string>{"abc"}));
  ASSERT_EQ(bench.served().capsules.size(), 1u);
  EXPECT_EQ(bench.served().capsules[0].second, "xyz");
  EXPECT_EQ(exchange.credit, sent.size());
  EXPECT_EQ(bench.set.counters.datagrams_in, 1u);
  EXPECT_EQ(bench.set.counters.datagrams_out, 1u);
  exchange.received_body(as_bytes("\x01"));
  exchange.received_end();
  EXPECT_EQ(exchange.log.back(), reset_of(ResetCode::datagram_error));
}

TEST(ExchangeBase, CapsulesHoldTheirCreditUntilTheyAreConsumed) {
  Bench bench;
  FakeExchange& exchange = bench.serve(test::extended_connect("connect-ip", "/"));
  bench.served().consumes = false;
  exchange.use_capsules();
  exchange.respond({.status = 200}, false);
  const auto varint = [](std::uint64_t value) {
    std::array<std::uint8_t, 8> bytes;
    return std::string(as_text(Bytes(bytes).first(put_varint(bytes, value))));
  };
  const std::string capsule = varint(0x77) + varint(1000) + std::string(1000, 'x');
  const std::string datagram = varint(0) + varint(4) + "data";
  const std::size_t head = capsule.size() - 1000;
  exchange.received_body(as_bytes(datagram + capsule + datagram));
  EXPECT_EQ(exchange.credit, 2 * datagram.size() + head);
  exchange.received_body(as_bytes(capsule.substr(0, 500)));
  EXPECT_EQ(exchange.credit, 2 * datagram.size() + 2 * head);
  exchange.received_body(as_bytes(capsule.substr(500)));
  EXPECT_EQ(exchange.credit, 2 * datagram.size() + 2 * head);
  EXPECT_EQ(bench.served().capsules.size(), 2u);
  exchange.consume(2000);
  EXPECT_EQ(exchange.credit, 2 * datagram.size() + 2 * capsule.size());
  exchange.received_body(as_bytes(capsule.substr(0, 500)));
  exchange.reset(ResetCode::cancelled);
  bench.clock.settle();
  EXPECT_EQ(bench.credit_at_end, 2 * datagram.size() + 2 * capsule.size() + 500);
}

TEST(ExchangeBase, OverlongCapsulesOfNoInterestAreSkipped) {
  Bench bench;
  bench.limits.max_capsule = 10;
  FakeExchange& exchange = bench.serve(test::extended_connect("connect-udp", "/"));
  exchange.use_capsules();
  exchange.respond({.status = 200}, false);
  exchange.received_body(
      as_bytes(std::string("\x07\x40\x64", 3) + std::string(100, 'x') + std::string("\x00\x02", 2) + "ok"));
  EXPECT_EQ(bench.served().datagrams, (std::vector<std::string>{"ok"}));
  EXPECT_TRUE(bench.served().capsules.empty());
  EXPECT_FALSE(exchange.is_ending());
}

TEST(ExchangeBase, AnOverlongDatagramCapsuleResetsTheStream) {  // RFC 9298 §5
  Bench bench;
  FakeExchange& exchange = bench.serve(test::extended_connect("connect-udp", "/"));
  exchange.use_capsules();
  exchange.respond({.status = 200}, false);
  std::array<std::uint8_t, 16> head;
  const std::size_t size = put_capsule_head(head, capsule_datagram, bench.limits.max_capsule + 1);
  exchange.received_body(Bytes(head).first(size));  // at once, not when all of it has come
  EXPECT_EQ(exchange.log.back(), reset_of(ResetCode::datagram_error));
  EXPECT_EQ(bench.set.counters.datagrams_dropped_size, 1u);
  exchange.received_body(as_bytes("more"));
  bench.clock.settle();
  EXPECT_TRUE(bench.served().datagrams.empty());
}

// Timeouts

TEST(ExchangeBase, TimesOutWhereThePeerOwes) {
  Bench bench;
  bench.limits.idle_timeout = 10s;
  FakeExchange& exchange = bench.ask();
  bench.clock.pass(9s);
  bench.answer(200);
  bench.clock.pass(9s);
  EXPECT_EQ(bench.handler.closed, 0);
  bench.clock.pass(12s);
  EXPECT_EQ(bench.handler.closed, 1);
  EXPECT_EQ(bench.handler.error->kind, ErrorKind::timeout);
  static_cast<void>(exchange);
}

TEST(ExchangeBase, WaitsForItsOwnHandlerAndForReadersThatHoldBack) {
  Bench bench;
  bench.limits.idle_timeout = 10s;
  bench.serve().received_end();
  bench.clock.pass(100s);
  EXPECT_EQ(bench.served().closed, 0);

  Bench other;
  other.limits.idle_timeout = 10s;
  FakeExchange& exchange = other.serve(test::post("/"));
  other.served().consumes = false;
  exchange.received_body(as_bytes("x"));
  other.clock.pass(100s);
  EXPECT_EQ(other.served().closed, 0);
  exchange.consume(1);
  other.clock.pass(30s);
  EXPECT_EQ(other.served().closed, 1);
}

TEST(ExchangeBase, TunnelsHaveTimeoutsOfTheirOwn) {
  Bench bench;
  FakeExchange& exchange = bench.serve(test::extended_connect("connect-udp", "/"));
  exchange.respond({.status = 200}, false);
  bench.clock.pass(3600s);
  EXPECT_EQ(bench.served().closed, 0);
}

TEST(ExchangeBase, ATunnelThatBothSidesEndedTimesOutWhenNobodyReadsTheRest) {
  for (const bool peer_first : {true, false}) {
    Bench bench;
    bench.limits.idle_timeout = 10s;
    FakeExchange& exchange = bench.serve(test::extended_connect("connect-udp", "/"));
    exchange.use_capsules();
    exchange.respond({.status = 200}, false);
    EXPECT_TRUE(exchange.send_datagram({}, as_bytes("never read")));
    if (peer_first) exchange.received_end();
    bench.clock.pass(100s);
    EXPECT_EQ(bench.served().closed, 0);
    exchange.finish({});
    exchange.stop_reading(ResetCode::no_error);
    bench.clock.pass(30s);
    EXPECT_EQ(bench.served().closed, 1);
  }
}

TEST(ExchangeBase, WhatStandsStillOfAnAnsweredRequestIsTold) {
  // Its body does, at first: it is not waited for. Then the response does, too.
  Bench bench;
  bench.limits.idle_timeout = 12s;
  bench.limits.answered_timeout = 10s;
  FakeExchange& exchange = bench.serve(test::post("/"));
  exchange.respond({.status = 200}, false);
  exchange.write(as_bytes("never read"));
  exchange.finish({});
  bench.clock.pass(10s);
  EXPECT_EQ(exchange.log.back(), "stop");
  EXPECT_EQ(bench.served().closed, 0);
  bench.clock.pass(2s);
  EXPECT_EQ(bench.served().closed, 1);
  EXPECT_EQ(bench.served().error->kind, ErrorKind::timeout);

  // Both at once: that is no request served.
  Bench both;
  both.limits.idle_timeout = 5s;
  both.limits.answered_timeout = 10s;
  FakeExchange& stalled = both.serve(test::post("/"));
  stalled.respond({.status = 200}, false);
  stalled.write(as_bytes("never read"));
  stalled.finish({});
  both.clock.pass(5s);
  EXPECT_EQ(both.served().closed, 1);
}

TEST(ExchangeSet, DestroyingItTellsEverybodyOnce) {
  RecordingExchange first, second;
  {
    Bench bench;
    bench.ask();
    auto more = std::make_unique<FakeExchange>(bench.set, bench, false);
    more->begin_request(test::get("/2"), second, true);
    bench.exchange->begin_request(test::get("/1"), first, true);
    more->reset(ResetCode::cancelled);
    bench.set.add(std::move(more));
  }
  EXPECT_EQ(first.closed, 1);
  EXPECT_EQ(second.closed, 1);
}

}  // namespace
}  // namespace sallyport::http
