#include "masque/tunnel_refusal.h"

#include "masque/doubles_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

class TunnelRefusalTest : public testing::Test {
 protected:
  const ExchangeForTest& refuse_with(const TunnelRefusal& refusal) {
    ExchangeForTest& exchange = connection.receive({});
    refuse(exchange, "proxy.example", refusal, counters);
    return exchange;
  }

  net::Timers timers{Time{1000s}};
  ConnectionForTest connection{timers};
  RefusalCounters counters;
};

TEST_F(TunnelRefusalTest, IsAWholeResponseAndNothingMoreIsRead) {
  TunnelRefusal refusal{.what = RefusedFor::limit, .answer = {429, "http_request_error", "too many"}};
  refusal.fields.add("retry-after", "2");
  const ExchangeForTest& exchange = refuse_with(refusal);
  ASSERT_EQ(exchange.responses.size(), 1u);
  EXPECT_EQ(exchange.responses[0].status, 429u);
  EXPECT_EQ(exchange.responses[0].fields.find("proxy-status"),
            "proxy.example; error=http_request_error; details=\"too many\"");
  EXPECT_EQ(exchange.responses[0].fields.find("retry-after"), "2");
  EXPECT_TRUE(exchange.finished);
  EXPECT_TRUE(exchange.stopped);
}

TEST_F(TunnelRefusalTest, IsCountedAsWhatItIs) {
  const auto refuse_for = [this](RefusedFor what, int times) {
    for (int i = 0; i < times; ++i) refuse_with({.what = what, .answer = {}});
  };
  refuse_for(RefusedFor::uncounted, 10);
  refuse_for(RefusedFor::policy, 1);
  refuse_for(RefusedFor::limit, 2);
  refuse_for(RefusedFor::malformed, 3);
  refuse_for(RefusedFor::loop, 4);
  refuse_for(RefusedFor::failure, 5);
  EXPECT_EQ(counters.refused_policy, 1u);
  EXPECT_EQ(counters.refused_limit, 2u);
  EXPECT_EQ(counters.refused_malformed, 3u);
  EXPECT_EQ(counters.refused_loop, 4u);
  EXPECT_EQ(counters.failed, 5u);
}

TEST_F(TunnelRefusalTest, ATargetIsForbiddenOrNotReached) {
  EXPECT_EQ(target_refusal({403, "destination_ip_prohibited", "inside"}).what, RefusedFor::policy);
  EXPECT_EQ(target_refusal({502, "dns_error", "no such name"}).what, RefusedFor::failure);
  EXPECT_EQ(target_refusal({504, "dns_timeout", "slow"}).answer.details, "slow");
}

}  // namespace
}  // namespace sallyport::masque
