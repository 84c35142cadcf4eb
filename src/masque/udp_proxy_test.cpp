// Proxy and UdpFlow: CONNECT-UDP requests in, datagrams both ways.
#include "masque/doubles_for_test.h"
#include "masque/proxy.h"
#include "masque/proxy_group.h"
#include "masque/target_resolution.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using namespace std::string_literals;

constexpr Time start{1000s};

http::Request udp_request(std::string_view path) {
  http::Request request;
  request.method = "CONNECT";
  request.protocol = "connect-udp";
  request.authority = "proxy.example";
  request.path = path;
  request.fields.add("capsule-protocol", "?1");
  return request;
}

http::Request tcp_request(std::string_view authority) {
  http::Request request;
  request.method = "CONNECT";
  request.authority = authority;
  return request;
}

std::string udp_path(std::string_view host) {
  return "/.well-known/masque/udp/" + std::string(host) + "/443/";
}

class UdpProxyTest : public testing::Test {
 protected:
  ExchangeForTest& ask(http::Request request) {
    ExchangeForTest& exchange = connection.receive(std::move(request));
    proxy().on_request(exchange);
    return exchange;
  }
  ExchangeForTest& ask(std::string_view host) { return ask(udp_request(udp_path(host))); }
  ConnectionForTest& connect_from(std::string_view client) { return others_.emplace_back(timers, client); }
  Proxy& proxy() {
    if (!proxy_) proxy_ = std::make_unique<Proxy>(timers, outbound, options);
    return *proxy_;
  }
  PathRecord& path() { return *outbound.opened_udp.back().second; }
  void pass(Duration duration) {
    timers.advance(timers.now() + duration);
    timers.run_deferred();
  }

  net::Timers timers{start};
  OutboundForTest outbound{timers};
  ConnectionForTest connection{timers};
  ProxyOptions options;

 private:
  std::deque<ConnectionForTest> others_;
  std::unique_ptr<Proxy> proxy_;
};

std::string refusal(const ExchangeForTest& exchange) {
  if (exchange.responses.size() != 1 || !exchange.finished || !exchange.stopped) return "no refusal";
  const auto& response = exchange.responses[0];
  const std::string status(response.fields.find("proxy-status").value_or("-"));
  return std::to_string(response.status) + " " + status.substr(0, status.find("; details"));
}

TEST_F(UdpProxyTest, AnAddressIsAnsweredAtOnce) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  ASSERT_EQ(exchange.responses.size(), 1u);
  EXPECT_EQ(exchange.responses[0].status, 200u);
  EXPECT_EQ(exchange.responses[0].fields.find("capsule-protocol"), "?1");
  EXPECT_EQ(exchange.responses[0].fields.find("proxy-status"), "sallyport; next-hop=\"8.8.8.8:443\"");
  EXPECT_TRUE(exchange.capsules);
  EXPECT_FALSE(exchange.finished);
  EXPECT_EQ(proxy().counters().open[Protocol::udp], 1u);
}

TEST_F(UdpProxyTest, DatagramsPassBothWays) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  exchange.receive_datagram("\0abc"s);
  exchange.receive_datagram("\0def"s);
  timers.run_deferred();
  ASSERT_EQ(path().runs.size(), 1u);
  EXPECT_EQ(path().runs[0].bytes, "abcdef");
  EXPECT_EQ(path().runs[0].segment_size, 3u);
  path().receive("xxxxy", 4);
  EXPECT_EQ(exchange.datagrams, (std::vector{"\0xxxx"s, "\0y"s}));
  const ProxyCounters counters = proxy().counters();
  EXPECT_EQ(counters.datagrams_up, 2u);
  EXPECT_EQ(counters.bytes_up, 6u);
  EXPECT_EQ(counters.datagrams_down, 2u);
  EXPECT_EQ(counters.bytes_down, 5u);
}

