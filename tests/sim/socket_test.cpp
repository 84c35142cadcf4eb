// UDP sockets of the simulated network: groups that share an address, steering, wildcards, and a send queue
// that is full now and then.
#include "network.h"

#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

struct Receiver final : net::DatagramReceiver {
  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time) override {
    run.for_each([&](Bytes datagram) { payloads.emplace_back(as_text(datagram)); });
    last_path = path;
  }
  void on_path_writable(Time) override { ++writable; }

  std::vector<std::string> payloads;
  net::NetPath last_path;
  int writable = 0;
};

net::DatagramRun run_of(std::string_view text, std::size_t segment_size = 1500) {
  return {as_bytes(text), segment_size};
}

constexpr net::SteeringLayout layout{.workers = 3, .worker_offset = 2, .connection_id_length = 8};

/// A short-header packet whose connection ID names `worker`.
std::string short_packet(std::size_t worker) {
  std::string packet(40, 'x');
  packet[0] = 0x40;
  packet[1 + layout.worker_offset] = static_cast<char>(worker);
  return packet;
}

/// A long-header packet of `version`, its first byte `first`.
std::string long_packet(char first, std::string_view version, std::size_t worker, char id_length = 8) {
  std::string packet(40, 'x');
  packet[0] = first;
  packet.replace(1, 4, version);
  packet[5] = id_length;
  packet[6 + layout.worker_offset] = static_cast<char>(worker);
  return packet;
}

constexpr std::string_view version_1{"\0\0\0\1", 4}, version_2{"\x6b\x33\x43\xcf", 4};
constexpr auto initial = static_cast<char>(0xc0), handshake = static_cast<char>(0xe0);
constexpr auto handshake_of_version_2 = static_cast<char>(0xf0);

/// Three workers' sockets at one address.
struct Group {
  Group() {
    for (std::size_t i = 0; i < layout.workers; ++i) {
      sockets.push_back(
          std::move(*server.listen_udp({server.address(), 443}, {.reuse_port = true, .packet_info = true})));
      sockets.back()->set_receiver(&receivers[i]);
    }
  }
  /// From a socket of its own: the number of the worker that got it.
  std::size_t worker_of(const std::string& packet) {
    const auto socket = std::move(*client.open_udp({server.address(), 443}));
    for (Receiver& receiver : receivers) receiver.payloads.clear();
    socket->send({}, run_of(packet));
    network.run_for(1s);
    for (std::size_t i = 0; i < receivers.size(); ++i)
      if (!receivers[i].payloads.empty()) return i;
    return receivers.size();
  }
  /// Which workers get `packet` from many sockets.
  std::vector<bool> workers_of(const std::string& packet) {
    std::vector<bool> seen(layout.workers);
    for (int i = 0; i < 30; ++i) seen.at(worker_of(packet)) = true;
    return seen;
  }

  Network network{1};
  Host& client = network.add_host("client");
  Host& server = network.add_host("server");
  std::vector<Receiver> receivers{layout.workers};
  std::vector<std::unique_ptr<net::UdpListener>> sockets;
};

const std::vector<bool> all_workers(layout.workers, true);

TEST(SimSocket, AGroupSharesByThePathsHash) {
  Group group;
  EXPECT_EQ(group.workers_of(short_packet(1)), all_workers);

  const auto socket = std::move(*group.client.open_udp({group.server.address(), 443}));
  for (Receiver& receiver : group.receivers) receiver.payloads.clear();
  for (int i = 0; i < 10; ++i) socket->send({}, run_of(std::string(1 + i, 'a')));
  group.network.run_for(1s);
  std::size_t most = 0;
  for (const Receiver& receiver : group.receivers) most = std::max(most, receiver.payloads.size());
  EXPECT_EQ(most, 10u);  // one path, one worker
}

TEST(SimSocket, SteeringFollowsTheConnectionId) {
  Group group;
  ASSERT_TRUE(group.sockets[1]->steer(layout));
  for (std::size_t worker = 0; worker < layout.workers; ++worker) {
    EXPECT_EQ(group.worker_of(short_packet(worker)), worker);
    EXPECT_EQ(group.worker_of(long_packet(handshake, version_1, worker)), worker);
    EXPECT_EQ(group.worker_of(long_packet(handshake_of_version_2, version_2, worker)), worker);
  }
  EXPECT_EQ(group.workers_of(long_packet(initial, version_1, 1)), all_workers);
  EXPECT_EQ(group.workers_of(long_packet(handshake, version_1, 1, 7)), all_workers);
  EXPECT_EQ(group.workers_of(short_packet(layout.workers)), all_workers);
  EXPECT_EQ(group.workers_of(short_packet(1).substr(0, 8)), all_workers);
}

TEST(SimSocket, MisroutedPacketsAreStrays) {
  Group group;
  ASSERT_TRUE(group.sockets.front()->steer(layout));
  group.server.misroute(true);
  for (std::size_t worker = 0; worker < layout.workers; ++worker)
    EXPECT_EQ(group.worker_of(short_packet(worker)), (worker + 1) % layout.workers);
  group.server.misroute(false);
  EXPECT_EQ(group.worker_of(short_packet(0)), 0u);
}

