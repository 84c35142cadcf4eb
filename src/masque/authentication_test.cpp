// Proxy with tokens: who gets a tunnel, what the others are told, and what happens when the tokens change.
#include "masque/doubles_for_test.h"
#include "masque/proxy.h"
#include "masque/proxy_group.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

constexpr Time start{1000s};
constexpr const char* alice = "token-of-alice-01";
constexpr const char* bob = "token-of-bob-0001";

std::shared_ptr<const TokenTable> table(std::string_view content) {
  return TokenTable::parse(content, "tokens").value();
}

http::Request request_for(Protocol protocol, const http::Fields& fields, std::string_view host = "8.8.8.8",
                          int port = 443) {
  http::Request request;
  request.method = "CONNECT";
  request.authority = std::string(host) + ":" + std::to_string(port);
  if (protocol == Protocol::udp) {
    request.protocol = "connect-udp";
    request.authority = "proxy.example";
    request.path = "/.well-known/masque/udp/" + std::string(host) + "/" + std::to_string(port) + "/";
  }
  request.fields = fields;
  return request;
}

http::Fields with(std::string_view token, std::string_view field = "authorization") {
  return http::Fields{{field, "Bearer " + std::string(token)}};
}

class AuthenticationTest : public testing::TestWithParam<Protocol> {
 protected:
  AuthenticationTest() {
    options.tokens = table("alice token-of-alice-01\nbob token-of-bob-0001\n");
    outbound.names["a.example"] = {"8.8.8.8"};
  }
  static bool udp() { return GetParam() == Protocol::udp; }
  static unsigned unauthorized() { return udp() ? 401 : 407; }
  static const char* challenge_field() { return udp() ? "www-authenticate" : "proxy-authenticate"; }

  Proxy& proxy() {
    if (!proxy_) proxy_ = std::make_unique<Proxy>(timers, outbound, options);
    return *proxy_;
  }
  ConnectionForTest& connect_from(std::string_view client) { return others_.emplace_back(timers, client); }
  ExchangeForTest& ask(ConnectionForTest& over, const http::Request& request) {
    ExchangeForTest& exchange = over.receive(request);
    proxy().on_request(exchange);
    timers.run_deferred();
    if (outbound.tcp_peer) peers_.push_back(std::move(outbound.tcp_peer));
    return exchange;
  }
  ExchangeForTest& ask(const http::Fields& fields, std::string_view host = "8.8.8.8") {
    return ask(connect_from("9.9.9.9:1000"), request_for(GetParam(), fields, host));
  }
  static unsigned status(const ExchangeForTest& exchange) {
    return exchange.responses.empty() ? 0 : exchange.responses[0].status;
  }
  static std::string field(const ExchangeForTest& exchange, const char* name) {
    return std::string(exchange.responses.at(0).fields.find(name).value_or("-"));
  }
  bool untouched() const {
    return outbound.askers.empty() && outbound.opened_udp.empty() && outbound.tcp_targets.empty();
  }

  net::Timers timers{start};
  OutboundForTest outbound{timers};
  ProxyOptions options;

 private:
  std::deque<ConnectionForTest> others_;
  std::vector<std::unique_ptr<net::ByteStream>> peers_;  // the targets', which stay
  std::unique_ptr<Proxy> proxy_;
};

TEST_P(AuthenticationTest, WithoutATokenNothingIsResolvedOrOpened) {
  for (const auto& fields : {http::Fields{}, http::Fields{{"authorization", "Basic YTpi"}}}) {
    ExchangeForTest& exchange = ask(fields, "a.example");
    EXPECT_EQ(status(exchange), unauthorized());
    EXPECT_TRUE(exchange.finished && exchange.stopped);
    EXPECT_EQ(field(exchange, challenge_field()), "Bearer realm=\"sallyport\"") << "no error: none was shown";
    EXPECT_EQ(field(exchange, udp() ? "proxy-authenticate" : "www-authenticate"), "-");
    EXPECT_EQ(field(exchange, "proxy-status"),
              "sallyport; error=http_request_denied; details=\"a bearer token is required\"");
  }
  EXPECT_TRUE(untouched());
  EXPECT_EQ(proxy().counters().authentication.no_token, 2u);
}

