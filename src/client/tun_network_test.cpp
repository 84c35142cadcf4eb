// In a network namespace of its own: the kernel's routes are what is tested.
#include "client/tun_network.h"

#include "net/network_namespace_for_test.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sallyport::client {
namespace {

using net::test::ip;
using net::test::value_of;

net::IpPrefix prefix(std::string_view text) {
  return net::IpPrefix::parse(text).value();
}
const std::vector everything{prefix("0.0.0.0/0"), prefix("::/0")};
const std::vector<masque::IpRange> all_ranges{masque::range_of(everything[0]),
                                              masque::range_of(everything[1])};

/// Two TUN devices in the place of a network card and of the tunnel's device.
struct Machine {
  net::TunDevice card = value_of(net::TunDevice::open({.name = "card"}));
  net::TunDevice tunnel = value_of(net::TunDevice::open({.name = "tunnel"}));
  net::Rtnetlink netlink = value_of(net::Rtnetlink::open());

  Machine() {
    for (const net::TunDevice* device : {&card, &tunnel})
      value_of(net::change_link(netlink, value_of(net::find_link(netlink, device->index())), {.up = true}));
    value_of(
        net::add_address(netlink, {.link = card.index(), .address = ip("192.0.2.2"), .prefix_length = 24}));
    value_of(net::add_route(
        netlink, {.destination = everything[0], .link = card.index(), .gateway = ip("192.0.2.1")}));
    value_of(
        net::add_address(netlink, {.link = card.index(), .address = ip("2001:db8::2"), .prefix_length = 64}));
    value_of(net::add_route(
        netlink, {.destination = everything[1], .link = card.index(), .gateway = ip("2001:db8::1")}));
  }
  std::unique_ptr<TunNetwork> network(TunNetworkOptions options = {everything, {}}) {
    return value_of(TunNetwork::open(tunnel.index(), std::move(options)));
  }
  /// As way(), of a socket that is bound to an address or to a device.
  std::optional<std::string> way_of_bound(const char* to, const char* address, const char* device) {
    const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const net::SocketAddress far(ip(to), 9), near(ip(address == nullptr ? "0.0.0.0" : address), 0);
    if (device != nullptr) {
      EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device,
                             static_cast<socklen_t>(std::string_view(device).size())),
                0);
    }
    EXPECT_EQ(::bind(fd.get(), near.data(), near.size()), 0);
    if (::connect(fd.get(), far.data(), far.size()) != 0) return std::nullopt;
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size), 0);
    return net::SocketAddress(reinterpret_cast<const sockaddr*>(&own), size).ip().to_string();
  }
  /// The device that packets to this address take; nothing: none.
  std::optional<unsigned> way(const char* to) {
    const auto found = net::look_up_route(netlink, ip(to));
    return found ? std::optional(found->link) : std::nullopt;
  }
  std::vector<net::Route> routes() { return value_of(net::list_routes(netlink)); }
  std::vector<net::RoutingRule> rules() { return value_of(net::list_rules(netlink)); }
};

void in_machine(const std::function<void(Machine&)>& test) {
  const bool ran = net::test::in_network_namespace_with_tun([&] {
    Machine machine;
    test(machine);
  });
  if (!ran) GTEST_SKIP() << net::test::needs_tun;
}

TEST(TunNetwork, TakesEverythingAndLeavesThingsAsTheyWere) {
  in_machine([](Machine& machine) {
    const auto routes = machine.routes();
    const auto rules = machine.rules();
    {
      const auto network = machine.network();
      value_of(network->take_over(ip("203.0.113.9")));
      EXPECT_EQ(machine.way("8.8.8.8"), std::nullopt) << "nothing leaks before the routes come";
      const std::vector own{ip("10.7.0.2"), ip("fd07::2")};
      value_of(network->set_addresses(own));
      value_of(network->set_routes(all_ranges));
      EXPECT_EQ(machine.way("8.8.8.8"), machine.tunnel.index());
      EXPECT_EQ(machine.way("2001:4860::1"), machine.tunnel.index());
      EXPECT_EQ(machine.way("203.0.113.9"), machine.card.index()) << "the first hop";
      EXPECT_EQ(machine.way("192.0.2.7"), machine.card.index()) << "the network that we are connected to";
      auto others = machine.routes();  // of IPv6 the kernel has one to the address itself
      std::erase_if(others, [&](const net::Route& route) { return route.link == machine.tunnel.index(); });
      auto expected = routes;
      std::erase_if(expected, [&](const net::Route& route) { return route.link == machine.tunnel.index(); });
      EXPECT_EQ(others, expected) << "the main table is nobody's to touch";
      value_of(network->set_addresses({}));
    }
    EXPECT_EQ(machine.routes(), routes);
    EXPECT_EQ(machine.rules(), rules);
    EXPECT_EQ(machine.way("8.8.8.8"), machine.card.index());
  });
}