// docs/threat-model.md, "unknown context ID".
TEST_F(UdpProxyTest, OtherContextsAreDroppedAndCounted) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  for (const auto& datagram : {"\1abc"s, "\2abc"s, "\x40\x01z"s, ""s, "\x40"s, "\xc0\0\0"s})
    exchange.receive_datagram(datagram);
  exchange.receive_datagram("\x40\0ok"s);  // 0 in two bytes is 0 all the same
  timers.run_deferred();
  exchange.receive_datagram("\xbf\xff\xff\xfe" + std::string(1200, '\0'));  // a probe of the path's MTU
  EXPECT_EQ(proxy().counters().dropped_context, 6u);
  ASSERT_EQ(path().runs.size(), 1u);
  EXPECT_EQ(path().runs[0].bytes, "ok");
  EXPECT_TRUE(exchange.resets.empty());
}

// docs/threat-model.md, "oversized UDP payload".
TEST_F(UdpProxyTest, APayloadLargerThanUdpAbortsTheStream) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  exchange.receive_datagram("\0"s + std::string(65527, 'x'));
  EXPECT_TRUE(exchange.resets.empty());
  exchange.receive_datagram("\0"s + std::string(65528, 'x'));
  EXPECT_EQ(exchange.resets, std::vector{http::ResetCode::datagram_error});
  exchange.receive_datagram("\0after"s);
  timers.run_deferred();
  EXPECT_EQ(path().runs.size(), 1u);
}

TEST_F(UdpProxyTest, WhatComesBeforeTheTargetIsFoundIsHeldWithinBounds) {
  outbound.names["a.example"] = {"8.8.8.8"};
  ExchangeForTest& exchange = ask("a.example");
  for (int i = 0; i < 20; ++i) exchange.receive_datagram("\0"s + static_cast<char>('a' + i));
  EXPECT_TRUE(exchange.responses.empty());
  timers.run_deferred();
  ASSERT_EQ(exchange.responses.size(), 1u);
  EXPECT_EQ(exchange.responses[0].status, 200u);
  ASSERT_EQ(path().runs.size(), 1u);
  EXPECT_EQ(path().runs[0].bytes, "abcdefghijklmnop");
  EXPECT_EQ(proxy().counters().dropped_early, 4u);
}

