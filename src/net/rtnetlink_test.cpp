#include "net/rtnetlink.h"

#include "net/interface_addresses.h"
#include "net/links.h"
#include "net/network_namespace_for_test.h"
#include "net/routes.h"

#include <algorithm>
#include <cerrno>

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

// Links, addresses and routes, by the loopback device and TUN devices of a namespace.
namespace sallyport::net {
namespace {

using namespace test;

IpPrefix prefix(const char* text) {
  return IpPrefix::parse(text).value();
}

bool contains(const Result<std::vector<InterfaceAddress>>& list, const InterfaceAddress& address) {
  return list && std::ranges::find(*list, address) != list->end();
}

TEST(Links, NamesThatTheKernelTakes) {
  for (const char* name : {"a", "tun0", "123456789012345", "a.b", "...", "%"})
    EXPECT_TRUE(is_link_name(name)) << name;
  for (const char* name : {"", ".", "..", "1234567890123456", "a/b", "a b", "a:b", "a\tb", "a\n"})
    EXPECT_FALSE(is_link_name(name)) << name;
  EXPECT_FALSE(is_link_name(std::string_view("a\0b", 3)));
}

TEST(Links, AreFoundListedAndChanged) {
  const bool ran = in_network_namespace([] {
    Rtnetlink netlink = value_of(Rtnetlink::open());
    const Link lo = value_of(find_link(netlink, "lo"));
    EXPECT_EQ(lo.index, 1u);
    EXPECT_EQ(lo.mtu, 65536u);
    EXPECT_TRUE(lo.up);
    EXPECT_EQ(value_of(find_link(netlink, 1u)).name, "lo");
    value_of(change_link(netlink, lo, {.up = false, .mtu = 4000, .transmit_queue_length = 77}));
    const Link changed = value_of(find_link(netlink, "lo"));
    EXPECT_FALSE(changed.up);
    EXPECT_EQ(changed.mtu, 4000u);
    EXPECT_EQ(changed.transmit_queue_length, 77u);
    value_of(change_link(netlink, lo, {.mtu = 5000}));  // and nothing else
    EXPECT_FALSE(value_of(find_link(netlink, "lo")).up);
    const auto all = value_of(list_links(netlink));
    EXPECT_TRUE(
        std::ranges::any_of(all, [](const Link& link) { return link.name == "lo" && link.mtu == 5000; }));
  });
  if (!ran) GTEST_SKIP() << needs_namespace;
}

TEST(Links, ErrorsSayWhatTheKernelSays) {
  const bool ran = in_network_namespace_with_tun([] {
    Rtnetlink netlink = value_of(Rtnetlink::open());
    EXPECT_EQ(find_link(netlink, "nothing").error().message, "there is no network device 'nothing'");
    EXPECT_EQ(find_link(netlink, "nothing").error().code, std::uint64_t{ENODEV});
    EXPECT_EQ(find_link(netlink, "a name that is far too long").error().code, std::uint64_t{ENODEV});
    EXPECT_EQ(find_link(netlink, 4321u).error().code, std::uint64_t{ENODEV});
    EventLoop loop;
    const Tun tun = make_tun(loop, {.name = "sp0"}, {});
    const auto refused = change_link(netlink, tun.link, {.mtu = 20});
    ASSERT_FALSE(refused);
    // The first explanation is the kernel's own.
    EXPECT_EQ(refused.error().message,
              "cannot set network device 'sp0' to MTU 20: mtu less than device minimum (Invalid argument)");
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    value_of(remove_link(netlink, tun.link));
    EXPECT_EQ(change_link(netlink, tun.link, {.up = true}).error().code, std::uint64_t{ENODEV});
    // What came before an error does not disturb the next call.
    EXPECT_TRUE(find_link(netlink, "lo"));
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(InterfaceAddresses, AreAddedListedAndRemoved) {
  const bool ran = in_network_namespace([] {
    Rtnetlink netlink = value_of(Rtnetlink::open());
    for (const InterfaceAddress& address :
         {InterfaceAddress{1, ip("192.0.2.7"), 24}, {1, ip("192.0.2.8"), 32}, {1, ip("2001:db8::7"), 64}}) {
      SCOPED_TRACE(address.address.to_string());
      EXPECT_FALSE(contains(list_addresses(netlink), address));
      value_of(add_address(netlink, address));
      EXPECT_TRUE(contains(list_addresses(netlink), address));
      EXPECT_TRUE(contains(list_addresses(netlink, 1), address));
      EXPECT_FALSE(contains(list_addresses(netlink, 2), address));
      EXPECT_EQ(add_address(netlink, address).error().code, std::uint64_t{EEXIST});
      // Usable at once: with duplicate address detection, an IPv6 address would be tentative.
      const UniqueFd socket(
          ::socket(address.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      const SocketAddress here(address.address, 0);
      EXPECT_EQ(::bind(socket.get(), here.data(), here.size()), 0);
      value_of(remove_address(netlink, address));
      EXPECT_FALSE(contains(list_addresses(netlink), address));
      const auto again = remove_address(netlink, address);
      EXPECT_EQ(again.error().code, std::uint64_t{EADDRNOTAVAIL});
      EXPECT_TRUE(
          again.error().message.starts_with("cannot remove the address " + address.address.to_string() + "/"))
          << again.error().message;
    }
    EXPECT_FALSE(add_address(netlink, {1, ip("192.0.2.7"), 33}));
    EXPECT_FALSE(add_address(netlink, {99, ip("192.0.2.7"), 32}));
  });
  if (!ran) GTEST_SKIP() << needs_namespace;
}

TEST(InterfaceAddresses, AreAllListedHoweverMany) {
  const bool ran = in_network_namespace([] {
    Rtnetlink netlink = value_of(Rtnetlink::open());
    // More than one message of the kernel's holds.
    for (unsigned i = 0; i < 1000; ++i)
      value_of(add_address(
          netlink,
          {1, IpAddress::v4({10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}), 32}));
    EXPECT_EQ(value_of(list_addresses(netlink)).size(), 1000u + 2);  // and those of the loopback device
  });
  if (!ran) GTEST_SKIP() << needs_namespace;
}

TEST(Routes, AreAddedReplacedListedAndRemoved) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    const Tun tun = make_tun(loop, {.name = "sp0"}, {{"192.0.2.1", 24}, {"2001:db8::1", 64}});
    Rtnetlink netlink = value_of(Rtnetlink::open());
    const unsigned link = tun.link.index;
    const Route routes[]{
        {.destination = prefix("198.51.100.0/24"), .link = link},
        {.destination = prefix("0.0.0.0/0"), .link = link, .metric = 7},
        {.destination = prefix("198.51.101.0/24"), .link = link, .gateway = ip("192.0.2.99")},
        {.destination = prefix("198.51.102.0/24"), .link = link, .gateway = ip("2001:db8::99")},
        {.destination = prefix("198.51.103.0/24"),
         .link = link,
         .source = ip("192.0.2.1"),
         .table = 1000,
         .metric = 9,
         .protocol = 200},
        {.destination = prefix("198.51.104.0/24"), .type = RouteType::unreachable, .metric = 50},
        {.destination = prefix("198.51.105.1/32"), .type = RouteType::blackhole},
        {.destination = prefix("2001:db8:1::/48"), .link = link, .metric = 1024},
        {.destination = prefix("::/0"), .link = link, .gateway = ip("2001:db8::99"), .metric = 8},
        {.destination = prefix("2001:db8:2::/48"), .type = RouteType::unreachable, .link = 1, .metric = 10},
        {.destination = prefix("2001:db8:3::/48"),
         .type = RouteType::prohibit,
         .link = 1,
         .table = 1000,
         .metric = 10},
    };
    for (const Route& route : routes) {
      SCOPED_TRACE(route.destination.to_string());
      const auto is_listed = [&] {
        return std::ranges::count(value_of(list_routes(netlink, route.table)), route) == 1;
      };
      Route asked = route;
      if (route.type != RouteType::unicast)
        asked.link = 0;  // where the kernel then names the loopback device
      EXPECT_FALSE(is_listed());
      value_of(add_route(netlink, asked));
      EXPECT_TRUE(is_listed());
      const auto again = add_route(netlink, asked);
      ASSERT_FALSE(again);
      EXPECT_EQ(again.error().code, std::uint64_t{EEXIST});
      value_of(replace_route(netlink, asked));
      EXPECT_TRUE(is_listed());
      value_of(remove_route(netlink, asked));
      EXPECT_FALSE(is_listed());
      EXPECT_EQ(remove_route(netlink, asked).error().code, std::uint64_t{ESRCH});
    }
    Route changing = routes[0];
    value_of(add_route(netlink, changing));
    changing.gateway = ip("192.0.2.98");
    value_of(replace_route(netlink, changing));
    EXPECT_EQ(value_of(look_up_route(netlink, ip("198.51.100.1"))).gateway, ip("192.0.2.98"));
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(Routes, ErrorsNameTheRoute) {
  const bool ran = in_network_namespace([] {
    Rtnetlink netlink = value_of(Rtnetlink::open());
    const auto refused = add_route(
        netlink, {.destination = prefix("198.51.100.0/24"), .gateway = ip("192.0.2.1"), .table = 77});
    ASSERT_FALSE(refused);
    EXPECT_EQ(
        refused.error().message,
        "cannot add the route to 198.51.100.0/24 via 192.0.2.1 in table 77: Nexthop has invalid gateway "
        "(Network is unreachable)");
    EXPECT_EQ(refused.error().kind, ErrorKind::unreachable);
    EXPECT_FALSE(add_route(netlink, {.destination = prefix("198.51.100.0/24"), .link = 999}));
    EXPECT_FALSE(add_route(netlink, {.destination = prefix("198.51.100.0/24")}));
  });
  if (!ran) GTEST_SKIP() << needs_namespace;
}

TEST(Routes, AreLookedUp) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Rtnetlink netlink = value_of(Rtnetlink::open());
    for (const char* nowhere : {"203.0.113.1", "2001:db8:9::1"}) {
      const auto none = look_up_route(netlink, ip(nowhere));
      ASSERT_FALSE(none) << nowhere;
      EXPECT_EQ(none.error().kind, ErrorKind::unreachable);
      EXPECT_TRUE(none.error().message.starts_with(std::string("there is no way to ") + nowhere))
          << none.error().message;
    }
    const Tun tun = make_tun(loop, {.name = "sp0"}, {{"192.0.2.1", 24}, {"2001:db8::1", 64}});
    const unsigned link = tun.link.index;
    value_of(
        add_route(netlink, {.destination = prefix("0.0.0.0/0"), .link = link, .gateway = ip("192.0.2.99")}));
    value_of(
        add_route(netlink, {.destination = prefix("::/0"), .link = link, .gateway = ip("2001:db8::99")}));
    value_of(add_route(
        netlink, {.destination = prefix("198.51.100.0/24"), .link = link, .gateway = ip("2001:db8::98")}));
    for (const auto& [to, gateway, source] : {std::tuple{"203.0.113.1", "192.0.2.99", "192.0.2.1"},
                                              {"192.0.2.5", "", "192.0.2.1"},
                                              {"::ffff:203.0.113.1", "192.0.2.99", "192.0.2.1"},
                                              {"198.51.100.1", "2001:db8::98", "192.0.2.1"},
                                              {"2001:db8:9::1", "2001:db8::99", "2001:db8::1"},
                                              {"2001:db8::5", "", "2001:db8::1"}}) {
      SCOPED_TRACE(to);
      const auto found = value_of(look_up_route(netlink, ip(to)));
      EXPECT_EQ(found.type, RouteType::unicast);
      EXPECT_EQ(found.link, link);
      EXPECT_EQ(found.gateway, IpAddress::parse(gateway));
      EXPECT_EQ(found.source, ip(source));
    }
    EXPECT_EQ(value_of(look_up_route(netlink, ip("192.0.2.1"))).type, RouteType::local);
    EXPECT_EQ(value_of(look_up_route(netlink, ip("::1"))).type, RouteType::local);
    for (const RouteType type : {RouteType::unreachable, RouteType::blackhole, RouteType::prohibit})
      for (const char* to : {"203.0.113.0/24", "2001:db8:9::/48"}) {
        value_of(add_route(netlink, {.destination = prefix(to), .type = type}));
        const auto none = look_up_route(netlink, prefix(to).address());
        ASSERT_FALSE(none) << to;
        EXPECT_EQ(none.error().kind, type == RouteType::prohibit && none.error().code == EACCES
                                         ? ErrorKind::denied
                                         : ErrorKind::unreachable)
            << none.error().message;
        value_of(remove_route(netlink, {.destination = prefix(to), .type = type}));
      }
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(Routes, ClashesWithLocalNetworksAreFound) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    const Tun tun = make_tun(loop, {.name = "sp0"}, {{"192.0.2.1", 24}, {"2001:db8::1", 64}});
    Rtnetlink netlink = value_of(Rtnetlink::open());
    const unsigned link = tun.link.index;
    value_of(add_route(netlink, {.destination = prefix("0.0.0.0/0"), .link = link}));
    value_of(add_route(netlink, {.destination = prefix("::/0"), .link = link}));
    for (const char* half : {"0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"})
      value_of(add_route(netlink, {.destination = prefix(half), .link = link}));
    value_of(add_route(netlink, {.destination = prefix("198.51.100.0/24"), .link = link}));
    value_of(add_route(netlink,
                       {.destination = prefix("198.51.101.0/24"), .link = link, .gateway = ip("192.0.2.9")}));
    for (const auto& [wanted, network] : {std::pair{"192.0.2.128/25", "192.0.2.0/24"},
                                          {"192.0.2.77/32", "192.0.2.0/24"},
                                          {"192.0.0.0/16", "192.0.2.0/24"},
                                          {"198.51.100.64/26", "198.51.100.0/24"},
                                          {"2001:db8::/32", "2001:db8::/64"},
                                          {"127.0.0.53/32", "127.0.0.0/8"},
                                          {"::1/128", "::1/128"}}) {
      const auto clash = value_of(find_network_clash(netlink, prefix(wanted)));
      ASSERT_TRUE(clash) << wanted;
      EXPECT_EQ(clash->network.to_string(), network);
      EXPECT_EQ(clash->link, std::string_view(wanted).starts_with("127") || wanted[0] == ':' ? "lo" : "sp0");
    }
    for (const char* wanted :
         {"192.0.3.0/24", "198.51.101.0/24", "10.0.0.0/8", "2001:db8:1::/64", "fe80::/64"})
      EXPECT_FALSE(value_of(find_network_clash(netlink, prefix(wanted)))) << wanted;
    EXPECT_FALSE(value_of(find_network_clash(netlink, prefix("192.0.2.0/24"), link)));
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

}  // namespace
}  // namespace sallyport::net