TEST_P(AuthenticationTest, WithAWrongTokenNothingIsResolvedOrOpened) {
  for (const char* value : {"Bearer token-of-alice-0", "Bearer token-of-alice-01x", "Bearer", "Bearer alice",
                            "Bearer token-of-alice-01 token-of-alice-01"}) {
    ExchangeForTest& exchange = ask(http::Fields{{"authorization", value}}, "a.example");
    EXPECT_EQ(status(exchange), unauthorized()) << value;
    EXPECT_EQ(field(exchange, challenge_field()), "Bearer realm=\"sallyport\", error=\"invalid_token\"");
    EXPECT_NE(field(exchange, "proxy-status").find("error=http_request_denied"), std::string::npos);
    EXPECT_EQ(field(exchange, "proxy-status").find("alice"), std::string::npos);
  }
  EXPECT_TRUE(untouched());
  EXPECT_EQ(proxy().counters().authentication.wrong_token, 5u);
}

TEST_P(AuthenticationTest, AMalformedTargetIsNotLookedAtBefore) {
  http::Request request = request_for(GetParam(), {});
  request.authority = request.path = "%%%";
  EXPECT_EQ(status(ask(connect_from("9.9.9.9:1"), request)), unauthorized());
  request.fields = with(alice);
  EXPECT_EQ(status(ask(connect_from("9.9.9.9:1"), request)) / 100, 4u);
  EXPECT_NE(status(ask(connect_from("9.9.9.9:1"), request)), unauthorized());
}

TEST_P(AuthenticationTest, AGoodTokenOpensATunnelFromEitherField) {
  for (const char* name : {"authorization", "proxy-authorization"})
    EXPECT_EQ(status(ask(with(alice, name), "a.example")), 200u) << name;
  ask(with(bob));
  const auto identities = proxy().counters().identities;
  ASSERT_EQ(identities.size(), 2u);
  EXPECT_EQ(identities.at("alice").open, 2u);
  EXPECT_EQ(identities.at("alice").tunnels, 2u);
  EXPECT_EQ(identities.at("bob").open, 1u);
}

TEST_P(AuthenticationTest, AProxyWithoutTokensAsksNobody) {
  options.tokens = nullptr;
  EXPECT_EQ(status(ask({})), 200u);
  EXPECT_EQ(status(ask(with("whatever"))), 200u);
  EXPECT_TRUE(proxy().counters().identities.empty());
}

TEST_P(AuthenticationTest, LimitsAreOfTheIdentityWhereverItComesFrom) {
  options.limits.tunnels = 2;
  const auto from = [&](std::string_view client, const char* token) {
    return status(ask(connect_from(client), request_for(GetParam(), with(token))));
  };
  EXPECT_EQ(from("9.9.9.1:1", alice), 200u);
  EXPECT_EQ(from("9.9.9.2:1", alice), 200u);
  EXPECT_EQ(from("9.9.9.3:1", alice), 429u);
  EXPECT_EQ(from("9.9.9.1:1", bob), 200u) << "behind the same address";
}

TEST_P(AuthenticationTest, GuessingIsSlowHoweverManyConnectionsItTakes) {
  options.group = std::make_shared<ProxyGroup>();
  Proxy other(timers, outbound, options);  // another worker's
  int looked_at = 0;
  const auto guess = [&](int number) {
    ConnectionForTest& over = connect_from("9.9.9.9:" + std::to_string(1 + number % 60000));
    ExchangeForTest& exchange =
        over.receive(request_for(GetParam(), with("guess-" + std::to_string(number))));
    (number % 2 == 0 ? proxy() : other).on_request(exchange);
    if (status(exchange) == unauthorized()) return ++looked_at, void();
    EXPECT_EQ(status(exchange), 429u);
    EXPECT_EQ(field(exchange, "retry-after"), "2");
    EXPECT_EQ(field(exchange, challenge_field()), "-");
  };
  for (int number = 0; number < 1000; ++number) guess(number);
  EXPECT_EQ(looked_at, 10);
  // A good token is not told from a bad one, or guesses would be answered after all.
  EXPECT_EQ(status(ask(with(alice))), 429u);
  EXPECT_EQ(status(ask(connect_from("9.9.9.8:1"), request_for(GetParam(), with(alice)))), 200u)
      << "another address";
  timers.advance(start + 2s);
  EXPECT_EQ(status(ask(with(alice))), 200u) << "there is room for an attempt";
  EXPECT_EQ(status(ask(with(alice))), 200u) << "which a good token does not take up";
  EXPECT_EQ(proxy().counters().authentication.throttled, 496u) << "half of 990 guesses, and the good token";
}