TEST_F(UdpProxyTest, HeldDatagramsAreBoundedInBytesToo) {
  outbound.silent = true;
  ExchangeForTest& exchange = ask("a.example");
  exchange.receive_datagram("\0"s + std::string(20'000, 'x'));
  exchange.receive_datagram("\0"s + std::string(20'000, 'x'));
  EXPECT_EQ(proxy().counters().dropped_early, 1u);
}

TEST_F(UdpProxyTest, AFullQueuePausesTheSocketAndLosesNothing) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  exchange.datagram_room = 1;
  path().receive("aabbcc", 2);
  EXPECT_FALSE(path().reading);
  path().receive("dd", 2);  // was read already
  exchange.make_datagram_room(2);
  EXPECT_FALSE(path().reading);
  exchange.make_datagram_room(9);
  EXPECT_TRUE(path().reading);
  EXPECT_EQ(exchange.datagrams, (std::vector{"\0aa"s, "\0bb"s, "\0cc"s, "\0dd"s}));
  EXPECT_EQ(proxy().counters().dropped_queue, 0u);
}

/// The target cannot be told to wait.
TEST_F(UdpProxyTest, WhatTheQueueDropsIsCountedByItsReason) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  EXPECT_EQ(exchange.when_full(), http::WhenFull::drop);
  exchange.handler()->on_datagram_dropped(exchange, http::DatagramDrop::sojourn);
  exchange.handler()->on_datagram_dropped(exchange, http::DatagramDrop::sojourn);
  exchange.handler()->on_datagram_dropped(exchange, http::DatagramDrop::full);
  EXPECT_EQ(proxy().counters().dropped_sojourn, 2u);
  EXPECT_EQ(proxy().counters().dropped_queue, 1u);
}

// docs/threat-model.md, "forbidden target" and "DNS rebinding".
TEST_F(UdpProxyTest, RefusesWhatPolicyForbids) {
  outbound.names["inside.example"] = {"10.0.0.1", "::ffff:127.0.0.1"};
  outbound.names["mixed.example"] = {"10.0.0.1", "8.8.8.8"};
  EXPECT_EQ(refusal(ask("169.254.169.254")), "403 sallyport; error=destination_ip_prohibited");
  EXPECT_EQ(refusal(ask("::ffff:10.0.0.1")), "403 sallyport; error=destination_ip_prohibited");
  ExchangeForTest& inside = ask("inside.example");
  ExchangeForTest& mixed = ask("mixed.example");
  timers.run_deferred();
  EXPECT_EQ(refusal(inside), "403 sallyport; error=destination_ip_prohibited");
  const auto words = std::string(inside.responses[0].fields.find("proxy-status").value());
  EXPECT_NE(words.find("inside.example resolves to no address"), std::string::npos) << words;
  EXPECT_EQ(words.find("10.0.0.1"), std::string::npos) << "what the name means inside is not told";
  EXPECT_EQ(mixed.responses.at(0).status, 200u);
  ASSERT_EQ(outbound.opened_udp.size(), 1u);
  EXPECT_EQ(outbound.opened_udp[0].first, "8.8.8.8:443");
  EXPECT_EQ(proxy().counters().refused_policy, 3u);
}

// docs/threat-model.md, "malformed target".
TEST_F(UdpProxyTest, RefusesMalformedRequests) {
  EXPECT_EQ(refusal(ask(udp_request("/.well-known/masque/udp/a/0/"))),
            "400 sallyport; error=http_request_error");
  EXPECT_EQ(refusal(ask(udp_request("/elsewhere"))), "404 sallyport; error=http_request_error");
  auto with_length = udp_request(udp_path("8.8.8.8"));
  with_length.fields.add("content-length", "3");
  EXPECT_EQ(refusal(ask(with_length)), "400 sallyport; error=http_request_error");
  auto other = udp_request(udp_path("8.8.8.8"));
  other.protocol = "websocket";
  EXPECT_FALSE(Proxy::wants(other));
  EXPECT_EQ(refusal(ask(other)), "501 sallyport; error=proxy_configuration_error");
  EXPECT_EQ(proxy().counters().refused_malformed, 3u);
  EXPECT_EQ(proxy().counters().open[Protocol::udp], 0u);
}

TEST_F(UdpProxyTest, OpensNothingIn0Rtt) {
  auto request = udp_request(udp_path("8.8.8.8"));
  request.early_data = true;
  EXPECT_EQ(refusal(ask(request)), "425 sallyport; error=http_request_error");
  EXPECT_TRUE(outbound.opened_udp.empty());
}

TEST_F(UdpProxyTest, SwitchedOff) {
  options.protocols.erase(Protocol::udp);
  EXPECT_EQ(refusal(ask("8.8.8.8")), "501 sallyport; error=proxy_configuration_error");
}

TEST_F(UdpProxyTest, TellsWhyATargetCannotBeReached) {
  ExchangeForTest& unknown = ask("unknown.example");
  timers.run_deferred();
  EXPECT_EQ(refusal(unknown), "502 sallyport; error=dns_error");
  outbound.udp_error = Error{ErrorKind::unreachable, "no route"};
  EXPECT_EQ(refusal(ask("8.8.8.8")), "503 sallyport; error=destination_unavailable");
  outbound.silent = true;
  ExchangeForTest& slow = ask("slow.example");
  pass(options.connect_timeout - 1ms);
  EXPECT_TRUE(slow.responses.empty());
  pass(1ms);
  EXPECT_EQ(refusal(slow), "504 sallyport; error=dns_timeout");
  EXPECT_EQ(proxy().counters().failed, 3u);
}

TEST_F(UdpProxyTest, TakesTheNextAddressWhereTheFirstHasNoRoute) {
  outbound.names["a.example"] = {"2606:4700::1", "8.8.8.8"};
  outbound.udp_error = Error{ErrorKind::unreachable, "no route"};
  ExchangeForTest& exchange = ask("a.example");
  timers.run_deferred();
  EXPECT_EQ(exchange.responses.at(0).status, 200u);
  EXPECT_EQ(outbound.opened_udp.at(0).first, "8.8.8.8:443");
}

// docs/threat-model.md, "unanswered names".
TEST_F(UdpProxyTest, NamesAreAskedForOnBehalfOfTheClient) {
  ask("a.example");
  proxy().on_request(connect_from("[2600:1:2:3::1]:1").receive(udp_request(udp_path("a.example"))));
  EXPECT_EQ(outbound.askers,
            (std::vector{*net::IpAddress::parse("9.9.9.9"), *net::IpAddress::parse("2600:1:2:3::")}));
}

// docs/threat-model.md, "many addresses".
TEST_F(UdpProxyTest, ANameWithManyAddressesOpensOnlyAFew) {
  for (int i = 0; i < 100; ++i) outbound.names["many.example"].push_back("8.8.8." + std::to_string(i));
  ExchangeForTest& tcp = ask(tcp_request("many.example:443"));
  timers.run_deferred();
  EXPECT_EQ(tcp.responses.at(0).status, 200u);
  EXPECT_EQ(outbound.tcp_targets.size(), max_targets);
  outbound.udp_error = Error{ErrorKind::unreachable, "no route"};
  outbound.udp_error_lasts = true;
  ExchangeForTest& udp = ask("many.example");
  timers.run_deferred();
  EXPECT_EQ(refusal(udp), "503 sallyport; error=destination_unavailable");
  EXPECT_EQ(outbound.udp_attempts, max_targets);
}

// docs/threat-model.md, "tunnel flood".
TEST_F(UdpProxyTest, LimitsTheTunnelsOfOneClient) {
  options.limits.tunnels = 2;
  ExchangeForTest& first = ask("8.8.8.8");
  ask("8.8.8.8");
  EXPECT_EQ(refusal(ask("8.8.8.8")), "429 sallyport; error=http_request_error");
  EXPECT_EQ(proxy().counters().refused_limit, 1u);
  ExchangeForTest& other = connect_from("9.9.9.10:1").receive(udp_request(udp_path("8.8.8.8")));
  proxy().on_request(other);
  EXPECT_EQ(other.responses.at(0).status, 200u);
  ConnectionForTest::close_exchange(first);
  EXPECT_EQ(ask("8.8.8.8").responses.at(0).status, 200u);
}

// docs/threat-model.md, "socket buffers".
TEST_F(UdpProxyTest, ManyTunnelsOfOneClientDoNotAllHaveLargeBuffers) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask("8.8.8.8").responses.at(0).status, 200u);
  EXPECT_EQ(outbound.large_udp, 16u);
  proxy().on_request(connect_from("9.9.9.10:1").receive(udp_request(udp_path("8.8.8.8"))));
  EXPECT_EQ(outbound.large_udp, 17u) << "another client is not the poorer for it";
}

