#include "net/network_namespace_for_test.h"
#include "net/tun_device.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

// Two TUN devices in two namespaces, joined as a tunnel joins them, between sockets of the kernel: what its
// offloads leave to us has to be what it takes back.
namespace sallyport::net {
namespace {

using namespace test;

/// Passes on all packets of one queue to the other.
struct Joint final : PacketReceiver {
  TunQueue* from = nullptr;
  TunQueue* to = nullptr;
  Joint* back = nullptr;
  std::uint64_t packets = 0, super_packets = 0, partial = 0;
  std::size_t most_segments = 0;

  void on_packets(std::span<Packet> batch, Time) override {
    for (const Packet& packet : batch) {
      if (!is_protocol(packet.bytes, IPPROTO_TCP) && !is_protocol(packet.bytes, IPPROTO_UDP)) continue;
      ++packets;
      partial += packet.checksum_partial ? 1 : 0;
      if (packet.segment_size == 0) continue;
      ++super_packets;
      most_segments = std::max(most_segments, packet.bytes.size() / packet.segment_size);
    }
    if (to->send(batch) == SendStatus::blocked) from->set_reading(false);
  }
  void on_port_writable(Time) override { back->from->set_reading(true); }
};

struct Joined {
  Joined() : a(make_tun(loop, {.name = "a"}, {{"10.9.0.1", 24}, {"2001:db8::1", 64}})) {
    if (::unshare(CLONE_NEWNET) != 0) throw std::runtime_error("unshare");
    b.emplace(make_tun(loop, {.name = "b"}, {{"10.9.0.2", 24}, {"2001:db8::2", 64}}));
    from_a.from = from_b.to = a.queue.get();
    from_b.from = from_a.to = b->queue.get();
    from_a.back = &from_b;
    from_b.back = &from_a;
    a.queue->set_receiver(&from_a);
    b->queue->set_receiver(&from_b);
  }

