#include "client/retry.h"

#include "client/pace.h"

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

Error status(unsigned code) {
  return {ErrorKind::http, "", code};
}

TEST(Retry, IsForWhatMayPass) {
  const RequestPlan get;
  for (const unsigned code : {408U, 429U, 500U, 502U, 503U, 504U})
    EXPECT_TRUE(is_transient(status(code), get)) << code;
  for (const unsigned code : {302U, 400U, 404U, 501U}) EXPECT_FALSE(is_transient(status(code), get)) << code;
  for (const ErrorKind kind : {ErrorKind::timeout, ErrorKind::closed, ErrorKind::refused,
                               ErrorKind::unreachable, ErrorKind::resolve})
    EXPECT_TRUE(is_transient({kind, ""}, get));
  for (const ErrorKind kind : {ErrorKind::file, ErrorKind::tls, ErrorKind::protocol, ErrorKind::usage})
    EXPECT_FALSE(is_transient({kind, ""}, get));
}

TEST(Retry, DoesNotAskTwiceForWhatMayHaveBeenDone) {
  RequestPlan post;
  post.method = "POST";
  post.content = Content::of_text("x");
  EXPECT_TRUE(is_transient(status(503), post));
  EXPECT_TRUE(is_transient({ErrorKind::refused, ""}, post));
  EXPECT_FALSE(is_transient(status(500), post));
  EXPECT_FALSE(is_transient({ErrorKind::timeout, ""}, post));
  EXPECT_FALSE(is_transient({ErrorKind::closed, ""}, post));
}

TEST(Retry, WaitsAsLongAsTheServerSays) {
  EXPECT_EQ(retry_after({{"retry-after", "7"}}, 0), 7s);
  EXPECT_EQ(retry_after({{"retry-after", "0"}}, 0), 0s);
  EXPECT_EQ(retry_after({{"retry-after", "99999999999"}}, 0), 600s);
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}, 784111777 - 5), 5s);
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"}}, 784111777 + 5), 0s);
  EXPECT_EQ(retry_after({{"retry-after", "soon"}}, 0), std::nullopt);
  EXPECT_EQ(retry_after({}, 0), std::nullopt);
}

TEST(Retry, WaitsLongerEachTime) {
  EXPECT_EQ(backoff(1), 1s);
  EXPECT_EQ(backoff(2), 2s);
  EXPECT_EQ(backoff(5), 16s);
  EXPECT_EQ(backoff(11), 600s);
  EXPECT_EQ(backoff(1000), 600s);
}

TEST(Pace, LetsSoMuchThroughASecond) {
  net::Timers timers{Time{} + 1h};
  int went_on = 0;
  Pace pace(timers, 1000, [&] { ++went_on; });
  EXPECT_FALSE(pace.holds_back());
  pace.moved(500);
  EXPECT_TRUE(pace.holds_back());
  pace.moved(500);
  EXPECT_TRUE(pace.holds_back());
  timers.advance(timers.now() + 999ms);
  EXPECT_TRUE(pace.holds_back());
  EXPECT_EQ(went_on, 0);
  timers.advance(timers.now() + 1ms);
  EXPECT_FALSE(pace.holds_back());
  EXPECT_EQ(went_on, 1);
}

TEST(Pace, WithoutARateHoldsNothingBack) {
  net::Timers timers{Time{} + 1h};
  Pace pace(timers, 0, [] {});
  pace.moved(1'000'000'000);
  EXPECT_FALSE(pace.holds_back());
}

}  // namespace
}  // namespace sallyport::client
