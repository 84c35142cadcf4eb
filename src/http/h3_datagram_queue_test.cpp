// Tunnels of one HTTP/3 connection that send datagrams faster than they leave.
#include "http/h3_for_test.h"

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::connect_udp;
using test::H3Pair;
using test::RecordingExchange;

const std::string context_zero(1, '\0');

void serve_tunnels(H3Pair& pair) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.use_capsules();
    exchange.respond({.status = 200, .fields = {{"capsule-protocol", "?1"}}});
  };
}

/// Sends as many datagrams as the queue takes, whenever it takes some.
struct Filler final : ExchangeHandler {
  void on_body(Exchange&, Bytes) override {}
  void on_end(Exchange&) override {}
  void on_closed(Exchange&, const Error*) override {}
  void on_datagrams_writable(Exchange& exchange) override {
    const std::string payload(1000, 'x');
    while (exchange.send_datagram(as_bytes(context_zero), as_bytes(payload))) ++sent;
  }
  std::size_t sent = 0;
};

/// Each time that there is room, whoever is told first takes all of it.
TEST(H3DatagramQueue, AFullDatagramQueueIsFilledInTurn) {
  std::array<Filler, 3> fillers;
  H3Pair pair;
  serve_tunnels(pair);
  pair.client_options.config.datagram_queue.bytes = 40'000;
  ASSERT_TRUE(pair.establish());
  for (Filler& filler : fillers) {
    Exchange& exchange = pair.client->request(connect_udp(), filler, false);
    exchange.use_capsules();
    pair.run_for(100ms);
    filler.on_datagrams_writable(exchange);
  }
  for (Filler& filler : fillers) filler.sent = 0;
  const auto all_sent = [&] { return fillers[0].sent + fillers[1].sent + fillers[2].sent; };
  ASSERT_TRUE(pair.run_until([&] { return all_sent() > 3000; }));
  const std::size_t all = all_sent();
  for (const Filler& filler : fillers) {
    EXPECT_GT(filler.sent, all / 4);
    EXPECT_LT(filler.sent, all / 2);
  }
}

TEST(H3DatagramQueue, DatagramsThatWaitForTooLongAreDroppedAndCounted) {
  H3Pair pair;
  serve_tunnels(pair);
  pair.client_options.config.datagram_queue.sojourn_limit = 30ms;  // a round trip and a half
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  Exchange& exchange = pair.client->request(connect_udp(), handler, false);
  exchange.use_capsules();
  exchange.set_when_full(WhenFull::drop);
  ASSERT_TRUE(pair.run_until([&] { return handler.response.has_value(); }));
  const std::string payload(1000, 'x');
  for (int i = 0; i < 400; ++i)
    ASSERT_TRUE(exchange.send_datagram(as_bytes(context_zero), as_bytes(payload)));
  pair.run_for(5s);
  EXPECT_GT(handler.dropped_sojourn, 0u);
  EXPECT_EQ(handler.dropped_full, 0u);
  EXPECT_EQ(pair.requests.last().handler.datagrams.size() + handler.dropped_sojourn, 400u);
  EXPECT_EQ(pair.client->counters().datagrams_dropped_sojourn, handler.dropped_sojourn);
  EXPECT_EQ(pair.client->quic()->stats().datagrams_dropped_sojourn, handler.dropped_sojourn);
}

}  // namespace
}  // namespace sallyport::http