TEST(TunNetwork, WhatTheProxyAdvertisesNeverTakesALocalNetwork) {
  in_machine([](Machine& machine) {
    const auto network = machine.network();
    value_of(network->take_over(ip("203.0.113.9")));
    const std::vector own{ip("10.7.0.2")};
    value_of(network->set_addresses(own));
    const std::vector<masque::IpRange> advertised{masque::range_of(prefix("192.0.2.0/24")),
                                                  masque::range_of(prefix("192.0.2.128/25")),
                                                  masque::range_of(prefix("203.0.113.9/32"))};
    value_of(network->set_routes(masque::sendable(advertised)));
    EXPECT_EQ(machine.way("192.0.2.200"), machine.card.index());
    EXPECT_EQ(machine.way("203.0.113.9"), machine.card.index());
  });
}

TEST(TunNetwork, AnIpVersionWithoutAnAddressOrARouteIsUnreachable) {
  in_machine([](Machine& machine) {
    auto network = machine.network();
    value_of(network->take_over(ip("203.0.113.9")));
    const std::vector own{ip("10.7.0.2"), ip("fd07::2")};
    value_of(network->set_addresses(own));
    const std::vector<masque::IpRange> v4{all_ranges[0]};
    value_of(network->set_routes(v4));
    EXPECT_EQ(machine.way("8.8.8.8"), machine.tunnel.index());
    EXPECT_EQ(machine.way("2001:4860::1"), std::nullopt) << "does not leak";
    EXPECT_EQ(machine.way("2001:db8::7"), machine.card.index());
    value_of(network->set_addresses(std::span(own).first(1)));
    value_of(network->set_routes(all_ranges));
    EXPECT_EQ(machine.way("2001:4860::1"), std::nullopt);
    network.reset();
    EXPECT_EQ(machine.way("2001:4860::1"), machine.card.index());
  });
}

TEST(TunNetwork, OnlyWhatIsWantedAndAdvertisedIsRouted) {
  in_machine([](Machine& machine) {
    const auto network =
        machine.network({{prefix("10.0.0.0/8"), prefix("172.16.0.0/16")}, {prefix("10.9.0.0/16")}});
    value_of(network->take_over(ip("203.0.113.9")));
    const std::vector own{ip("10.7.0.2")};
    value_of(network->set_addresses(own));
    const std::vector<masque::IpRange> advertised{masque::range_of(prefix("10.0.0.0/9")),
                                                  masque::range_of(prefix("172.16.5.0/24"))};
    value_of(network->set_routes(advertised));
    EXPECT_THAT(network->routed(), testing::ElementsAre(prefix("10.0.0.0/9"), prefix("172.16.5.0/24")));
    EXPECT_EQ(machine.way("10.1.1.1"), machine.tunnel.index());
    EXPECT_EQ(machine.way("10.9.1.1"), machine.card.index()) << "excluded";
    EXPECT_EQ(machine.way("10.200.1.1"), std::nullopt) << "wanted, and not advertised";
    EXPECT_EQ(machine.way("8.8.8.8"), machine.card.index()) << "not wanted";
    // The proxy changes its mind.
    const std::vector<masque::IpRange> others{masque::range_of(prefix("10.9.7.0/24")),
                                              masque::range_of(prefix("10.128.0.0/9"))};
    value_of(network->set_routes(others));
    EXPECT_EQ(machine.way("10.1.1.1"), std::nullopt);
    EXPECT_EQ(machine.way("10.9.7.1"), machine.card.index()) << "excluded, however long the route is";
    EXPECT_EQ(machine.way("10.200.1.1"), machine.tunnel.index());
    // And gives another address.
    const std::vector other{ip("10.7.0.3")};
    value_of(network->set_addresses(other));
    const auto addresses = value_of(net::list_addresses(machine.netlink, machine.tunnel.index()));
    EXPECT_EQ(std::ranges::count_if(addresses, [](const auto& each) { return each.address.is_v4(); }), 1);
  });
}

