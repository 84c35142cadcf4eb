#include "http/clear_text_refusal.h"

#include "http/tcp_for_test.h"

#include <memory>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using test::Clock;
using test::RawEnd;

struct ClearTextRefusalTest : testing::Test {
  ClearTextRefusalTest() {
    auto [near, far] = net::make_memory_streams(clock.timers);
    client = std::make_unique<RawEnd>(std::move(near));
    refusal = std::make_unique<ClearTextRefusal>(clock.timers, std::move(far), [this] { ++done; });
    clock.settle();
  }
  Clock clock;
  int done = 0;
  std::unique_ptr<RawEnd> client;
  std::unique_ptr<ClearTextRefusal> refusal;
};

TEST_F(ClearTextRefusalTest, SaysWhatToDoInstead) {
  EXPECT_TRUE(client->received.starts_with("HTTP/1.1 400 Bad Request\r\n")) << client->received;
  EXPECT_NE(client->received.find("\r\nconnection: close\r\n"), std::string::npos);
  EXPECT_TRUE(
      client->received.ends_with("\r\ncontent-length: 61\r\nconnection: close\r\n\r\n"
                                 "this port speaks HTTPS only; use https:// instead of http://\n"))
      << client->received;
  EXPECT_TRUE(client->ended);
}

TEST_F(ClearTextRefusalTest, EndsWithTheClientOrInTime) {
  clock.pass(1s);
  EXPECT_EQ(done, 0);
  client->say("the rest of a long request");
  clock.settle();
  EXPECT_EQ(done, 0);
  client->stream->finish();
  clock.settle();
  EXPECT_EQ(done, 1);
  clock.pass(5s);
  EXPECT_EQ(done, 1);
}

TEST_F(ClearTextRefusalTest, AClientThatStaysHasItsTime) {
  clock.pass(3s);
  EXPECT_EQ(done, 1);
  EXPECT_FALSE(client->error);
}

TEST_F(ClearTextRefusalTest, AClientThatIsGoneEndsIt) {
  client->stream->close();
  clock.settle();
  EXPECT_EQ(done, 1);
  refusal.reset();
  clock.pass(5s);
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace sallyport::http
