// QUIC in a CONNECT-IP tunnel: what the hop is asked for, which addresses are tried and when, and what
// becomes of hops that give too little, or take back what they gave.
#include "dial/attempt.h"
#include "dial/world_for_test.h"
#include "masque/doubles_for_test.h"
#include "masque/ip_capsules.h"
#include "net/ip_packet.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::dial {
namespace {

using masque::AssignedAddress;
using masque::IpRange;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* own_v4 = "10.89.0.2/32";
constexpr const char* own_v6 = "fd89::2/128";

class IpAttempt : public testing::Test {
 protected:
  void start(std::string host, std::string_view proxy_text = "https://proxy.example") {
    proxy = masque::ProxyTemplate::parse(proxy_text, masque::Protocol::ip).value();
    dialled = make_ip_quic_attempt(context, hop, *proxy, "secret", {std::move(host), 443, "origin o:443"},
                                   {.layer = Security::Layer::quic}, events);
    dialled->start();
    world.clock.settle();
  }
  masque::ExchangeForTest& exchange() { return hop.last(); }
  void answer(unsigned status = 200) {
    exchange().handler()->on_response(exchange(), {.status = status, .fields = {}});
    world.clock.settle();
  }
  /// "PREFIX", or "ID PREFIX" in answer to a request.
  void assign(const std::vector<std::string>& all) {
    std::vector<AssignedAddress> addresses;
    for (const std::string& text : all) {
      const std::size_t space = text.find(' ');
      const bool answers = space != std::string::npos;
      addresses.push_back({.request_id = answers ? std::stoull(text) : 0,
                           .prefix = net::IpPrefix::parse(answers ? text.substr(space + 1) : text).value()});
    }
    EXPECT_TRUE(
        exchange().receive_capsule(masque::capsule_address_assign, masque::write_address_assign(addresses)));
    world.clock.settle();
  }
  void advertise(const std::vector<std::string>& prefixes, std::uint8_t protocol = 17) {
    std::vector<IpRange> ranges;
    ranges.reserve(prefixes.size());
    for (const std::string& text : prefixes)
      ranges.push_back(masque::range_of(net::IpPrefix::parse(text).value(), protocol));
    EXPECT_TRUE(exchange().receive_capsule(
        masque::capsule_route_advertisement,
        masque::write_route_advertisement(masque::sendable(std::move(ranges))).value()));
    world.clock.settle();
  }
  /// Where packets went, each address once, in order.
  std::vector<std::string> tried_addresses() {
    std::vector<std::string> found;
    for (const std::string& datagram : exchange().datagrams) {
      const auto parsed = net::parse_ip(as_bytes(datagram).subspan(1));
      if (!parsed) {
        ADD_FAILURE() << "no packet";
        continue;
      }
      const std::string address =
          net::SocketAddress(parsed->destination, parsed->destination_port).to_string();
      if (std::ranges::find(found, address) == found.end()) found.push_back(address);
    }
    return found;
  }

