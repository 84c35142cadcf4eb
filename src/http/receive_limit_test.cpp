// Exchange::set_receive_limit(): how much a peer is let send that nobody consumes, in all versions.
#include "http/h3_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::post;
using test::RecordingExchange;
using test::RecordingServer;

constexpr std::size_t limit = 600'000;
constexpr std::size_t total = 32 * 1024 * 1024;

/// Writes `total` bytes as fast as they are taken.
void upload(Connection& client, RecordingExchange& handler) {
  const Chunk block = Chunk::copy_of(as_bytes(std::string(64 * 1024, 'x')));
  handler.then_writable = [block, written = std::size_t{0}](Exchange& exchange) mutable {
    while (written < total && exchange.queued_bytes() <= Exchange::high_water) {
      exchange.write(block);
      written += block.size();
    }
  };
  handler.then_writable(client.request(post("/"), handler, false));
}

/// What arrives more when all that did is consumed; `settle` lets everything arrive that may.
template <class Settle>
std::size_t next_burst(RecordingServer::Taken& taken, Settle settle) {
  taken.exchange->consume(std::exchange(taken.handler.unconsumed, 0));
  settle();
  return taken.handler.unconsumed;
}

class OverTcp : public testing::TestWithParam<test::Pair::Speaks> {
 protected:
  static constexpr std::size_t piece = 16 * 1024;
  bool is_h1() const { return GetParam() == test::Pair::Speaks::h1; }
  RecordingServer::Taken& taken() { return pair.requests.last(); }
  std::size_t next_burst() {
    return http::next_burst(taken(), [this] { pair.clock.settle(); });
  }

  RecordingExchange handler;  // outlives its exchange
  test::Pair pair{GetParam(), piece};
};