TEST_F(UdpProxyTest, AnIpv6ClientIsItsSlash64) {
  options.limits.tunnels = 1;
  proxy().on_request(connect_from("[2600:1:2:3::1]:1").receive(udp_request(udp_path("8.8.8.8"))));
  ExchangeForTest& second = connect_from("[2600:1:2:3:ffff::2]:1").receive(udp_request(udp_path("8.8.8.8")));
  proxy().on_request(second);
  EXPECT_EQ(refusal(second), "429 sallyport; error=http_request_error");
}

TEST_F(UdpProxyTest, LimitsAllTunnels) {
  options.limits.tunnels_all = 1;
  ask("8.8.8.8");
  EXPECT_EQ(refusal(ask("8.8.8.8")), "429 sallyport; error=http_request_error");
}

// docs/threat-model.md, "tunnel flood".
TEST_F(UdpProxyTest, TheProxiesOfAGroupShareTheLimits) {
  options.group = std::make_shared<ProxyGroup>();
  options.limits = {.tunnels = 2, .tunnels_all = 3};
  auto second = std::make_unique<Proxy>(timers, outbound, options);
  const auto ask_second = [&](ConnectionForTest& over) -> ExchangeForTest& {
    ExchangeForTest& exchange = over.receive(udp_request(udp_path("8.8.8.8")));
    second->on_request(exchange);
    return exchange;
  };
  ExchangeForTest& first = ask("8.8.8.8");
  EXPECT_EQ(ask_second(connection).responses.at(0).status, 200u);
  EXPECT_EQ(refusal(ask("8.8.8.8")), "429 sallyport; error=http_request_error");
  EXPECT_EQ(refusal(ask_second(connection)), "429 sallyport; error=http_request_error");
  ConnectionForTest::close_exchange(first);
  EXPECT_EQ(ask_second(connection).responses.at(0).status, 200u);
  EXPECT_EQ(ask_second(connect_from("9.9.9.10:1")).responses.at(0).status, 200u);
  EXPECT_EQ(refusal(ask_second(connect_from("9.9.9.11:1"))), "429 sallyport; error=http_request_error");
  second.reset();
  EXPECT_EQ(options.group->tunnels, 0u) << "a proxy that goes gives back what it had";
  EXPECT_EQ(ask("8.8.8.8").responses.at(0).status, 200u);
}

