#include "masque/address_pool.h"

#include "base/random.h"

#include <algorithm>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}

ClientKey client(const std::string& name) {
  return {Identity{.name = name}, net::IpAddress()};
}

std::unique_ptr<AddressPool> pool_of(std::initializer_list<std::string_view> texts,
                                     const AddressPoolOptions& options = {}) {
  std::vector<net::IpPrefix> prefixes;
  for (const auto text : texts) prefixes.push_back(net::IpPrefix::parse(text).value());
  return AddressPool::make(prefixes, options).value();
}

std::string refused(std::initializer_list<std::string_view> texts) {
  std::vector<net::IpPrefix> prefixes;
  for (const auto text : texts) prefixes.push_back(net::IpPrefix::parse(text).value());
  const auto made = AddressPool::make(prefixes);
  if (made) return "made";
  EXPECT_EQ(made.error().kind, ErrorKind::usage);
  return made.error().message;
}

/// The leased address, or the kind of the error as a word.
std::string shown(const Result<AddressLease>& lease) {
  if (lease) return lease->address().to_string();
  return lease.error().kind == ErrorKind::resource ? "resource"
         : lease.error().kind == ErrorKind::denied ? "denied"
                                                   : "another kind";
}

/// All that can be leased of `v4`.
std::set<std::string> all_of(AddressPool& pool, bool v4) {
  std::set<std::string> all;
  std::deque<AddressLease> held;
  for (int i = 0; i < 1000; ++i) {
    auto lease = pool.lease(client(std::to_string(i)), v4);
    if (!lease) break;
    EXPECT_TRUE(all.insert(lease->address().to_string()).second);
    held.push_back(*std::move(lease));
  }
  return all;
}

TEST(AddressPool, LeasesNeitherNetworkNorBroadcastNorItsOwnAddress) {
  EXPECT_EQ(all_of(*pool_of({"10.0.0.8/29"}), true),
            (std::set<std::string>{"10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14"}));
  EXPECT_EQ(all_of(*pool_of({"10.0.0.4/30"}), true), std::set<std::string>{"10.0.0.6"});
  EXPECT_EQ(all_of(*pool_of({"10.0.0.4/31"}), true), std::set<std::string>{"10.0.0.5"});
  EXPECT_EQ(all_of(*pool_of({"2001:db8::4/126"}), false),
            (std::set<std::string>{"2001:db8::6", "2001:db8::7"}));
  EXPECT_EQ(all_of(*pool_of({"2001:db8::4/127"}), false), std::set<std::string>{"2001:db8::5"});
}

TEST(AddressPool, OwnAddressesAreTheFirst) {
  const auto pool = pool_of({"10.0.0.0/24", "10.1.0.4/31", "2001:db8::/64"});
  EXPECT_EQ(pool->own_addresses(), (std::vector<std::pair<net::IpAddress, unsigned>>{
                                       {ip("10.0.0.1"), 24}, {ip("10.1.0.4"), 31}, {ip("2001:db8::1"), 64}}));
}

TEST(AddressPool, GoesOnInTheNextPrefix) {
  const auto pool = pool_of({"10.0.0.4/30", "10.0.1.0/29", "2001:db8::/127", "2001:db8:1::/127"});
  EXPECT_EQ(all_of(*pool, true),
            (std::set<std::string>{"10.0.0.6", "10.0.1.2", "10.0.1.3", "10.0.1.4", "10.0.1.5", "10.0.1.6"}));
  EXPECT_EQ(all_of(*pool, false), (std::set<std::string>{"2001:db8::1", "2001:db8:1::1"}));
  EXPECT_EQ(pool->figures(true).capacity, 6u);
  EXPECT_EQ(pool->figures(false).capacity, 2u);
}

