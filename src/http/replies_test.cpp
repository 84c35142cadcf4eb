#include "http/replies.h"

#include "http/tcp_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::http::test {
namespace {

TEST(Replies, ASentenceIsPlainText) {
  Replies replies;
  RecordingExchange client;
  Pair pair(Pair::Speaks::h1);
  pair.requests.then = [&](Exchange& exchange, RecordingExchange&) {
    replies.sentence({exchange, {}}, 404, "there is nothing");
  };
  pair.client->request(get("/"), client, true);
  pair.clock.settle();
  ASSERT_TRUE(client.response);
  EXPECT_EQ(client.response->status, 404u);
  EXPECT_EQ(client.response->fields.find("content-type"), "text/plain; charset=utf-8");
  EXPECT_EQ(client.body, "there is nothing\n");
  EXPECT_TRUE(client.is_well());
}

}  // namespace
}  // namespace sallyport::http::test