// docs/threat-model.md, "proxy loop".
TEST_F(UdpProxyTest, AChainThatComesBackIsALoop) {
  options.policy = TargetPolicy({*net::IpPrefix::parse("0.0.0.0/0")});
  options.group = std::make_shared<ProxyGroup>();
  Proxy other(timers, outbound, options);  // of another worker
  const net::NetPath socket{*net::SocketAddress::parse("7.7.7.7:40000"),
                            *net::SocketAddress::parse("7.7.7.7:443")};
  outbound.make_udp = [&] {
    return std::make_unique<PathForTest>(*outbound.opened_udp.back().second, socket);
  };
  ExchangeForTest& outer = ask("7.7.7.7");
  ASSERT_EQ(outer.responses.at(0).status, 200u);
  ExchangeForTest& inner = connect_from("[::ffff:7.7.7.7]:40000").receive(udp_request(udp_path("8.8.8.8")));
  other.on_request(inner);
  EXPECT_EQ(refusal(inner), "508 sallyport; error=proxy_loop_detected");
  EXPECT_EQ(other.counters().refused_loop, 1u);
  ExchangeForTest& neighbour = connect_from("7.7.7.7:40001").receive(udp_request(udp_path("8.8.8.8")));
  other.on_request(neighbour);
  EXPECT_EQ(neighbour.responses.at(0).status, 200u);
  outer.handler()->on_end(outer);  // its port may be anybody's from now on
  ExchangeForTest& later = connect_from("7.7.7.7:40000").receive(udp_request(udp_path("8.8.8.8")));
  other.on_request(later);
  EXPECT_EQ(later.responses.at(0).status, 200u);
  ConnectionForTest::close_exchange(outer);
}

TEST_F(UdpProxyTest, IdleTunnelsEnd) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  pass(options.udp_idle - 1s);
  exchange.receive_datagram("\0a"s);
  pass(options.udp_idle - 1s);
  path().receive("b", 1);
  pass(options.udp_idle - 1s);
  EXPECT_FALSE(exchange.finished);
  pass(1s);
  EXPECT_TRUE(exchange.finished);
  EXPECT_TRUE(exchange.stopped);
  EXPECT_FALSE(path().open);
  exchange.receive_datagram("\0late"s);
  ConnectionForTest::close_exchange(exchange);
  EXPECT_EQ(proxy().counters().open[Protocol::udp], 0u);
}