TEST(AddressPool, PrefixesThatCannotServeAreNamed) {
  EXPECT_NE(refused({"10.0.0.1/32"}).find("10.0.0.1/32 is one address"), std::string::npos);
  EXPECT_NE(refused({"2001:db8::1/128"}).find("at most /127"), std::string::npos);
  EXPECT_NE(refused({"10.0.0.0/8", "10.1.0.0/16"}).find("10.0.0.0/8 and 10.1.0.0/16 overlap"),
            std::string::npos);
  EXPECT_NE(refused({"10.1.0.0/16", "192.168.0.0/16", "10.0.0.0/8"}).find("overlap"), std::string::npos);
  for (const auto special : {"127.0.0.0/24", "0.0.0.0/0", "224.0.0.0/8", "169.254.1.0/24", "::/0",
                             "fe80::/64", "ff02::/64", "::ffff:10.0.0.0/104", "255.255.255.0/24"})
    EXPECT_NE(refused({special}).find("no client can use"), std::string::npos) << special;
  EXPECT_EQ(refused({"10.0.0.0/8", "11.0.0.0/8", "fd00::/8", "2001:db8::/32"}), "made");
}

TEST(AddressPool, AClientThatComesBackGetsItsAddress) {
  const auto pool = pool_of({"10.0.0.0/24", "2001:db8::/64"});
  std::string v4, v6;
  {
    const auto first = pool->lease(client("a"), true);
    const auto a4 = pool->lease(client("b"), true);
    const auto a6 = pool->lease(client("b"), false);
    v4 = shown(a4);
    v6 = shown(a6);
    EXPECT_EQ(v4, "10.0.0.3");
    EXPECT_EQ(v6, "2001:db8::2");
  }
  const auto other = pool->lease(client("c"), true);
  EXPECT_EQ(shown(other), "10.0.0.4") << "not one that is remembered";
  EXPECT_EQ(shown(pool->lease(client("b"), true)), v4);
  EXPECT_EQ(shown(pool->lease(client("b"), false)), v6);
}

TEST(AddressPool, AClientIsItsIdentityOrItsAddress) {
  const auto pool = pool_of({"10.0.0.0/24"});
  EXPECT_EQ(shown(pool->lease(ClientKey(ip("192.0.2.1")), true)), "10.0.0.2");
  EXPECT_EQ(shown(pool->lease(ClientKey(ip("192.0.2.2")), true)), "10.0.0.3");
  EXPECT_EQ(shown(pool->lease(ClientKey(ip("192.0.2.1")), true)), "10.0.0.2");
  EXPECT_EQ(shown(pool->lease(ClientKey(ip("2001:db8::1")), true)), "10.0.0.4");
  EXPECT_EQ(shown(pool->lease(ClientKey(ip("2001:db8::2")), true)), "10.0.0.4") << "the same /64";
}

TEST(AddressPool, TunnelsOfOneClientHaveAddressesOfTheirOwn) {
  const auto pool = pool_of({"10.0.0.0/24"});
  auto first = pool->lease(client("a"), true);
  auto second = pool->lease(client("a"), true);
  EXPECT_EQ(shown(first), "10.0.0.2");
  EXPECT_EQ(shown(second), "10.0.0.3");
  first = fail(ErrorKind::closed, "");
  second = fail(ErrorKind::closed, "");
  const auto third = pool->lease(client("a"), true);
  const auto fourth = pool->lease(client("a"), true);
  const auto fifth = pool->lease(client("a"), true);
  EXPECT_EQ(shown(third), "10.0.0.3") << "the one that it had last";
  EXPECT_EQ(shown(fourth), "10.0.0.2");
  EXPECT_EQ(shown(fifth), "10.0.0.4");
}

