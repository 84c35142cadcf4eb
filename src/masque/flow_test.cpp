// Flow on its own: a tunnel that has no target to look for, as CONNECT-IP's.
#include "masque/flow.h"

#include "masque/doubles_for_test.h"

#include <memory>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

struct ContextForTest final : FlowContext {
  using FlowContext::FlowContext;
  void on_flow_gone(Flow&) override { flow.reset(); }

  std::unique_ptr<Flow> flow;
};

/// Says yes or no at once.
class PlainFlow final : public Flow {
 public:
  PlainFlow(FlowContext& context, http::Exchange& exchange, TunnelAccount account)
      : Flow(context, exchange, std::move(account), 300s) {}

  void accept() { accept_tunnel({{"capsule-protocol", "?1"}}); }
  void refuse() {
    refuse_tunnel({.what = RefusedFor::limit, .answer = {503, "proxy_internal_error", "no address is left"}});
  }
  void on_body(http::Exchange&, Bytes) override { touch(); }
  void on_end(http::Exchange&) override {}

  int stopped = 0, refused = 0;
  std::optional<Error> ended;

 private:
  void stop_opening() override { ++stopped; }
  void on_refused() override { ++refused; }
  void end_tunnel(const Error& why) override { ended = why; }
};

class FlowTest : public testing::Test {
 protected:
  FlowTest() {
    auto account = context.admission.admit(exchange, {}, Protocol::ip);
    auto made = std::make_unique<PlainFlow>(context, exchange, std::move(account).value());
    flow = made.get();
    context.flow = std::move(made);
  }

  net::Timers timers{Time{1000s}};
  OutboundForTest outbound{timers};
  ConnectionForTest connection{timers};
  ExchangeForTest& exchange = connection.receive({});
  ContextForTest context{timers, outbound, ProxyOptions{.name = "proxy.example"}};
  PlainFlow* flow = nullptr;
};

TEST_F(FlowTest, CountsFromTheRequestToTheEndOfTheExchange) {
  EXPECT_EQ(context.counters.open[Protocol::ip], 1u);
  EXPECT_EQ(context.counters.tunnels[Protocol::ip], 0u);
  flow->accept();
  EXPECT_EQ(exchange.responses.at(0).status, 200u);
  EXPECT_EQ(exchange.responses[0].fields.find("capsule-protocol"), "?1");
  EXPECT_EQ(context.counters.tunnels[Protocol::ip], 1u);
  ConnectionForTest::close_exchange(exchange);
  EXPECT_EQ(context.flow, nullptr);
  EXPECT_EQ(context.counters.open[Protocol::ip], 0u);
  EXPECT_EQ(context.group->tunnels, 0u);
}

TEST_F(FlowTest, EndsWhenNothingPasses) {
  timers.advance(Time{2000s});
  EXPECT_FALSE(flow->ended) << "it is not open yet";
  flow->accept();
  timers.advance(Time{2299s});
  exchange.receive_body("x");
  timers.advance(Time{2598s});
  EXPECT_FALSE(flow->ended);
  timers.advance(Time{2599s});
  ASSERT_TRUE(flow->ended);
  EXPECT_EQ(flow->ended->kind, ErrorKind::timeout);
}

TEST_F(FlowTest, IsRefusedInTheProxysName) {
  flow->refuse();
  EXPECT_EQ(exchange.responses.at(0).status, 503u);
  EXPECT_EQ(exchange.responses[0].fields.find("proxy-status"),
            "proxy.example; error=proxy_internal_error; details=\"no address is left\"");
  EXPECT_EQ(context.counters.refused_limit, 1u);
  EXPECT_EQ(flow->refused, 1);
  flow->revoke();
  EXPECT_EQ(exchange.responses.size(), 1u) << "it has its answer";
  EXPECT_FALSE(flow->ended);
}

TEST_F(FlowTest, RevokedWhileItOpensItIsRefused) {
  flow->revoke();
  EXPECT_EQ(exchange.responses.at(0).status, 403u);
  EXPECT_EQ(flow->stopped, 1);
  EXPECT_EQ(flow->refused, 1);
  EXPECT_FALSE(flow->ended);
}

TEST_F(FlowTest, RevokedWhileItIsOpenItEnds) {
  flow->accept();
  flow->revoke();
  ASSERT_TRUE(flow->ended);
  EXPECT_EQ(flow->ended->kind, ErrorKind::denied);
  EXPECT_EQ(exchange.responses.size(), 1u);
}

}  // namespace
}  // namespace sallyport::masque