TEST(SimSocket, TheLastOfAGroupTakesTheNumberOfTheOneThatGoes) {
  Group group;
  ASSERT_TRUE(group.sockets.front()->steer(layout));
  group.sockets[0].reset();
  EXPECT_EQ(group.worker_of(short_packet(0)), 2u);
  EXPECT_EQ(group.worker_of(short_packet(1)), 1u);
}

TEST(SimSocket, OneAddressIsForOneSocketOrOneGroup) {
  Group group;
  const net::SocketAddress taken(group.server.address(), 443);
  const auto refused = group.server.listen_udp(taken, {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, static_cast<std::uint64_t>(EADDRINUSE));
  EXPECT_FALSE(group.server.listen_udp({net::IpAddress(), 443}, {}));
  const auto foreign = group.server.listen_udp({group.client.address(), 443}, {});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, static_cast<std::uint64_t>(EADDRNOTAVAIL));
  const auto any_port = group.server.listen_udp({group.server.address(), 0}, {});
  ASSERT_TRUE(any_port);
  EXPECT_NE((*any_port)->net_path().local.port(), 0);
  EXPECT_FALSE(group.server.listen_unix("/run/admin.sock", {}, [](auto) {}));
}

TEST(SimSocket, AWildcardLearnsAndKeepsTheAddressItWasReachedAt) {
  Network network(1);
  Host& client = network.add_host("client");
  Host& server = network.add_host("server");
  const net::IpAddress first = server.address();
  server.add_address(network.free_address());
  Receiver at_server, at_client;
  const auto listening = std::move(*server.listen_udp({net::IpAddress::v6({}), 443}, {}));
  listening->set_receiver(&at_server);
  const auto sending = std::move(*client.open_udp({first, 443}));
  sending->set_receiver(&at_client);
  sending->send({}, run_of("ping"));
  network.run_for(1s);
  ASSERT_EQ(at_server.payloads, std::vector<std::string>{"ping"});
  EXPECT_EQ(at_server.last_path.local, net::SocketAddress(first, 443));
  listening->send(at_server.last_path, run_of("pong"));
  network.run_for(1s);
  EXPECT_EQ(at_client.payloads, std::vector<std::string>{"pong"});
  EXPECT_EQ(listening->stats().datagrams_in, 1u);
  EXPECT_EQ(listening->stats().datagrams_out, 1u);
}

TEST(SimSocket, KnowsItsOwnAddresses) {
  Network network(1);
  Host& host = network.add_host("host");
  const net::IpAddress other = network.free_address();
  EXPECT_TRUE(host.is_own(host.address()));
  EXPECT_FALSE(host.is_own(other));
}

/// A client whose send queue is full from the first run on, for 2 ms.
struct Blocked {
  Blocked() {
    client.up.profile.blocked = 1;
    sending->set_receiver(&at_client);
    listening->set_receiver(&at_server);
  }
  net::SendStatus send(std::string_view text) { return sending->send({}, run_of(text, 4)); }

  Network network{1};
  Host& client = network.add_host("client");
  Host& server = network.add_host("server");
  Receiver at_client, at_server;
  std::unique_ptr<Socket> listening = server.listen(443);
  std::unique_ptr<net::DatagramPath> sending = *client.open_udp({server.address(), 443});
};

TEST(SimSocket, WhatAFullQueueTookLeavesLaterAndInOrder) {
  Blocked blocked;
  EXPECT_EQ(blocked.send("one one "), net::SendStatus::blocked);
  blocked.client.up.profile.blocked = 0;
  EXPECT_EQ(blocked.send("two "), net::SendStatus::blocked);  // it is still full
  blocked.network.run_for(1ms);
  EXPECT_EQ(blocked.client.up.counters().entered, 0u);
  EXPECT_EQ(blocked.at_client.writable, 0);
  blocked.network.run_for(1ms);
  EXPECT_EQ(blocked.at_client.writable, 1);
  EXPECT_EQ(blocked.send("end "), net::SendStatus::sent);
  blocked.network.run_for(1s);
  EXPECT_EQ(blocked.at_server.payloads, (std::vector<std::string>{"one ", "one ", "two ", "end "}));
  EXPECT_EQ(blocked.at_client.writable, 1);
}

TEST(SimSocket, AFullQueueIsBounded) {
  Blocked blocked;
  const std::string run(60'000, 'x');
  std::size_t taken = 0;
  while (blocked.sending->send({}, run_of(run)) == net::SendStatus::blocked) ASSERT_LT(++taken, 100u);
  EXPECT_EQ(taken, 4u);  // 256 KiB
  EXPECT_EQ(blocked.sending->send({}, run_of(run)), net::SendStatus::dropped);
}

TEST(SimSocket, MayBeDestroyedWhenItIsToldOfRoom) {
  struct Destroyer final : net::DatagramReceiver {
    void on_datagrams(const net::NetPath&, const net::DatagramRun&, Time) override {}
    void on_path_writable(Time) override { path.reset(); }
    std::unique_ptr<net::DatagramPath> path;
  };
  Blocked blocked;
  Destroyer destroyer;
  destroyer.path = std::move(blocked.sending);
  destroyer.path->set_receiver(&destroyer);
  destroyer.path->send({}, run_of("last"));
  blocked.network.run_for(1s);
  EXPECT_EQ(destroyer.path, nullptr);
  EXPECT_EQ(blocked.at_server.payloads, std::vector<std::string>{"last"});
}

}  // namespace
}  // namespace sallyport::sim