  EventLoop loop;
  Joint from_a, from_b;
  Tun a;
  std::optional<Tun> b;
};

/// Both namespaces' sockets are made before the thread goes on to the second one.
UniqueFd open_socket(int family, int type) {
  return UniqueFd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// One end of a connection: sends all of `out`, and appends what comes to `in`.
struct End {
  UniqueFd fd;
  Bytes out;
  std::vector<std::uint8_t> in;

  void step() {
    while (!out.empty()) {
      const ssize_t sent = ::send(fd.get(), out.data(), out.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      out = out.subspan(static_cast<std::size_t>(sent));
    }
    while (true) {
      const std::size_t before = in.size();
      in.resize(before + 256 * 1024);
      const ssize_t got = ::recv(fd.get(), in.data() + before, in.size() - before, 0);
      in.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
      if (got <= 0) break;
    }
  }
};

void bulk_both_ways(const char* at_a, const char* from_b_address) {
  SCOPED_TRACE(at_a);
  // The listener belongs to the first namespace, so it is made first.
  const SocketAddress server(ip(at_a), 4000);
  const UniqueFd listener = open_socket(server.family(), SOCK_STREAM);
  const int on = 1;
  ::setsockopt(listener.get(), SOL_IP, IP_FREEBIND, &on, sizeof on);
  ASSERT_EQ(::bind(listener.get(), server.data(), server.size()), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  Joined joined;
  ASSERT_TRUE(joined.a.device.offloads().tcp_segmentation);
  const auto up = pattern(8 * 1024 * 1024), down = pattern(7 * 1024 * 1024 + 1);
  End client{open_socket(server.family(), SOCK_STREAM), up, {}}, at_server{{}, down, {}};
  const SocketAddress local(ip(from_b_address), 0);
  ASSERT_EQ(::bind(client.fd.get(), local.data(), local.size()), 0);
  ASSERT_TRUE(::connect(client.fd.get(), server.data(), server.size()) == 0 || errno == EINPROGRESS);
  run_until(
      joined.loop,
      [&] {
        if (!at_server.fd)
          at_server.fd = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (at_server.fd) at_server.step();
        client.step();
        return client.in.size() >= down.size() && at_server.in.size() >= up.size();
      },
      60s);
  EXPECT_TRUE(std::ranges::equal(client.in, down));
  EXPECT_TRUE(std::ranges::equal(at_server.in, up));
  for (const Joint* joint : {&joined.from_a, &joined.from_b}) {
    EXPECT_GT(joint->super_packets, 0u);
    EXPECT_GT(joint->most_segments, 2u);
    EXPECT_EQ(joint->partial, joint->packets);
    // Had the kernel segmented, there would be a packet for each 1,448 bytes.
    EXPECT_LT(joint->packets, up.size() / 1448);
  }
  for (const TunQueue* queue : {joined.a.queue.get(), joined.b->queue.get()}) {
    EXPECT_EQ(queue->stats().dropped_invalid + queue->stats().dropped_error + queue->stats().dropped_unknown,
              0u);
    EXPECT_GT(queue->stats().super_packets_out, 0u);
  }
}

TEST(TunOffload, TcpSuperPacketsPassBothWays) {
  const bool v4 = in_network_namespace_with_tun([] { bulk_both_ways("10.9.0.1", "10.9.0.2"); });
  if (!v4) GTEST_SKIP() << needs_tun;
  in_network_namespace_with_tun([] { bulk_both_ways("2001:db8::1", "2001:db8::2"); });
}

TEST(TunOffload, UdpSuperPacketsPassBothWays) {
  bool has_uso = false;
  const bool ran = in_network_namespace_with_tun([&] {
    for (const auto& [at_a, at_b] : {std::pair{"10.9.0.1", "10.9.0.2"}, {"2001:db8::1", "2001:db8::2"}}) {
      SCOPED_TRACE(at_a);
      // Each round makes two more namespaces.
      ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
      bring_up_loopback();
      const SocketAddress a(ip(at_a), 4000), b(ip(at_b), 4000);
      const int on = 1;
      const auto open = [&](const SocketAddress& local) {
        UniqueFd socket = open_socket(local.family(), SOCK_DGRAM);
        ::setsockopt(socket.get(), SOL_IP, IP_FREEBIND, &on, sizeof on);
        ::setsockopt(socket.get(), SOL_UDP, UDP_GRO, &on, sizeof on);
        EXPECT_EQ(::bind(socket.get(), local.data(), local.size()), 0);
        return socket;
      };
      const UniqueFd socket_a = open(a);
      Joined joined;
      has_uso = joined.a.device.offloads().udp_segmentation;
      if (!has_uso) return;
      const UniqueFd socket_b = open(b);
      const auto payload = pattern(20 * 1200 + 500);
      for (const auto& [sender, receiver, to] :
           {std::tuple{&socket_a, &socket_b, b}, std::tuple{&socket_b, &socket_a, a}}) {
        Joint& joint = sender == &socket_a ? joined.from_a : joined.from_b;
        const int segment = 1200;
        ASSERT_EQ(::setsockopt(sender->get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
        ASSERT_EQ(::sendto(sender->get(), payload.data(), payload.size(), 0, to.data(), to.size()),
                  static_cast<ssize_t>(payload.size()));
        std::vector<std::uint8_t> got;
        std::size_t messages = 0;
        run_until(joined.loop, [&] {
          std::vector<std::uint8_t> part(70'000);
          for (ssize_t size; (size = ::recv(receiver->get(), part.data(), part.size(), 0)) > 0; ++messages)
            got.insert(got.end(), part.begin(), part.begin() + size);
          return got.size() >= payload.size();
        });
        EXPECT_EQ(got, payload);
        EXPECT_EQ(messages, 1u);  // it reached the socket as a super-packet, too
        EXPECT_EQ(joint.packets, 1u);
        EXPECT_EQ(joint.super_packets, 1u);
        EXPECT_EQ(joint.partial, 1u);
        EXPECT_EQ(joint.most_segments, 20u);
      }
    }
  });
  if (!ran) GTEST_SKIP() << needs_tun;
  if (!has_uso) GTEST_SKIP() << "needs UDP segmentation offload of TUN devices, which Linux has since 6.2";
}

}  // namespace
}  // namespace sallyport::net
