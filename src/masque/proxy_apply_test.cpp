// Proxy::apply(): what new options mean for requests from then on, and for tunnels that are there.
#include "masque/doubles_for_test.h"
#include "masque/proxy.h"
#include "masque/proxy_group.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using namespace std::string_literals;

constexpr Time start{1000s};
constexpr const char* alice = "token-of-alice-01";

std::shared_ptr<const TokenTable> table(std::string_view content) {
  return TokenTable::parse(content, "tokens").value();
}

class ProxyApplyTest : public testing::Test {
 protected:
  ExchangeForTest& ask(std::string_view host = "8.8.8.8", std::string_view token = {}) {
    http::Request request;
    request.method = "CONNECT";
    request.protocol = "connect-udp";
    request.authority = "proxy.example";
    request.path = "/.well-known/masque/udp/" + std::string(host) + "/443/";
    if (!token.empty()) request.fields.add("authorization", "Bearer " + std::string(token));
    return receive(std::move(request));
  }
  ExchangeForTest& ask_tcp(std::string_view authority = "8.8.8.8:443") {
    http::Request request;
    request.method = "CONNECT";
    request.authority = authority;
    return receive(std::move(request));
  }
  Proxy& proxy() {
    if (!proxy_) proxy_ = std::make_unique<Proxy>(timers, outbound, options);
    return *proxy_;
  }
  void apply() { proxy().apply(options); }
  void pass(Duration duration) {
    timers.advance(timers.now() + duration);
    timers.run_deferred();
  }
  static unsigned status(const ExchangeForTest& exchange) {
    return exchange.responses.empty() ? 0 : exchange.responses[0].status;
  }
  static bool open(const ExchangeForTest& exchange) {
    return status(exchange) == 200 && !exchange.finished && exchange.resets.empty();
  }
  static std::string proxy_status(const ExchangeForTest& exchange) {
    return std::string(exchange.responses.at(0).fields.find("proxy-status").value_or("-"));
  }

  net::Timers timers{start};
  OutboundForTest outbound{timers};
  ProxyOptions options;

 private:
  ExchangeForTest& receive(http::Request request) {
    ExchangeForTest& exchange = connection_.receive(std::move(request));
    proxy().on_request(exchange);
    return exchange;
  }