TEST(AddressPool, AnAddressThatIsAskedForIsHadWhenItIsFree) {
  const auto pool = pool_of({"10.0.0.0/24", "2001:db8::/32"});
  const auto wanted = pool->lease(client("a"), ip("10.0.0.3"));
  EXPECT_EQ(shown(wanted), "10.0.0.3");
  EXPECT_EQ(shown(pool->lease(client("b"), ip("10.0.0.3"))), "resource");
  EXPECT_EQ(shown(pool->lease(client("a"), ip("10.0.0.3"))), "resource");
  EXPECT_EQ(shown(pool->lease(client("b"), ip("2001:db8:ffff:ffff:ffff:ffff:ffff:fffe"))),
            "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe");
  const auto next = pool->lease(client("b"), true);
  const auto after_next = pool->lease(client("b"), true);
  EXPECT_EQ(shown(next), "10.0.0.2");
  EXPECT_EQ(shown(after_next), "10.0.0.4") << "the one between is leased";
}

TEST(AddressPool, AnAddressIsKeptForWhoHadIt) {
  const auto pool = pool_of({"10.0.0.0/24"});
  EXPECT_EQ(shown(pool->lease(client("a"), ip("10.0.0.9"))), "10.0.0.9");
  EXPECT_EQ(shown(pool->lease(client("b"), ip("10.0.0.9"))), "resource");
  EXPECT_EQ(shown(pool->lease(client("a"), ip("10.0.0.9"))), "10.0.0.9");
}

TEST(AddressPool, OthersAddressesAreDenied) {
  const auto pool = pool_of({"10.0.0.0/24", "2001:db8::/64"});
  for (const auto address : {"10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.1", "2001:db8::", "2001:db8::1",
                             "2001:db8:0:1::5", "::ffff:10.0.0.9", "0.0.0.0"})
    EXPECT_EQ(shown(pool->lease(client("a"), ip(address))), "denied") << address;
}

// docs/threat-model.md, "tunnel flood".
TEST(AddressPool, ExhaustionIsAnErrorAndEndsWithALease) {
  const auto pool = pool_of({"10.0.0.0/29"});
  std::deque<AddressLease> held;
  for (int i = 0; i < 5; ++i) held.push_back(pool->lease(client(std::to_string(i)), true).value());
  EXPECT_EQ(shown(pool->lease(client("late"), true)), "resource");
  EXPECT_EQ(shown(pool->lease(client("late"), false)), "resource") << "no IPv6 at all";
  const net::IpAddress given_back = held.front().address();
  held.pop_front();
  EXPECT_EQ(shown(pool->lease(client("late"), true)), given_back.to_string());
  EXPECT_EQ(pool->figures(true).leased, 4u);
}

// docs/threat-model.md, "tunnel flood".
TEST(AddressPool, OneClientLeavesTheOthersTheirs) {
  const auto pool = pool_of({"10.0.0.0/24"}, {.leases_per_client = 3});
  std::deque<AddressLease> held;
  for (int i = 0; i < 3; ++i) held.push_back(pool->lease(client("greedy"), true).value());
  EXPECT_EQ(shown(pool->lease(client("greedy"), true)), "resource");
  EXPECT_EQ(shown(pool->lease(client("greedy"), ip("10.0.0.99"))), "resource");
  EXPECT_EQ(shown(pool->lease(client("innocent"), true)), "10.0.0.5");
  held.pop_back();
  EXPECT_EQ(shown(pool->lease(client("greedy"), true)), "10.0.0.4");
}

// docs/threat-model.md, "tunnel flood".
TEST(AddressPool, OneClientGetsHalfOfThePoolAtMost) {
  const auto pool = pool_of({"10.0.0.0/30", "10.0.1.0/29", "2001:db8::/127"});
  std::deque<AddressLease> held;
  for (int i = 0; i < 3; ++i) held.push_back(pool->lease(client("greedy"), true).value());
  EXPECT_EQ(shown(pool->lease(client("greedy"), true)), "resource");
  EXPECT_EQ(shown(pool->lease(client("greedy"), ip("10.0.1.6"))), "resource");
  EXPECT_EQ(shown(pool->lease(client("innocent"), true)), "10.0.1.4");
  const auto only = pool->lease(client("greedy"), false);
  EXPECT_EQ(shown(only), "2001:db8::1") << "one at least, and each IP version for itself";
}