TEST(TunNetwork, AddressesThatNoHostCanHaveAreRefused) {
  in_machine([](Machine& machine) {
    const auto network = machine.network();
    for (const char* wrong :
         {"0.0.0.0", "127.0.0.2", "224.0.0.1", "169.254.1.1", "192.0.2.9", "::1", "2001:db8::9"}) {
      const std::vector addresses{ip(wrong)};
      EXPECT_FALSE(network->set_addresses(addresses)) << wrong;
    }
  });
}

TEST(TunNetwork, TooManyRoutesAreAnError) {
  in_machine([](Machine& machine) {
    const auto network = machine.network();
    value_of(network->take_over(ip("203.0.113.9")));
    const std::vector own{ip("10.7.0.2")};
    value_of(network->set_addresses(own));
    std::vector<masque::IpRange> many;
    for (int i = 0; i < 50; ++i) {
      const std::string block = "10." + std::to_string(i) + ".0.";
      many.push_back(
          {.start = ip((block + "1").c_str()), .end = ip(("10." + std::to_string(i) + ".255.254").c_str())});
    }
    EXPECT_FALSE(network->set_routes(many));
  });
}

TEST(TunNetwork, TheFirstHopIsUnreachableRatherThanInTheTunnel) {
  in_machine([](Machine& machine) {
    const auto network = machine.network();
    value_of(network->take_over(ip("203.0.113.9")));
    const std::vector own{ip("10.7.0.2"), ip("fd07::2")};
    value_of(network->set_addresses(own));
    value_of(network->set_routes(all_ranges));
    const net::Route by_default{
        .destination = everything[0], .link = machine.card.index(), .gateway = ip("192.0.2.1")};
    value_of(net::remove_route(machine.netlink, by_default));
    EXPECT_EQ(machine.way("203.0.113.9"), std::nullopt) << "the machine has lost its network";
    EXPECT_EQ(machine.way("8.8.8.8"), machine.tunnel.index());
    value_of(net::add_route(machine.netlink, by_default));
    EXPECT_EQ(machine.way("203.0.113.9"), machine.card.index());
  });
}

TEST(TunNetwork, WhatAKilledOneLeftIsSwept) {
  in_machine([](Machine& machine) {
    const auto rules = machine.rules();
    // As a process that is killed leaves it: the device is gone, the rest is there.
    std::optional<net::TunDevice> device = value_of(net::TunDevice::open({.name = "gone"}));
    auto left = value_of(TunNetwork::open(device->index(), {everything, {}}));
    value_of(left->take_over(ip("203.0.113.9")));
    const auto before = machine.rules();
    EXPECT_EQ(before.size(), rules.size() + 6);
    machine.network();
    EXPECT_EQ(machine.rules(), before) << "while its device is there, it is in use";
    device.reset();
    EXPECT_EQ(machine.way("8.8.8.8"), std::nullopt);
    machine.network();
    EXPECT_EQ(machine.rules(), rules);
    EXPECT_EQ(machine.way("8.8.8.8"), machine.card.index());
  });
}

/// By the kernel's own lookup: the device that a packet from this address takes.
std::optional<unsigned> way_from(net::Rtnetlink& netlink, const char* from, const char* to) {
  net::RtnetlinkRequest request(RTM_GETROUTE, 0);
  auto& header = request.header<rtmsg>();
  header.rtm_family = AF_INET;
  header.rtm_dst_len = header.rtm_src_len = 32;
  request.put(RTA_DST, ip(to));
  request.put(RTA_SRC, ip(from));
  std::optional<unsigned> link;
  [[maybe_unused]] const auto done = netlink.call(request, "lookup", [&](const nlmsghdr& message) {
    link = net::RtnetlinkAttributes(message, sizeof(rtmsg)).u32(RTA_OIF);
  });
  return link;
}