TEST_F(UdpProxyTest, TheClientsEndEndsTheTunnel) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  exchange.receive_datagram("\0last"s);
  exchange.handler()->on_end(exchange);
  EXPECT_TRUE(exchange.finished);
  ASSERT_EQ(path().runs.size(), 1u) << "what came before the end is sent";
  EXPECT_FALSE(path().open) << "a client that never reads the end keeps no socket";
  exchange.receive_datagram("\0late"s);
  ConnectionForTest::close_exchange(exchange);
  EXPECT_EQ(proxy().counters().open[Protocol::udp], 0u);
}

TEST_F(UdpProxyTest, ATargetThatDoesNotListenResetsTheTunnel) {
  ExchangeForTest& exchange = ask("8.8.8.8");
  path().receiver->on_unreachable(net::Unreachable::definite, {ErrorKind::refused, "connection refused"});
  EXPECT_EQ(exchange.resets, std::vector{http::ResetCode::connect_error});
  exchange.receive_datagram("\0late"s);
  const Error why{ErrorKind::cancelled, "reset"};
  ConnectionForTest::close_exchange(exchange, &why);
  EXPECT_FALSE(path().open);
}

TEST_F(UdpProxyTest, AHintThatTheTargetIsUnreachableEndsNothing) {  // RFC 1122 §3.2.2.1
  ExchangeForTest& exchange = ask("8.8.8.8");
  path().receiver->on_unreachable(net::Unreachable::hint, {ErrorKind::unreachable, "no route to host"});
  EXPECT_TRUE(exchange.resets.empty());
  exchange.receive_datagram("\0more"s);
  timers.run_deferred();
  ASSERT_EQ(path().runs.size(), 1u);
  path().receive("answer", 6);
  EXPECT_EQ(exchange.datagrams, std::vector{"\0answer"s});
}

TEST_F(UdpProxyTest, GoesOnWithTheNextAddressWhereIcmpComesBeforeAnyAnswer) {
  for (const auto kind : {net::Unreachable::hint, net::Unreachable::definite}) {
    const std::size_t before = outbound.opened_udp.size();  // of the flow before, which is still open
    outbound.names["a.example"] = {"2606:4700::1", "2606:4700::2", "8.8.8.8"};
    ExchangeForTest& exchange = ask("a.example");
    exchange.receive_datagram("\0early"s);
    timers.run_deferred();
    ASSERT_EQ(outbound.opened_udp.size(), before + 1);
    exchange.receive_datagram("\0later"s);                           // in the turn in which ICMP comes
    outbound.udp_error = Error{ErrorKind::unreachable, "no route"};  // to the second
    path().receiver->on_unreachable(kind, {ErrorKind::unreachable, "it leads nowhere"});
    timers.run_deferred();
    ASSERT_EQ(outbound.opened_udp.size(), before + 2);
    EXPECT_FALSE(outbound.opened_udp[before].second->open);
    EXPECT_EQ(outbound.opened_udp[before + 1].first, "[2606:4700::2]:443") << "the families take turns";
    ASSERT_EQ(path().runs.size(), 1u) << "what was sent goes again";
    EXPECT_EQ(path().runs[0].bytes, "earlylater");
    path().receive("answer", 6);
    EXPECT_EQ(exchange.datagrams, std::vector{"\0answer"s});
    EXPECT_TRUE(exchange.resets.empty());
    // It was the last one.
    path().receiver->on_unreachable(kind, {ErrorKind::unreachable, "it leads nowhere"});
    EXPECT_EQ(exchange.resets.size(), kind == net::Unreachable::definite ? 1u : 0u);
    EXPECT_EQ(outbound.opened_udp.size(), before + 2);
  }
}