  test::World world;
  Context context = world.context();
  masque::ConnectionForTest hop{world.clock.timers};
  std::optional<masque::ProxyTemplate> proxy;
  test::RecordingDial events;
  std::unique_ptr<Dialled> dialled;
};

TEST_F(IpAttempt, AsksForTheHostAndUdpAlone) {
  start("origin.test");
  const http::Request& request = exchange().request();
  EXPECT_EQ(request.protocol, "connect-ip");
  EXPECT_EQ(request.path, "/.well-known/masque/ip/origin.test/17/");
  EXPECT_EQ(request.fields.find("authorization"), "Bearer secret");
  ASSERT_THAT(exchange().sent_capsules, testing::SizeIs(1));
  EXPECT_EQ(exchange().sent_capsules[0].first, masque::capsule_address_request);
  const auto requested = masque::parse_address_request(exchange().sent_capsules[0].second).value();
  ASSERT_THAT(requested, testing::SizeIs(2));
  EXPECT_EQ(requested[0].prefix.to_string(), "::/128");
  EXPECT_EQ(requested[1].prefix.to_string(), "0.0.0.0/32");
}

TEST_F(IpAttempt, AsksForNoMoreThanTheTemplateTakes) {
  const auto path_for = [this](std::string_view text) {
    start("2001:db8::9", text);
    return exchange().request().path;
  };
  EXPECT_EQ(path_for("https://p"), "/.well-known/masque/ip/2001%3Adb8%3A%3A9/17/");
  EXPECT_EQ(path_for("https://p/vpn/{ipproto}"), "/vpn/17");
  EXPECT_EQ(path_for("https://p/vpn/{target}"), "/vpn/2001%3Adb8%3A%3A9");
  EXPECT_EQ(path_for("https://p/vpn/"), "/vpn/");
}

TEST_F(IpAttempt, TriesWhatIsAdvertisedIpv6First) {
  start("origin.test");
  answer();
  assign({own_v4, own_v6});
  EXPECT_THAT(tried_addresses(), IsEmpty());
  advertise({"192.0.2.8/31", "2001:db8::9/128"});
  EXPECT_THAT(tried_addresses(), ElementsAre("[2001:db8::9]:443"));
  world.clock.pass(251ms);
  EXPECT_THAT(tried_addresses(), ElementsAre("[2001:db8::9]:443", "192.0.2.8:443"));
  world.clock.pass(251ms);
  EXPECT_THAT(tried_addresses(), ElementsAre("[2001:db8::9]:443", "192.0.2.8:443", "192.0.2.9:443"));
  EXPECT_THAT(world.names, IsEmpty()) << "the hop has said it";
}

TEST_F(IpAttempt, TriesEachAddressOfARange) {
  start("origin.test");
  answer();
  assign({own_v4});
  advertise({"192.0.2.255/32", "192.0.3.0/31"});  // one range of three
  world.clock.pass(1s);
  EXPECT_THAT(tried_addresses(), ElementsAre("192.0.2.255:443", "192.0.3.0:443", "192.0.3.1:443"));
}

TEST_F(IpAttempt, WaitsForIpv6ButNotForLong) {
  start("origin.test");
  answer();
  assign({own_v4});
  advertise({"192.0.2.9/32", "2001:db8::9/128"});
  EXPECT_THAT(tried_addresses(), IsEmpty());
  world.clock.pass(51ms);
  EXPECT_THAT(tried_addresses(), ElementsAre("192.0.2.9:443"));
}

TEST_F(IpAttempt, WaitsNotForIpv6ThatIsRefused) {
  start("origin.test");
  answer();
  advertise({"192.0.2.9/32", "2001:db8::9/128"});
  assign({"1 ::/128", "2 " + std::string(own_v4)});
  EXPECT_THAT(tried_addresses(), ElementsAre("192.0.2.9:443"));
}

TEST_F(IpAttempt, TheUsersIpVersionCounts) {
  context.family = AddressFamily::ipv4;
  start("origin.test");
  answer();
  assign({own_v4, own_v6});
  advertise({"192.0.2.9/32", "2001:db8::9/128"});
  world.clock.pass(1s);
  EXPECT_THAT(tried_addresses(), ElementsAre("192.0.2.9:443"));
}

TEST_F(IpAttempt, WideRoutesLeaveTheNameToUs) {
  start("origin.test");
  answer();
  assign({own_v4});
  advertise({"0.0.0.0/0"});
  world.clock.pass(1ms);
  EXPECT_THAT(world.names, ElementsAre("origin.test"));
  EXPECT_THAT(tried_addresses(), ElementsAre("192.0.2.1:443"));
}

TEST_F(IpAttempt, RoutesOfAnotherProtocolAreNone) {
  start("192.0.2.9");
  answer();
  assign({own_v4});
  advertise({"192.0.2.9/32"}, 6);
  EXPECT_THAT(tried_addresses(), IsEmpty());
  ASSERT_TRUE(events.error);
  EXPECT_THAT(events.error->message, HasSubstr("the hop advertises no route to 192.0.2.9:443"));
}

TEST_F(IpAttempt, AHopThatAssignsNothingIsToldOf) {
  start("192.0.2.9");
  answer();
  advertise({"192.0.2.9/32"});
  EXPECT_EQ(dialled->tried().owed, "address");
  EXPECT_EQ(dialled->tried().reach, Reach::path);
  assign({"1 0.0.0.0/32"});
  ASSERT_TRUE(events.error);
  EXPECT_EQ(events.error->message, "the hop assigned no address for the tunnel to 192.0.2.9:443");
  EXPECT_TRUE(dialled->tried().tunnel_error) << "it is the hop's";
}

TEST_F(IpAttempt, AHopThatAdvertisesNothingOwesARoute) {
  start("192.0.2.9");
  answer();
  assign({own_v4});
  EXPECT_EQ(dialled->tried().owed, "route");
  advertise({});
  EXPECT_EQ(dialled->tried().owed, "route");
  EXPECT_EQ(events.ended, 0);
}

TEST_F(IpAttempt, WhatIsWithdrawnEndsTheConnection) {
  for (const bool route : {true, false}) {
    events = {};
    start("192.0.2.9");
    answer();
    assign({own_v4});
    advertise({"192.0.2.9/32"});
    EXPECT_THAT(tried_addresses(), ElementsAre("192.0.2.9:443"));
    assign({own_v4, "10.89.0.3/32"});  // one more is no change
    EXPECT_EQ(events.ended, 0);
    if (route)
      advertise({"192.0.2.8/32"});
    else
      assign({});
    EXPECT_TRUE(dialled->tried().tunnel_error) << "it is the hop's";
    ASSERT_EQ(events.ended, 1);
    ASSERT_TRUE(events.error);
    EXPECT_THAT(events.error->message, HasSubstr(route ? "withdrawn the route" : "withdrawn the address"));
  }
}

TEST_F(IpAttempt, ARefusalIsTheHops) {
  start("192.0.2.9");
  answer(403);
  ASSERT_TRUE(events.error);
  EXPECT_THAT(events.error->message,
              HasSubstr("the hop refused the tunnel to 192.0.2.9 (IP protocol 17): 403"));
  EXPECT_TRUE(dialled->tried().is_refused());
}

}  // namespace
}  // namespace sallyport::dial