// docs/threat-model.md, "tunnel flood".
TEST(AddressPool, WhoNamesManyAddressesIsForgottenFirst) {
  const auto pool = pool_of({"10.0.0.0/24"}, {.leases_per_client = 3, .remembered = 4});
  EXPECT_EQ(shown(pool->lease(client("innocent"), true)), "10.0.0.2");
  for (int i = 100; i < 120; ++i) {
    const std::string name = "10.0.0." + std::to_string(i);
    EXPECT_EQ(shown(pool->lease(client("greedy"), ip(name))), name);
  }
  EXPECT_EQ(pool->figures(true).remembered, 4u);
  const auto other = pool->lease(client("other"), true);
  EXPECT_EQ(shown(other), "10.0.0.3") << "10.0.0.2 is not forgotten";
  EXPECT_EQ(shown(pool->lease(client("innocent"), true)), "10.0.0.2");
  for (const auto kept : {"10.0.0.117", "10.0.0.118", "10.0.0.119"})
    EXPECT_EQ(shown(pool->lease(client("other"), ip(kept))), "resource") << kept;
  EXPECT_EQ(shown(pool->lease(client("other"), ip("10.0.0.116"))), "10.0.0.116");
}

TEST(AddressPool, WhatOneClientLeasesCountsWithWhatIsRememberedForIt) {
  const auto pool = pool_of({"10.0.0.0/24"}, {.leases_per_client = 3});
  {
    std::deque<AddressLease> gone;
    for (int i = 0; i < 3; ++i) gone.push_back(pool->lease(client("a"), true).value());
    while (!gone.empty()) gone.pop_front();
  }
  const auto named = pool->lease(client("a"), ip("10.0.0.50"));
  EXPECT_EQ(pool->figures(true).remembered, 2u);
  EXPECT_EQ(shown(pool->lease(client("b"), true)), "10.0.0.2") << "the oldest is anybody's again";
  EXPECT_EQ(shown(pool->lease(client("a"), true)), "10.0.0.4");
}

TEST(AddressPool, WhenAllWereUsedTheOldestIsTakenFirst) {
  const auto pool = pool_of({"10.0.0.0/29"});
  {
    std::deque<AddressLease> held;
    for (const auto name : {"a", "b", "c", "d", "e"}) held.push_back(pool->lease(client(name), true).value());
    while (!held.empty()) held.pop_front();
  }
  {
    const auto again = pool->lease(client("a"), true);
  }
  EXPECT_EQ(pool->figures(true).remembered, 5u);
  const auto late = pool->lease(client("late"), true);
  EXPECT_EQ(shown(late), "10.0.0.3") << "b's: a was here since";
  EXPECT_EQ(shown(pool->lease(client("a"), true)), "10.0.0.2");
  EXPECT_EQ(shown(pool->lease(client("c"), true)), "10.0.0.4");
  EXPECT_NE(shown(pool->lease(client("b"), true)), "10.0.0.3");
}

TEST(AddressPool, RemembersNoMoreThanItMay) {
  const auto pool = pool_of({"2001:db8::/64"}, {.remembered = 2});
  {
    std::deque<AddressLease> held;
    for (const auto name : {"a", "b", "c"}) held.push_back(pool->lease(client(name), false).value());
    while (!held.empty()) held.pop_front();
  }
  EXPECT_EQ(pool->figures(false).remembered, 2u);
  const auto c = pool->lease(client("c"), false);
  EXPECT_EQ(shown(c), "2001:db8::4");
  const auto late = pool->lease(client("late"), false);
  EXPECT_EQ(shown(late), "2001:db8::2") << "what was a's comes before new ones";
  const auto a = pool->lease(client("a"), false);
  EXPECT_EQ(shown(a), "2001:db8::5");
}

