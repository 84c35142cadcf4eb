#include "http/h3_for_test.h"

#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

/// SETTINGS_MAX_FIELD_SECTION_SIZE (RFC 9114 §4.2.2).
TEST(H3SectionLimit, SectionsThatThePeerDoesNotTakeAreNotSent) {
  const Fields large{{"x-large", std::string(3000, 'x')}};
  H3Pair pair;
  pair.client_limits.max_section_size = pair.server_limits.max_section_size = 2000;
  pair.requests.then = [&](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200, .fields = exchange.request().path == "/head" ? large : Fields{}});
    exchange.write(as_bytes("body"));
    exchange.finish(exchange.request().path == "/trailers" ? large : Fields{});
  };
  ASSERT_TRUE(pair.establish());
  const auto expect_refused = [](const RecordingExchange& handler) {
    EXPECT_EQ(handler.closed, 1);
    ASSERT_TRUE(handler.error);
    EXPECT_EQ(handler.error->kind, ErrorKind::too_large);
  };
  for (const char* path : {"/head", "/trailers"}) {
    RecordingExchange& handler = pair.handler();
    pair.client->request(get(path), handler, true);
    pair.run_for(1s);
    expect_refused(pair.requests.last().handler);
    EXPECT_EQ(handler.closed, 1);
    ASSERT_TRUE(handler.error) << path;
    EXPECT_EQ(handler.error->kind, ErrorKind::closed);
    EXPECT_FALSE(handler.trailers);
  }
  Request request = get("/request");
  request.fields = large;
  RecordingExchange& refused = pair.handler();
  pair.client->request(std::move(request), refused, true);
  pair.run_for(1s);
  expect_refused(refused);
  Exchange& exchange = pair.client->request(post("/"), pair.handler(), false);
  exchange.finish(large);
  pair.run_for(1s);
  expect_refused(pair.handlers.back());
  RecordingExchange& fits = pair.handler();
  pair.client->request(get("/"), fits, true);
  pair.run_for(1s);
  EXPECT_TRUE(fits.is_well()) << "the connection lives on";
}

}  // namespace
}  // namespace sallyport::http::test