  ConnectionForTest connection_{timers};
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(ProxyApplyTest, AProtocolThatIsSwitchedOffRefusesNewTunnelsOnly) {
  ExchangeForTest& before = ask();
  options.protocols = {Protocol::tcp};
  apply();
  ExchangeForTest& after = ask();
  EXPECT_EQ(status(after), 501u);
  EXPECT_EQ(proxy_status(after),
            "sallyport; error=proxy_configuration_error; details=\"CONNECT-UDP is disabled\"");
  ExchangeForTest& tcp = ask_tcp();
  timers.run_deferred();
  EXPECT_EQ(status(tcp), 200u);
  EXPECT_TRUE(open(before));
  before.receive_datagram("\0abc"s);
  timers.run_deferred();
  EXPECT_EQ(outbound.opened_udp.at(0).second->runs.at(0).bytes, "abc");

  options.protocols = {Protocol::udp};
  apply();
  EXPECT_TRUE(open(ask()));
  EXPECT_EQ(status(ask_tcp()), 501u);
}

TEST_F(ProxyApplyTest, APolicyIsOfNewTunnels) {
  EXPECT_EQ(status(ask("10.0.0.1")), 403u);
  options.policy = TargetPolicy({*net::IpPrefix::parse("10.0.0.0/8")});
  apply();
  ExchangeForTest& inside = ask("10.0.0.1");
  EXPECT_TRUE(open(inside));
  options.policy = {};
  apply();
  EXPECT_EQ(status(ask("10.0.0.1")), 403u);
  EXPECT_TRUE(open(inside));
}

TEST_F(ProxyApplyTest, ANameThatIsBeingResolvedIsCheckedByTheNewPolicy) {
  outbound.names["inside.example"] = {"10.0.0.1"};
  options.policy = TargetPolicy({*net::IpPrefix::parse("10.0.0.0/8")});
  ExchangeForTest& exchange = ask("inside.example");
  options.policy = {};
  apply();
  timers.run_deferred();
  EXPECT_EQ(status(exchange), 403u);
  EXPECT_TRUE(outbound.opened_udp.empty());
}

TEST_F(ProxyApplyTest, LimitsCountWhatIsOpen) {
  ExchangeForTest& first = ask();
  ExchangeForTest& second = ask();
  options.limits.tunnels = 1;
  apply();
  EXPECT_EQ(status(ask()), 429u);
  EXPECT_TRUE(open(first) && open(second));
  ConnectionForTest::close_exchange(first);
  EXPECT_EQ(status(ask()), 429u);
  ConnectionForTest::close_exchange(second);
  EXPECT_TRUE(open(ask()));
  EXPECT_EQ(proxy().counters().refused_limit, 2u);
}

TEST_F(ProxyApplyTest, AnOpenTunnelKeepsItsIdleTimeout) {
  options.udp_idle = 200s;
  ExchangeForTest& before = ask();
  options.udp_idle = 100s;
  apply();
  ExchangeForTest& after = ask();
  pass(99s);
  EXPECT_TRUE(open(after));
  pass(1s);
  EXPECT_TRUE(after.finished);
  EXPECT_TRUE(open(before));
  before.receive_datagram("\0abc"s);
  pass(199s);
  EXPECT_TRUE(open(before));
  pass(1s);
  EXPECT_TRUE(before.finished);
}

TEST_F(ProxyApplyTest, TheTimeThatATargetMayTakeIsOfNewTunnels) {
  outbound.silent = true;
  options.connect_timeout = 10s;
  ExchangeForTest& before = ask("slow.example");
  options.connect_timeout = 2s;
  apply();
  ExchangeForTest& after = ask("slow.example");
  pass(2s);
  EXPECT_EQ(status(after), 504u);
  EXPECT_EQ(status(before), 0u);
  pass(8s);
  EXPECT_EQ(status(before), 504u);
}

TEST_F(ProxyApplyTest, TunnelsOfATokenThatIsGoneAreEnded) {
  options.tokens = table("alice token-of-alice-01\nbob token-of-bob-0001\n");
  ExchangeForTest& of_alice = ask("8.8.8.8", alice);
  ExchangeForTest& of_bob = ask("8.8.8.8", "token-of-bob-0001");
  options.tokens = table("alice token-of-alice-01\n");
  apply();
  EXPECT_TRUE(open(of_alice));
  EXPECT_EQ(of_bob.resets, std::vector{http::ResetCode::cancelled});
  EXPECT_EQ(status(ask("8.8.8.8", "token-of-bob-0001")), 401u);
  EXPECT_TRUE(open(ask("8.8.8.8", alice)));
}

TEST_F(ProxyApplyTest, AnOpenProxyMayAskForTokensAndLeaveOffAgain) {
  ExchangeForTest& of_nobody = ask();
  options.tokens = table("alice token-of-alice-01\n");
  apply();
  EXPECT_EQ(status(ask()), 401u);
  ExchangeForTest& of_alice = ask("8.8.8.8", alice);
  EXPECT_TRUE(open(of_nobody));
  options.tokens = nullptr;
  apply();
  EXPECT_TRUE(open(of_alice));
  EXPECT_TRUE(open(ask()));
  ConnectionForTest::close_exchange(of_alice);
  EXPECT_TRUE(proxy().counters().identities.empty());
}

TEST_F(ProxyApplyTest, TheGroupStaysWhateverTheOptionsSay) {
  options.group = std::make_shared<ProxyGroup>();
  const auto group = options.group;
  ask();
  options.group = std::make_shared<ProxyGroup>();
  apply();
  ask();
  EXPECT_EQ(group->tunnels, 2u);
  EXPECT_EQ(options.group->tunnels, 0u);
}

TEST_F(ProxyApplyTest, TheNameIsThatOfNewResponses) {
  options.name = "other.example";
  proxy();
  options.name = "proxy.example";
  apply();
  EXPECT_EQ(proxy_status(ask()), "proxy.example; next-hop=\"8.8.8.8:443\"");
}

TEST(QuicIdleTimeout, LeavesTheTunnelsThatAreSwitchedOnTheirTime) {
  ProxyOptions options{.udp_idle = 120s, .tcp_idle = 600s};
  EXPECT_EQ(quic_idle_timeout(options, 30s), 610s);
  options.protocols = {Protocol::udp};
  EXPECT_EQ(quic_idle_timeout(options, 30s), 130s);
  options.protocols = {};
  EXPECT_EQ(quic_idle_timeout(options, 30s), 30s);
}

}  // namespace
}  // namespace sallyport::masque