TEST(AddressPool, AForgottenAddressThatLiesAheadIsLeasedOnce) {
  const auto pool = pool_of({"10.0.0.0/29"}, {.remembered = 0});
  EXPECT_EQ(shown(pool->lease(client("a"), ip("10.0.0.4"))), "10.0.0.4");
  EXPECT_EQ(shown(pool->lease(client("a"), ip("10.0.0.2"))), "10.0.0.2");
  EXPECT_EQ(all_of(*pool, true).size(), 5u);
  EXPECT_EQ(all_of(*pool, true).size(), 5u);
}

TEST(AddressPool, WhatWasForgottenIsLeasedAgainWhereverThePrefixLies) {
  for (const auto text : {"2001:db8::/126", "2001:db8::4/126", "2001:db8::c/126", "2001:db8::4/127",
                          "2001:db8::6/127", "2001:db8::ffff:ffff:ffff:fff0/124"}) {
    const auto pool = pool_of({text}, {.remembered = 0});
    const auto all = all_of(*pool, false);
    EXPECT_EQ(all.size(), pool->figures(false).capacity) << text;
    EXPECT_EQ(all_of(*pool, false), all) << text;
  }
  for (const auto text : {"10.0.0.0/30", "10.0.0.4/30", "10.0.0.4/31", "10.0.0.6/31", "10.0.0.8/29"}) {
    const auto pool = pool_of({text}, {.remembered = 0});
    const auto all = all_of(*pool, true);
    EXPECT_EQ(all.size(), pool->figures(true).capacity) << text;
    EXPECT_EQ(all_of(*pool, true), all) << text;
  }
}

TEST(AddressPool, WhatIsRememberedIsListed) {
  const auto pool = pool_of({"10.0.0.0/28", "2001:db8::/64"});
  const auto stays = pool->lease(client("a"), true);
  EXPECT_THAT(pool->remembered(), testing::IsEmpty());
  for (const auto& [name, v4] : {std::pair{"c", true}, {"b", true}, {"c", false}})
    EXPECT_TRUE(pool->lease(client(name), ip(v4 ? name[0] == 'c' ? "10.0.0.9" : "10.0.0.5" : "2001:db8::7")));
  EXPECT_THAT(pool->remembered(), testing::ElementsAre(std::pair{ip("10.0.0.9"), client("c")},
                                                       std::pair{ip("10.0.0.5"), client("b")},
                                                       std::pair{ip("2001:db8::7"), client("c")}));
  const auto back = pool->lease(client("c"), true);
  EXPECT_THAT(pool->remembered(), testing::ElementsAre(std::pair{ip("10.0.0.5"), client("b")},
                                                       std::pair{ip("2001:db8::7"), client("c")}));
}

TEST(AddressPool, WhatIsRememberedIsListedHoweverMuchItIs) {
  const auto pool = pool_of({"10.0.0.0/19", "2001:db8::/64"});
  std::vector<std::pair<net::IpAddress, ClientKey>> given_back;
  std::deque<AddressLease> stay, go;
  for (int i = 0; i < 5'000; ++i)
    (i % 3 == 0 ? stay : go).push_back(pool->lease(client("a" + std::to_string(i)), true).value());
  for (int i = 0; i < 700; ++i) go.push_back(pool->lease(client("b" + std::to_string(i)), false).value());
  // In another order than that of the addresses, and IPv4 first.
  SeededRandom random(1);
  for (const bool v4 : {false, true})
    for (std::size_t left = v4 ? 3'333 : 700; left > 0; --left) {
      const auto at = go.begin() + static_cast<std::ptrdiff_t>(v4 ? random.below(left)
                                                                  : go.size() - 1 - random.below(left));
      const net::IpAddress address = at->address();
      go.erase(at);
      given_back.emplace_back(address, ClientKey(address));
    }
  std::ranges::rotate(given_back, given_back.begin() + 700);
  const auto all = pool->remembered();
  ASSERT_EQ(all.size(), given_back.size());
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i].first, given_back[i].first) << i;
}

