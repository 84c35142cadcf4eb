// TunnelAdmission as a tunnel of any protocol uses it: nothing here has a target.
#include "masque/tunnel_admission.h"

#include "masque/doubles_for_test.h"

#include <deque>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

constexpr Time start{1000s};
constexpr const char* alice = "token-of-alice-01";

std::shared_ptr<const TokenTable> table(std::string_view content) {
  return TokenTable::parse(content, "tokens").value();
}

Identity named(std::string_view name) {
  return {.name = std::string(name)};
}

class TunnelAdmissionTest : public testing::Test {
 protected:
  TunnelAdmission& admission() {
    if (!admission_) admission_.emplace(counters_, group, limits, tokens);
    return *admission_;
  }
  ExchangeForTest& exchange_from(std::string_view client, std::string_view token = {}) {
    http::Request request;
    if (!token.empty()) request.fields.add("authorization", "Bearer " + std::string(token));
    return connections_.emplace_back(timers, client).receive(std::move(request));
  }
  std::expected<TunnelAccount, TunnelRefusal> admit(std::string_view client, const Identity& identity = {},
                                                    Protocol protocol = Protocol::ip) {
    return admission().admit(exchange_from(client), identity, protocol);
  }
  ProxyCounters counters() {
    ProxyCounters counters = counters_;
    admission().add_to(counters);
    return counters;
  }

  net::Timers timers{start};
  std::shared_ptr<ProxyGroup> group = std::make_shared<ProxyGroup>();
  ClientLimits limits;
  std::shared_ptr<const TokenTable> tokens;

 private:
  std::deque<ConnectionForTest> connections_;
  ProxyCounters counters_;
  std::optional<TunnelAdmission> admission_;
};

TEST_F(TunnelAdmissionTest, EachProtocolAsksForTheTokenInItsWay) {
  tokens = table("alice token-of-alice-01\n");
  const auto answer = [this](Protocol protocol) {
    const auto identity = admission().identify(exchange_from("9.9.9.9:1"), protocol, start);
    return identity ? TunnelRefusal{} : identity.error();
  };
  for (const Protocol protocol : {Protocol::udp, Protocol::ip}) {
    EXPECT_EQ(answer(protocol).answer.status, 401u);
    EXPECT_TRUE(answer(protocol).fields.contains("www-authenticate"));
  }
  EXPECT_EQ(answer(Protocol::tcp).answer.status, 407u);
  EXPECT_TRUE(answer(Protocol::tcp).fields.contains("proxy-authenticate"));
  EXPECT_EQ(answer(Protocol::tcp).what, RefusedFor::uncounted) << "the authenticator counts it";
  EXPECT_EQ(counters().authentication.no_token, 7u);
}

TEST_F(TunnelAdmissionTest, TheExchangeIsToldWhomItIsFrom) {
  tokens = table("alice token-of-alice-01\n");
  ExchangeForTest& exchange = exchange_from("9.9.9.9:1", alice);
  const auto identity = admission().identify(exchange, Protocol::ip, start);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->name, "alice");
  EXPECT_EQ(exchange.identity, "alice");
}

TEST_F(TunnelAdmissionTest, EarlyDataOpensNothing) {
  http::Request request;
  request.early_data = true;
  ConnectionForTest connection(timers);
  const auto identity = admission().identify(connection.receive(request), Protocol::ip, start);
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().answer.status, 425u);
}

TEST_F(TunnelAdmissionTest, AnAccountCountsForAsLongAsItLives) {
  {
    auto account = admit("9.9.9.9:1");
    ASSERT_TRUE(account);
    EXPECT_EQ(group->tunnels, 1u);
    EXPECT_EQ(counters().open[Protocol::ip], 1u);
    EXPECT_EQ(counters().open[Protocol::udp], 0u);
    const TunnelAccount moved = *std::move(account);
    EXPECT_EQ(moved.protocol(), Protocol::ip);
    EXPECT_EQ(moved.client().account->tunnels, 1u);
    EXPECT_EQ(group->tunnels, 1u);
  }
  EXPECT_EQ(group->tunnels, 0u);
  EXPECT_EQ(counters().open[Protocol::ip], 0u);
  EXPECT_EQ(group->account_of(ClientKey(*net::IpAddress::parse("9.9.9.9")))->tunnels, 0u);
}

TEST_F(TunnelAdmissionTest, AcceptedTunnelsAreCountedByProtocolAndIdentity) {
  tokens = table("alice token-of-alice-01\n");
  auto first = admit("9.9.9.9:1", named("alice"));
  auto second = admit("9.9.9.9:1", named("alice"), Protocol::tcp);
  ASSERT_TRUE(first && second);
  first->count_accepted();
  EXPECT_EQ(counters().tunnels[Protocol::ip], 1u);
  EXPECT_EQ(counters().tunnels[Protocol::tcp], 0u);
  EXPECT_EQ(counters().identities.at("alice").tunnels, 1u);
  EXPECT_EQ(counters().identities.at("alice").open, 2u);
}