TEST(TunNetwork, OfSeveralDevicesWhoIsBoundToOneUsesIt) {
  in_machine([](Machine& machine) {
    const net::TunDevice second = value_of(net::TunDevice::open({.name = "second"}));
    value_of(net::change_link(machine.netlink, value_of(net::find_link(machine.netlink, second.index())),
                              {.up = true}));
    const auto rules = machine.rules();
    {
      const auto first_network =
          machine.network({.routes = everything, .of_everybody = true, .device = "tunnel"});
      const auto network = value_of(TunNetwork::open(
          second.index(), {.routes = everything, .of_everybody = false, .device = "second"}));
      for (const auto& each : {first_network.get(), network.get()})
        value_of(each->take_over(ip("203.0.113.9")));
      const std::vector first{ip("10.7.0.2"), ip("fd07::2")}, own{ip("10.7.0.3"), ip("fd07::3")};
      value_of(first_network->set_addresses(first));
      value_of(network->set_addresses(own));
      value_of(network->set_routes(all_ranges));
      EXPECT_EQ(way_from(machine.netlink, "10.7.0.3", "8.8.8.8"), second.index());
      EXPECT_EQ(machine.way("8.8.8.8"), std::nullopt) << "everybody's is the first, which has no route yet";
      value_of(first_network->set_routes(all_ranges));
      EXPECT_EQ(machine.way("8.8.8.8"), machine.tunnel.index());
      EXPECT_EQ(machine.way("2001:4860::1"), machine.tunnel.index());
      EXPECT_EQ(way_from(machine.netlink, "10.7.0.2", "8.8.8.8"), machine.tunnel.index());
      EXPECT_EQ(way_from(machine.netlink, "10.7.0.3", "8.8.8.8"), second.index());
      EXPECT_EQ(machine.way_of_bound("8.8.8.8", nullptr, "second"), "10.7.0.3");
      EXPECT_EQ(machine.way_of_bound("8.8.8.8", nullptr, "tunnel"), "10.7.0.2");
      EXPECT_EQ(machine.way("192.0.2.7"), machine.card.index());
      // Another address, and the old one's rule is gone.
      const std::vector other{ip("10.7.0.4")};
      const std::size_t before = machine.rules().size();
      value_of(network->set_addresses(other));
      EXPECT_EQ(machine.rules().size(), before - 1);
      EXPECT_EQ(way_from(machine.netlink, "10.7.0.4", "8.8.8.8"), second.index());
    }
    EXPECT_EQ(machine.rules(), rules);
  });
}

TEST(TunNetwork, RoutesOfTheMachinesOwnThatWinAreNamed) {
  in_machine([](Machine& machine) {
    const auto network = machine.network({everything, {prefix("10.0.0.0/8")}});
    const auto names = [&] {
      std::vector<std::string> all;
      for (const net::Route& route : value_of(network->routes_before_ours(ip("203.0.113.9"))))
        all.push_back(route.destination.to_string());
      return all;
    };
    EXPECT_THAT(names(), testing::IsEmpty()) << "the default route and the connected network are no surprise";
    for (const char* to : {"0.0.0.0/1", "128.0.0.0/1", "10.1.0.0/16", "203.0.113.9/32"})
      value_of(net::add_route(machine.netlink, {.destination = prefix(to), .link = machine.card.index()}));
    EXPECT_THAT(names(), testing::UnorderedElementsAre("0.0.0.0/1", "128.0.0.0/1"));
    value_of(net::add_route(
        machine.netlink,
        {.destination = prefix("2000::/3"), .link = machine.card.index(), .gateway = ip("2001:db8::1")}));
    EXPECT_THAT(names(), testing::UnorderedElementsAre("0.0.0.0/1", "128.0.0.0/1", "2000::/3"));
  });
}

}  // namespace
}  // namespace sallyport::client