// As an operator's page is made while clients come and go.
TEST(AddressPool, IsListedWhileOthersLease) {
  const auto pool = pool_of({"10.0.0.0/21"});
  const auto hold = [&pool](int worker, int round) {
    std::vector<AddressLease> held;
    for (int i = 0; i < 300; ++i)
      held.push_back(
          pool->lease(client(std::to_string(worker) + "/" + std::to_string((i * 7 + round) % 900)), true)
              .value());
  };
  for (int worker = 0; worker < 2; ++worker) hold(worker, 0);
  std::vector<std::thread> workers;
  for (int worker = 0; worker < 2; ++worker)
    workers.emplace_back([&hold, worker] {
      for (int round = 0; round < 50; ++round) hold(worker, round);
    });
  for (int i = 0; i < 100; ++i) {
    std::set<net::IpAddress> seen;
    for (const auto& [address, client] : pool->remembered()) ASSERT_TRUE(seen.insert(address).second);
    ASSERT_LE(seen.size(), pool->figures(true).capacity);
  }
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(pool->remembered().size(), pool->figures(true).remembered);
}

TEST(AddressPool, ALeaseMoves) {
  const auto pool = pool_of({"10.0.0.0/29"});
  {
    AddressLease a = pool->lease(client("a"), true).value();
    AddressLease b = pool->lease(client("b"), true).value();
    AddressLease moved = std::move(a);
    moved = std::move(b);
    EXPECT_EQ(moved.address().to_string(), "10.0.0.3");
  }
  EXPECT_EQ(pool->figures(true).leased, 0u);
}

// Ten thousand clients come and go: each has its own address as long as it has it, and whoever comes back
// soon has the same one again.
TEST(AddressPool, TenThousandClientsComeAndGo) {
  const auto pool = pool_of({"10.0.0.0/18", "2001:db8::/64"}, {.remembered = 16'384});
  constexpr std::size_t clients = 10'000;
  struct Tunnel {
    std::optional<AddressLease> v4, v6;
    std::string last_v4, last_v6;
  };
  std::vector<Tunnel> tunnels(clients);
  std::set<net::IpAddress> in_use;
  SeededRandom random(1);
  for (int i = 0; i < 200'000; ++i) {
    const std::size_t number = random.below(clients);
    Tunnel& tunnel = tunnels[number];
    if (tunnel.v4) {
      in_use.erase(tunnel.v4->address());
      in_use.erase(tunnel.v6->address());
      tunnel.v4.reset();
      tunnel.v6.reset();
      continue;
    }
    const ClientKey key = client("client " + std::to_string(number));
    tunnel.v4.emplace(pool->lease(key, true).value());
    tunnel.v6.emplace(pool->lease(key, false).value());
    ASSERT_TRUE(in_use.insert(tunnel.v4->address()).second);
    ASSERT_TRUE(in_use.insert(tunnel.v6->address()).second);
    if (!tunnel.last_v4.empty()) {
      ASSERT_EQ(tunnel.v4->address().to_string(), tunnel.last_v4);
      ASSERT_EQ(tunnel.v6->address().to_string(), tunnel.last_v6);
    }
    tunnel.last_v4 = tunnel.v4->address().to_string();
    tunnel.last_v6 = tunnel.v6->address().to_string();
  }
  EXPECT_EQ(pool->figures(true).leased, in_use.size() / 2);
  EXPECT_EQ(pool->figures(true).leased + pool->figures(true).remembered, clients);
}

TEST(AddressPool, WorkersShareIt) {
  const auto pool = pool_of({"10.0.0.0/24"});
  std::vector<std::thread> workers;
  workers.reserve(4);
  for (int worker = 0; worker < 4; ++worker)
    workers.emplace_back([&pool, worker] {
      for (int i = 0; i < 2000; ++i) {
        const auto lease = pool->lease(client(std::to_string(worker) + "/" + std::to_string(i % 100)), true);
        ASSERT_TRUE(lease);
      }
    });
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(pool->figures(true).leased, 0u);
}

}  // namespace
}  // namespace sallyport::masque