TEST_F(TunnelAdmissionTest, FiguresOfAClientStayWhenItsLastTunnelEnds) {
  {
    const auto account = admit("9.9.9.9:1");
    ASSERT_TRUE(account);
    account->client().bytes_up = 5;
    account->client().downlink.datagrams = 2;
    EXPECT_EQ(counters().bytes_up, 5u);
  }
  EXPECT_EQ(counters().bytes_up, 5u);
  EXPECT_EQ(counters().datagrams_down, 2u);
}

TEST_F(TunnelAdmissionTest, LimitsAreOfAllProtocolsOfAClientTogether) {
  limits.tunnels = 2;
  const auto first = admit("9.9.9.9:1", {}, Protocol::udp);
  auto second = std::optional(admit("9.9.9.9:2", {}, Protocol::tcp));
  const auto third = admit("9.9.9.9:3", {}, Protocol::ip);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().what, RefusedFor::limit);
  EXPECT_EQ(third.error().answer.status, 429u);
  EXPECT_EQ(third.error().answer.details, "tunnel limit of this client reached");
  EXPECT_EQ(group->tunnels, 2u) << "what is refused does not count";
  EXPECT_TRUE(admit("9.9.9.8:1"));
  second.reset();
  EXPECT_TRUE(admit("9.9.9.9:3"));
}

TEST_F(TunnelAdmissionTest, LimitsAreOfTheIdentityOrOfTheAddress) {
  limits.tunnels = 1;
  const auto first = admit("9.9.9.9:1", named("alice"));
  EXPECT_FALSE(admit("9.9.9.8:1", named("alice")));
  EXPECT_TRUE(admit("9.9.9.9:1", named("bob")));
  const auto nobody = admit("[2001:db8:1:2::1]:1");
  ASSERT_TRUE(first && nobody);
  EXPECT_FALSE(admit("[2001:db8:1:2::2]:1"));
  EXPECT_TRUE(admit("[2001:db8:1:3::1]:1"));
}

TEST_F(TunnelAdmissionTest, LimitsOfAllAndNewLimits) {
  limits.tunnels_all = 1;
  const auto first = admit("9.9.9.9:1");
  const auto second = admit("9.9.9.8:1");
  ASSERT_TRUE(first);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().answer.details, "tunnel limit of the proxy reached");
  admission().set_limits({.tunnels = 1, .tunnels_all = 10});
  EXPECT_TRUE(admit("9.9.9.8:1"));
  EXPECT_FALSE(admit("9.9.9.9:1"));
}

TEST_F(TunnelAdmissionTest, WhatComesOutOfATunnelIsALoop) {
  const auto address = [](std::string_view text) { return net::SocketAddress::parse(text).value(); };
  const TunnelExit exit(*group, Protocol::udp, {address("7.7.7.7:40000"), address("7.7.7.7:443")});
  const auto account = admit("7.7.7.7:40000");
  ASSERT_FALSE(account);
  EXPECT_EQ(account.error().what, RefusedFor::loop);
  EXPECT_EQ(account.error().answer.status, 508u);
  EXPECT_TRUE(admit("7.7.7.7:40001"));
}

TEST_F(TunnelAdmissionTest, WhoMayStayWhenTheTokensChange) {
  tokens = table("alice token-of-alice-01\nbob token-of-bob-0001\n");
  const auto identify = [this](std::string_view token) {
    return admission().identify(exchange_from("9.9.9.9:1", token), Protocol::ip, start).value();
  };
  const Identity of_alice = identify(alice), of_bob = identify("token-of-bob-0001");
  EXPECT_TRUE(admission().may_stay(of_alice));
  admission().set_tokens(table("alice another-token-of-alice\nrobert token-of-bob-0001\n"));
  EXPECT_FALSE(admission().may_stay(of_alice)) << "its token is gone";
  EXPECT_FALSE(admission().may_stay(of_bob)) << "its token is another one's";
  EXPECT_TRUE(admission().may_stay(Identity{})) << "it was opened when nobody was asked";
  admission().set_tokens(nullptr);
  EXPECT_TRUE(admission().may_stay(of_alice)) << "nobody is asked";
}

TEST_F(TunnelAdmissionTest, FiguresOfAnIdentityGoWithItsNameAndItsTunnels) {
  tokens = table("alice token-of-alice-01\n");
  {
    const auto account = admit("9.9.9.9:1", named("alice"));
    ASSERT_TRUE(account);
    account->client().bytes_up = 5;
    admission().set_tokens(nullptr);
    EXPECT_EQ(counters().identities.at("alice").open, 1u);
  }
  EXPECT_TRUE(counters().identities.empty());
  EXPECT_EQ(counters().bytes_up, 5u);
}

}  // namespace
}  // namespace sallyport::masque