TEST_P(OverTcp, BoundsWhatIsNotConsumed) {
  pair.requests.then = [this](Exchange& exchange, RecordingExchange& its) {
    its.consumes = false;
    exchange.set_receive_limit(is_h1() ? 100'000 : limit);
  };
  upload(*pair.client, handler);
  pair.clock.settle();
  const std::size_t bound = is_h1() ? 100'000 : limit;
  EXPECT_LE(taken().handler.unconsumed, bound + piece);
  std::size_t burst = 0;
  for (int i = 0; i < 8; ++i) {
    burst = next_burst();
    EXPECT_LE(burst, bound + piece);
  }
  EXPECT_GT(burst, bound - piece) << "as much as it may";
}

TEST_P(OverTcp, CanBeSetWhileTheBodyArrives) {
  pair.requests.then = [](Exchange&, RecordingExchange& its) { its.consumes = false; };
  upload(*pair.client, handler);
  pair.clock.settle();
  for (int i = 0; i < 3; ++i) next_burst();
  EXPECT_GT(taken().handler.unconsumed, 200'000u);
  taken().exchange->set_receive_limit(50'000);
  taken().exchange->set_receive_limit(5'000'000);  // it is only lowered
  std::size_t burst = 0;
  for (int i = 0; i < 30; ++i) burst = next_burst();
  EXPECT_LE(burst, 50'000 + piece);
  EXPECT_GT(burst, 0u);
}

TEST_P(OverTcp, CountsWhatWasConsumedAloneAfterItWasLowered) {
  pair.requests.then = [](Exchange&, RecordingExchange& its) { its.consumes = false; };
  upload(*pair.client, handler);
  pair.clock.settle();
  for (int i = 0; i < 3; ++i) next_burst();
  taken().exchange->set_receive_limit(50'000);
  next_burst();
  const std::size_t before = taken().handler.unconsumed;
  taken().exchange->consume(1);
  pair.clock.settle();
  EXPECT_LE(taken().handler.unconsumed, before + 1);
}

// Whatever part of one came when the window was used up, and whether they are consumed at once or later.
TEST_P(OverTcp, ACapsuleAlwaysHasRoom) {
  constexpr std::size_t count = 20;
  for (const bool at_once : {true, false})
    for (std::size_t size = Limits().max_capsule; size > 30'000; size -= 1250) {
      RecordingExchange its_client;
      test::Pair joined(GetParam(), piece);
      joined.requests.then = [at_once](Exchange& exchange, RecordingExchange& its) {
        exchange.set_receive_limit(1000);
        exchange.use_capsules();
        exchange.respond({.status = 200});
        its.consumes = at_once;
      };
      Exchange& exchange =
          joined.client->request(test::extended_connect("connect-udp", "/"), its_client, false);
      exchange.use_capsules();
      joined.clock.settle();
      for (std::size_t i = 0; i < count; ++i) exchange.send_capsule(0x1234, as_bytes(std::string(size, 'c')));
      joined.clock.settle();
      RecordingServer::Taken& its = joined.requests.last();
      for (std::size_t i = 0; i < count && !at_once; ++i)
        http::next_burst(its, [&joined] { joined.clock.settle(); });
      EXPECT_EQ(its.handler.capsules.size(), count) << size;
    }
}

INSTANTIATE_TEST_SUITE_P(ReceiveLimit, OverTcp,
                         testing::Values(test::Pair::Speaks::h1, test::Pair::Speaks::h2));

TEST(ReceiveLimit, WithoutItTheWindowOfHttp2Grows) {
  RecordingExchange handler;
  test::Pair pair(test::Pair::Speaks::h2);
  pair.requests.then = [](Exchange&, RecordingExchange& its) { its.consumes = false; };
  upload(*pair.client, handler);
  pair.clock.settle();
  std::size_t burst = 0;
  for (int i = 0; i < 3; ++i) burst = next_burst(pair.requests.last(), [&pair] { pair.clock.settle(); });
  EXPECT_GT(burst, 2 * limit);
}

struct OverQuic : testing::Test {
  std::size_t next_burst() {
    return http::next_burst(pair.requests.last(), [this] { pair.run_for(2s); });
  }
  /// The server consumes at once, so that the window grows, until the first quarter has come: then no more.
  void serve(std::size_t bound) {
    pair.requests.then = [bound](Exchange& exchange, RecordingExchange& its) {
      its.then_body = [&its](Exchange&) { its.consumes = its.body.size() < total / 4; };
      if (bound > 0) exchange.set_receive_limit(bound);
    };
    ASSERT_TRUE(pair.establish());
    upload(*pair.client, pair.handler());
    pair.run_for(10s);
    ASSERT_FALSE(pair.requests.last().handler.consumes);
  }
  test::H3Pair pair;
};

TEST_F(OverQuic, BoundsWhatIsNotConsumed) {
  serve(limit);
  EXPECT_LE(pair.requests.last().handler.unconsumed, limit);
  std::size_t burst = 0;
  for (int i = 0; i < 8; ++i) {
    burst = next_burst();
    EXPECT_LE(burst, limit);
    EXPECT_GT(burst, limit - limit / 4 - 1000) << "as much as it may, but for credit that waits, and frames";
  }
}

TEST_F(OverQuic, CanBeSetWhileTheBodyArrives) {
  serve(0);
  EXPECT_GT(pair.requests.last().handler.unconsumed, 2 * limit);
  std::size_t burst = 0;
  pair.requests.last().exchange->set_receive_limit(1);
  for (int i = 0; i < 20; ++i) burst = next_burst();
  EXPECT_LE(burst, pair.server_options.config.initial_stream_window) << "the least there is";
  EXPECT_GT(burst, 0u);
}

TEST_F(OverQuic, CanBeSetOnARequestThatHasNotLeft) {
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200});
    exchange.write(Chunk::allocate(8 * 1024 * 1024));
  };
  pair.serve();
  pair.connect();
  RecordingExchange& handler = pair.handler();
  handler.consumes = false;
  Exchange& exchange = pair.client->request(test::get("/"), handler, true);
  exchange.set_receive_limit(limit);
  for (int i = 0; i < 8; ++i) {
    pair.run_for(2s);
    EXPECT_LE(handler.unconsumed, limit);
    EXPECT_GT(handler.unconsumed, 0u);
    exchange.consume(std::exchange(handler.unconsumed, 0));
  }
}

}  // namespace
}  // namespace sallyport::http
