#include "masque/proxy_group.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::SocketAddress at(std::string_view text) {
  return net::SocketAddress::parse(text).value();
}

TEST(ProxyGroup, AClientHasOneAccountForAsLongAsAnybodyUsesIt) {
  ProxyGroup group;
  const auto address = net::IpAddress::v4({192, 0, 2, 1});
  const ClientKey client(address);
  auto first = group.account_of(client);
  EXPECT_EQ(group.account_of(client), first);
  EXPECT_NE(group.account_of(ClientKey(net::IpAddress::v4({192, 0, 2, 2}))), first);
  EXPECT_NE(group.account_of(ClientKey(Identity{"alice"}, address)), first);
  EXPECT_NE(group.account_of(ClientKey(Identity{"alice"}, address)),
            group.account_of(ClientKey(Identity{"bob"}, address)));
  first->tunnels = 3;
  first.reset();
  EXPECT_EQ(group.account_of(client)->tunnels, 0u);
}

TEST(ProxyGroup, AccountsOfThousandsComeAndGoOnAllThreads) {
  ProxyGroup group;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&group] {
      for (std::uint8_t high = 0; high < 8; ++high)
        for (int low = 0; low < 256; ++low) {
          const auto account =
              group.account_of(ClientKey(net::IpAddress::v4({10, 0, high, static_cast<std::uint8_t>(low)})));
          account->tunnels.fetch_add(1);
          EXPECT_TRUE(account->held.take(1000));
          const TunnelExit exit(group, Protocol::udp, {at("192.0.2.1:4000"), at("192.0.2.2:443")});
          account->held.give_back(1000);
          account->tunnels.fetch_sub(1);
        }
    });
  for (std::thread& thread : threads) thread.join();
  const auto account = group.account_of(ClientKey(net::IpAddress::v4({10, 0, 0, 1})));
  EXPECT_EQ(account->tunnels, 0u);
  EXPECT_EQ(account->held.taken(), 0u);
}

TEST(ProxyGroup, KnowsWhatCameOutOfItsTunnels) {
  ProxyGroup group;
  const net::NetPath socket{at("192.0.2.1:4000"), at("192.0.2.2:443")};
  const net::NetPath arrival{at("[::ffff:192.0.2.2]:443"), at("[::ffff:192.0.2.1]:4000")};
  EXPECT_FALSE(group.came_out_here(Protocol::udp, arrival));
  {
    TunnelExit exit(group, Protocol::udp, socket);
    EXPECT_TRUE(group.came_out_here(Protocol::udp, arrival));
    EXPECT_TRUE(group.came_out_here(Protocol::udp, {at("192.0.2.3:444"), arrival.remote}))
        << "a NAT sent it elsewhere";
    EXPECT_FALSE(group.came_out_here(Protocol::tcp, arrival));
    EXPECT_FALSE(group.came_out_here(Protocol::udp, {arrival.local, at("192.0.2.1:4001")}));
    TunnelExit moved = std::move(exit);
    EXPECT_TRUE(group.came_out_here(Protocol::udp, arrival));
    moved = {};
    EXPECT_FALSE(group.came_out_here(Protocol::udp, arrival));
  }
  // Several TCP connections may share a port, so only both ends tell.
  const TunnelExit tcp(group, Protocol::tcp, socket);
  EXPECT_TRUE(group.came_out_here(Protocol::tcp, arrival));
  EXPECT_FALSE(group.came_out_here(Protocol::tcp, {at("192.0.2.3:443"), arrival.remote}));
}

}  // namespace
}  // namespace sallyport::masque
