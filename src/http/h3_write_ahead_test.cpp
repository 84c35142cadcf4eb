// Exchange::write_ahead() of HTTP/3.
#include "http/h3_for_test.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using namespace test;

TEST(H3WriteAhead, FollowsTheCongestionWindow) {
  H3Pair pair;
  std::size_t left = 8 * 1024 * 1024, least = Exchange::high_water, most = 0;
  const auto pump = [&](Exchange& exchange) {
    const std::size_t ahead = exchange.write_ahead();
    least = std::min(least, ahead);
    most = std::max(most, ahead);
    for (std::size_t room = exchange.room(); left > 0 && room > 0; room = exchange.room()) {
      const std::size_t step = std::min(left, room);
      exchange.write(Chunk::allocate(step));
      left -= step;
      EXPECT_LE(exchange.queued_bytes(), ahead + step);
    }
    if (left == 0) exchange.finish();
  };
  pair.requests.then = [&](Exchange& exchange, RecordingExchange& handler) {
    handler.then_writable = pump;
    exchange.respond({.status = 200});
    pump(exchange);
  };
  ASSERT_TRUE(pair.establish());
  RecordingExchange& handler = pair.handler();
  pair.client->request(get("/"), handler, true);
  ASSERT_TRUE(pair.run_until([&] { return handler.closed > 0; }));
  EXPECT_TRUE(handler.is_well());
  EXPECT_EQ(handler.body.size(), 8u * 1024 * 1024);
  EXPECT_EQ(least, Chunk::pooled_size) << "twice an initial window is less";
  EXPECT_EQ(most, Exchange::high_water);
}

}  // namespace
}  // namespace sallyport::http