TEST_P(AuthenticationTest, AConnectionThatShowedAGoodTokenGoesOnWithIt) {
  ConnectionForTest& known = connect_from("9.9.9.9:5");
  ExchangeForTest& open = ask(known, request_for(GetParam(), with(alice)));
  ASSERT_EQ(status(open), 200u);
  for (int i = 0; i < 20; ++i) ask(with("guess-" + std::to_string(i)));
  EXPECT_EQ(status(ask(known, request_for(GetParam(), with(alice)))), 200u);
  EXPECT_EQ(status(ask(known, request_for(GetParam(), with(bob)))), 429u) << "that would be a guess";
  EXPECT_TRUE(open.resets.empty()) << "open tunnels are untouched";
  EXPECT_FALSE(open.finished);
}

TEST_P(AuthenticationTest, RequestsWithoutATokenAreNoAttempts) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(status(ask({})), unauthorized());
  EXPECT_EQ(status(ask(with(alice))), 200u);
}

TEST_P(AuthenticationTest, TunnelsOfATokenThatIsGoneAreEnded) {
  proxy().set_tokens(table("alice token-of-alice-01\nalice second-token-of-alice\nbob token-of-bob-0001\n"));
  ExchangeForTest& first = ask(with(alice));
  ExchangeForTest& second = ask(with("second-token-of-alice"));
  ExchangeForTest& third = ask(with(bob));
  outbound.silent = true;
  ExchangeForTest& asking = ask(with(alice), "a.example");
  ExchangeForTest& refused = ask(with(alice), "127.0.0.1");
  outbound.silent = false;
  ASSERT_EQ(status(asking), 0u);
  ASSERT_EQ(status(refused), 403u);

  proxy().set_tokens(table("alice second-token-of-alice\ncarol token-of-carol-01\n"));
  const auto ended = [](const ExchangeForTest& exchange) {
    return exchange.finished || !exchange.resets.empty();
  };
  EXPECT_TRUE(ended(first));
  EXPECT_FALSE(ended(second)) << "the same name, and its token is there";
  EXPECT_TRUE(ended(third));
  EXPECT_EQ(status(asking), 403u);
  EXPECT_EQ(refused.responses.size(), 1u);
  EXPECT_EQ(status(ask(with(alice))), unauthorized());
  EXPECT_EQ(status(ask(with("token-of-carol-01"))), 200u);

  ConnectionForTest::close_exchange(third);
  EXPECT_EQ(proxy().counters().identities.count("bob"), 0u) << "figures go with the name";
  EXPECT_EQ(proxy().counters().identities.at("alice").tunnels, 2u);
}

TEST_P(AuthenticationTest, FiguresOfAnIdentityStayWhenItsTunnelsEnd) {
  ExchangeForTest& exchange = ask(with(alice));
  if (udp())
    exchange.receive_datagram(std::string_view("\0abc", 4));
  else
    exchange.receive_body("abc");
  const Error gone{ErrorKind::closed, "the client went away"};
  ConnectionForTest::close_exchange(exchange, &gone);
  timers.run_deferred();
  const auto counters = proxy().counters();
  EXPECT_EQ(counters.identities.at("alice").open, 0u);
  EXPECT_EQ(counters.identities.at("alice").tunnels, 1u);
  EXPECT_EQ(counters.identities.at("alice").bytes_up, 3u);
  EXPECT_EQ(counters.bytes_up, 3u);
  proxy().set_tokens(table("bob token-of-bob-0001\n"));
  EXPECT_TRUE(proxy().counters().identities.empty());
  EXPECT_EQ(proxy().counters().bytes_up, 3u) << "the sum does not shrink";
}

TEST_P(AuthenticationTest, PortsThatAreRefusedAreNotAskedFor) {
  EXPECT_EQ(status(ask(connect_from("9.9.9.9:1"), request_for(GetParam(), with(alice), "a.example", 25))),
            403u);
  EXPECT_TRUE(untouched());
  EXPECT_EQ(proxy().counters().refused_policy, 1u);
}

INSTANTIATE_TEST_SUITE_P(Protocols, AuthenticationTest, testing::Values(Protocol::udp, Protocol::tcp),
                         [](const auto& tested) { return std::string(to_string(tested.param)); });

}  // namespace
}  // namespace sallyport::masque