TEST_F(UdpProxyTest, KeepsToAnAddressThatAnsweredOrWasTriedForLong) {
  outbound.names["a.example"] = {"2606:4700::1", "8.8.8.8"};
  ExchangeForTest& answered = ask("a.example");
  timers.run_deferred();
  path().receive("answer", 6);
  path().receiver->on_unreachable(net::Unreachable::definite, {ErrorKind::refused, "gone"});
  EXPECT_EQ(answered.resets, std::vector{http::ResetCode::connect_error});
  EXPECT_EQ(outbound.opened_udp.size(), 1u);

  ExchangeForTest& slow = ask("a.example");
  timers.run_deferred();
  pass(options.connect_timeout + 1s);
  path().receiver->on_unreachable(net::Unreachable::hint, {ErrorKind::unreachable, "no route to host"});
  EXPECT_TRUE(slow.resets.empty());
  EXPECT_EQ(outbound.opened_udp.size(), 2u) << "one each";
}

TEST_F(UdpProxyTest, WhatMayGoAgainIsGivenBackInTimeThoughNothingPasses) {
  outbound.names["a.example"] = {"2606:4700::1", "8.8.8.8"};
  options.group = std::make_shared<ProxyGroup>();
  const auto account = options.group->account_of(ClientKey(*net::IpAddress::parse("9.9.9.9")));
  ExchangeForTest& exchange = ask("a.example");
  timers.run_deferred();
  exchange.receive_datagram("\0once"s);
  pass(options.connect_timeout - 1ms);
  EXPECT_EQ(account->held.taken(), 4u);
  pass(1ms);
  EXPECT_EQ(account->held.taken(), 0u);
  exchange.receive_datagram("\0again"s);
  EXPECT_EQ(account->held.taken(), 0u);
  EXPECT_TRUE(exchange.resets.empty());
}

TEST_F(UdpProxyTest, WhatMayGoAgainIsBoundedAndGivenBack) {
  outbound.names["a.example"] = {"2606:4700::1", "8.8.8.8"};
  options.group = std::make_shared<ProxyGroup>();
  const auto account = options.group->account_of(ClientKey(*net::IpAddress::parse("9.9.9.9")));
  ExchangeForTest& exchange = ask("a.example");
  timers.run_deferred();
  for (int i = 0; i < 20; ++i) exchange.receive_datagram("\0"s + static_cast<char>('a' + i));
  EXPECT_EQ(account->held.taken(), 16u);
  EXPECT_EQ(proxy().counters().dropped_early, 0u) << "all of it was sent";
  path().receiver->on_unreachable(net::Unreachable::hint, {ErrorKind::unreachable, "no route to host"});
  timers.run_deferred();
  EXPECT_EQ(path().runs.at(0).bytes, "abcdefghijklmnop");
  EXPECT_EQ(account->held.taken(), 0u);
}

TEST_F(UdpProxyTest, AClientThatEndsBeforeTheAnswerGetsNone) {
  outbound.names["a.example"] = {"8.8.8.8"};
  ExchangeForTest& exchange = ask("a.example");
  exchange.handler()->on_end(exchange);
  EXPECT_EQ(exchange.resets, std::vector{http::ResetCode::cancelled});
  const Error why{ErrorKind::cancelled, "reset"};
  ConnectionForTest::close_exchange(exchange, &why);
  timers.run_deferred();
  EXPECT_TRUE(outbound.opened_udp.empty());
}

TEST_F(UdpProxyTest, AnExchangeThatEndsWhileTheNameIsAskedForLeavesNothing) {
  outbound.names["a.example"] = {"8.8.8.8"};
  ExchangeForTest& exchange = ask("a.example");
  const Error why{ErrorKind::closed, "gone"};
  ConnectionForTest::close_exchange(exchange, &why);
  timers.run_deferred();
  pass(1h);
  EXPECT_TRUE(outbound.opened_udp.empty());
  EXPECT_EQ(proxy().counters().open[Protocol::udp], 0u);
}

}  // namespace
}  // namespace sallyport::masque
