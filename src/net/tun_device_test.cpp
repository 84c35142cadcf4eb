#include "net/tun_device.h"

#include "net/network_namespace_for_test.h"
#include "net/routes.h"

#include <cerrno>
#include <cstring>
#include <set>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <sys/mount.h>
#include <sys/syscall.h>

namespace sallyport::net {
namespace {

using namespace test;
using Buffer = std::vector<std::uint8_t>;

UniqueFd udp_socket(const SocketAddress& local) {
  UniqueFd socket(::socket(local.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::bind(socket.get(), local.data(), local.size()) != 0) throw std::runtime_error("bind");
  return socket;
}

void send_to(const UniqueFd& socket, const SocketAddress& to, std::string_view payload) {
  EXPECT_EQ(::sendto(socket.get(), payload.data(), payload.size(), 0, to.data(), to.size()),
            static_cast<ssize_t>(payload.size()));
}

std::string receive(const UniqueFd& socket) {
  std::string payload(70'000, '\0');
  const ssize_t size = ::recv(socket.get(), payload.data(), payload.size(), 0);
  payload.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return payload;
}

TEST(TunOffloads, AreAskedForStepByStep) {
  // Each bit: the kernel knows this offload; a request for anything else is refused (EINVAL).
  constexpr unsigned csum = 1, tso = 2 | 4, uso = 0x20 | 0x40;
  const auto granted = [](unsigned known) {
    unsigned set = ~0U;
    TunOffloads offloads = negotiate_offloads([&](unsigned flags) {
      if ((flags & ~known) != 0) return false;
      set = flags;
      return true;
    });
    EXPECT_EQ(set, (offloads.checksum ? csum : 0) | (offloads.tcp_segmentation ? tso : 0) |
                       (offloads.udp_segmentation ? uso : 0));
    return offloads.to_string();
  };
  EXPECT_EQ(granted(csum | tso | uso), "checksum, TSO, USO");
  EXPECT_EQ(granted(csum | tso), "checksum, TSO");  // before Linux 6.2
  EXPECT_EQ(granted(csum), "checksum");
  EXPECT_EQ(granted(0), "none");
}

TEST(TunDevice, DatagramsOfASocketComeOut) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Tun tun = make_tun(loop, {.name = "sp0", .mtu = 1400}, {{"10.9.0.1", 24}, {"2001:db8::1", 64}});
    EXPECT_EQ(tun.device.name(), "sp0");
    EXPECT_EQ(tun.device.mtu(), 1400u);
    EXPECT_EQ(tun.link.mtu, 1400u);
    EXPECT_EQ(tun.queue->mtu(), 1400u);
    PacketLog log;
    tun.queue->set_receiver(&log);
    for (const auto& [here, there] : {std::pair{"10.9.0.1", "10.9.0.2"}, {"2001:db8::1", "2001:db8::2"}}) {
      log.packets.clear();
      const SocketAddress local(ip(here), 1111), remote(ip(there), 2222);
      const UniqueFd socket = udp_socket(local);
      send_to(socket, remote, "out");
      run_until(loop, [&] { return log.packets.size() == 1; });
      const GotPacket& got = log.packets[0];
      const Buffer expected = udp_packet(local, remote, "out", got.checksum_partial);
      ASSERT_EQ(got.bytes.size(), expected.size());
      EXPECT_EQ(got.checksum_partial, tun.device.offloads().checksum);
      EXPECT_EQ(got.segment_size, 0);
      // All from the UDP header on; the IP header has an identification or a flow label.
      const std::size_t header = local.ip().is_v4() ? 20 : 40;
      EXPECT_EQ(got.bytes.substr(header), as_text(expected).substr(header));
    }
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, PacketsSentAreReceivedBySockets) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Tun tun = make_tun(loop, {.name = "sp0"}, {{"10.9.0.1", 24}, {"2001:db8::1", 64}});
    for (const auto& [here, there] : {std::pair{"10.9.0.1", "10.9.0.2"}, {"2001:db8::1", "2001:db8::2"}}) {
      const SocketAddress local(ip(here), 1111), remote(ip(there), 2222);
      const UniqueFd socket = udp_socket(local);
      Buffer complete = udp_packet(remote, local, "complete"),
             partial = udp_packet(remote, local, "partial", true), wrong = udp_packet(remote, local, "wrong");
      wrong.back() ^= 1;
      const Packet packets[]{as_packet(complete), as_packet(wrong), as_packet(partial, 0, true)};
      EXPECT_EQ(tun.queue->send(packets), SendStatus::sent);
      std::vector<std::string> received;
      run_until(loop, [&] {
        for (std::string text = receive(socket); !text.empty(); text = receive(socket))
          received.push_back(text);
        return received.size() >= 2;
      });
      EXPECT_EQ(received, (std::vector<std::string>{"complete", "partial"}));
    }
    EXPECT_EQ(tun.queue->stats().packets_out, 6u);
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, ItsNameMustBeFreeAndPossible) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Rtnetlink netlink = value_of(Rtnetlink::open());
    const std::size_t before = value_of(list_links(netlink)).size();  // tunl0 and the like stand beside "lo"
    Tun first = make_tun(loop, {.name = "sp0", .queues = 2}, {});
    for (const bool persistent : {false, true})
      for (const char* taken : {"sp0", "lo"}) {
        const auto refused = TunDevice::open({.name = taken, .persistent = persistent});
        ASSERT_FALSE(refused) << taken;
        EXPECT_EQ(refused.error().kind, ErrorKind::resource);
        EXPECT_NE(refused.error().message.find(std::string("'") + taken + "'"), std::string::npos);
        EXPECT_TRUE(refused.error().message.find("choose another name") != std::string::npos)
            << refused.error().message;
      }
    for (const char* impossible : {"1234567890123456", "a/b", "a b", "tun%d", ".."}) {
      const auto refused = TunDevice::open({.name = impossible});
      ASSERT_FALSE(refused) << impossible;
      EXPECT_EQ(refused.error().kind, ErrorKind::usage);
      EXPECT_TRUE(refused.error().message.starts_with(std::string("'") + impossible + "' is no name"))
          << refused.error().message;
    }
    EXPECT_EQ(value_of(TunDevice::open({})).name(), "tun0");
    EXPECT_EQ(value_of(list_links(netlink)).size(), before + 1);  // nothing is left behind
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, FiguresOutOfRangeAreRefused) {
  // Where they are not, the devices do not become the machine's.
  const bool ran = in_network_namespace([] {
    for (const std::size_t mtu :
         {std::size_t{0}, std::size_t{67}, std::size_t{65'536}, std::size_t{1} << 40}) {
      const auto refused = TunDevice::open({.name = "sp0", .mtu = mtu});
      ASSERT_FALSE(refused) << mtu;
      EXPECT_EQ(refused.error().kind, ErrorKind::usage);
      EXPECT_EQ(refused.error().message, "a TUN device cannot have an MTU of " + std::to_string(mtu) +
                                             "; it must be 68 to 65535 bytes (IPv6 needs 1280)");
    }
    for (const std::size_t queues : {0, 257}) {
      const auto refused = TunDevice::open({.name = "sp0", .queues = queues});
      ASSERT_FALSE(refused) << queues;
      EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    }
  });
  if (!ran) GTEST_SKIP() << needs_namespace;
}

TEST(TunDevice, MtuAtBothEndsOfTheRangeAndChanged) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    for (const std::size_t mtu : {68, 65'535}) {
      auto device = value_of(TunDevice::open({.name = "sp0", .mtu = mtu}));
      const auto queue = value_of(device.take_queue(loop, 0));
      Rtnetlink netlink = value_of(Rtnetlink::open());
      EXPECT_EQ(value_of(find_link(netlink, "sp0")).mtu, mtu);
      value_of(device.set_mtu(1280));
      EXPECT_EQ(value_of(find_link(netlink, "sp0")).mtu, 1280u);
      EXPECT_EQ(device.mtu(), 1280u);
      EXPECT_EQ(queue->mtu(), 1280u);
      EXPECT_EQ(device.set_mtu(67).error().kind, ErrorKind::usage);
      EXPECT_EQ(device.mtu(), 1280u);
    }
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, AnMtuThatSomebodyElseSetsIsFollowed) {
  struct MtuLog final : PacketReceiver {
    void on_packets(std::span<Packet>, Time) override {}
    void on_mtu(std::size_t bytes) override { told.push_back(bytes); }
    std::vector<std::size_t> told;
  };
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    auto other = value_of(TunDevice::open({.name = "sp1"}));
    auto device = value_of(TunDevice::open({.name = "sp0"}));
    const auto queue = value_of(device.take_queue(loop, 0));
    MtuLog log;
    queue->set_receiver(&log);
    Rtnetlink netlink = value_of(Rtnetlink::open());
    value_of(change_link(netlink, value_of(find_link(netlink, "sp1")), {.mtu = 1300}));
    value_of(change_link(netlink, value_of(find_link(netlink, "sp0")), {.mtu = 1400}));
    run_until(loop, [&] { return !log.told.empty(); });
    EXPECT_EQ(log.told, std::vector<std::size_t>{1400}) << "and not the other device's";
    EXPECT_EQ(queue->mtu(), 1400u);
    EXPECT_EQ(device.mtu(), 1400u);
    value_of(device.set_mtu(1450));
    run_until(loop, [&] { return log.told.size() > 1; });
    EXPECT_EQ(log.told.back(), 1450u);
    queue->set_receiver(nullptr);
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, WithoutTheRightToMakeOne) {
  const bool ran = in_network_namespace_with_tun([] {
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    ASSERT_EQ(::syscall(SYS_capget, &head, data), 0);
    data[0].effective &= ~(1U << CAP_NET_ADMIN);
    ASSERT_EQ(::syscall(SYS_capset, &head, data), 0);  // of this thread only
    const auto refused = TunDevice::open({.name = "sp0"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::denied);
    EXPECT_EQ(refused.error().message,
              "cannot make the TUN device 'sp0': Operation not permitted (run as root, or give the program "
              "CAP_NET_ADMIN in this network namespace)");
    Rtnetlink netlink = value_of(Rtnetlink::open());
    const auto also = change_link(netlink, value_of(find_link(netlink, "lo")), {.mtu = 2000});
    ASSERT_FALSE(also);
    EXPECT_EQ(also.error().kind, ErrorKind::denied);
    EXPECT_NE(also.error().message.find("CAP_NET_ADMIN"), std::string::npos) << also.error().message;
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, WithoutTheDeviceFile) {
  std::string missing_right;
  const bool ran = in_network_namespace_with_tun([&] {
    const auto may = [&](int result, const char* what) {
      if (result != 0)
        missing_right = std::string("needs the right to ") + what + ": " + std::strerror(errno);
      return result == 0;
    };
    // Another file system over it, for this thread only.
    if (!may(::unshare(CLONE_NEWNS), "make a mount namespace")) return;
    if (!may(::mount(nullptr, "/dev", nullptr, MS_REC | MS_PRIVATE, nullptr), "make mounts private")) return;
    if (!may(::mount("none", "/dev/net", "tmpfs", 0, nullptr), "mount a file system")) return;
    const auto missing = TunDevice::open({.name = "sp0"});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, ErrorKind::resource);
    EXPECT_EQ(
        missing.error().message,
        "cannot open /dev/net/tun: No such file or directory (a TUN device needs it; run 'modprobe tun', or "
        "give this container the device)");
    // A file system without devices refuses to open them.
    if (!may(::mount("none", "/dev/net", "tmpfs", MS_NODEV, nullptr), "mount a file system")) return;
    if (!may(::mknod("/dev/net/tun", S_IFCHR | 0600, (10U << 8) | 200), "make a device file")) return;
    const auto denied = TunDevice::open({.name = "sp0"});
    ASSERT_FALSE(denied);
    EXPECT_EQ(denied.error().kind, ErrorKind::denied);
    EXPECT_EQ(
        denied.error().message,
        "cannot open /dev/net/tun: Permission denied (run as root, or let this user read and write it)");
  });
  if (!ran) GTEST_SKIP() << needs_tun;
  if (!missing_right.empty()) GTEST_SKIP() << missing_right;
}

TEST(TunDevice, IsGoneWithItsLastQueue) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Rtnetlink netlink = value_of(Rtnetlink::open());
    std::optional<Tun> tun = make_tun(loop, {.name = "sp0", .queues = 2}, {{"10.9.0.1", 24}});
    auto second = value_of(tun->device.take_queue(loop, 1));
    tun.reset();
    EXPECT_TRUE(find_link(netlink, "sp0"));
    second->close();
    EXPECT_EQ(find_link(netlink, "sp0").error().code, std::uint64_t{ENODEV});
    EXPECT_EQ(value_of(list_addresses(netlink)).size(), 2u);  // the loopback device's
    value_of(TunDevice::open({.name = "sp0"}));               // also where no queue was taken
    EXPECT_EQ(find_link(netlink, "sp0").error().code, std::uint64_t{ENODEV});
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, APersistentOneStaysUntilItIsRemoved) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Rtnetlink netlink = value_of(Rtnetlink::open());
    const TunOptions options{.name = "sp0", .queues = 2, .mtu = 1400, .persistent = true};
    std::optional<Tun> tun = make_tun(loop, options, {{"10.9.0.1", 24}});
    const auto in_use = remove_tun_device("sp0");
    ASSERT_FALSE(in_use);
    EXPECT_EQ(in_use.error().message, "another program uses the network device 'sp0'; stop that first");
    tun.reset();
    EXPECT_EQ(value_of(find_link(netlink, "sp0")).mtu, 1400u);
    EXPECT_EQ(TunDevice::open({.name = "sp0"}).error().code, std::uint64_t{EBUSY});
    {
      // It has its address still.
      auto again = value_of(TunDevice::open(options));
      const auto queue = value_of(again.take_queue(loop, 0));
      const UniqueFd socket = udp_socket(SocketAddress(ip("10.9.0.1"), 1111));
      Buffer packet = udp_packet(SocketAddress(ip("10.9.0.2"), 1), SocketAddress(ip("10.9.0.1"), 1111), "x");
      const Packet given = as_packet(packet);
      EXPECT_EQ(queue->send({&given, 1}), SendStatus::sent);
      run_until(loop, [&] { return receive(socket) == "x"; });
    }
    value_of(remove_tun_device("sp0"));
    EXPECT_FALSE(find_link(netlink, "sp0"));
    EXPECT_EQ(remove_tun_device("sp0").error().message, "there is no network device 'sp0'");
    EXPECT_FALSE(find_link(netlink, "sp0"));
    // Another program's.
    {
      const UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
      ifreq request{};
      std::strcpy(request.ifr_name, "single");
      request.ifr_flags = IFF_TUN | IFF_NO_PI;
      ASSERT_EQ(::ioctl(fd.get(), TUNSETIFF, &request), 0);
      ASSERT_EQ(::ioctl(fd.get(), TUNSETPERSIST, 1UL), 0);
    }
    EXPECT_EQ(remove_tun_device("single").error().message,
              "cannot remove the TUN device 'single': Invalid argument (it is not a TUN device with several "
              "queues)");
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, RemovalByAnotherIsToldByReadAndBySend) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Rtnetlink netlink = value_of(Rtnetlink::open());
    for (const bool by_send : {false, true}) {
      Tun tun = make_tun(loop, {.name = "sp0"}, {});
      PacketLog log;
      tun.queue->set_receiver(&log);
      if (by_send) tun.queue->set_reading(false);
      value_of(remove_link(netlink, tun.link));
      Buffer packet = udp_packet(SocketAddress(ip("10.9.0.2"), 1), SocketAddress(ip("10.9.0.1"), 2), "x");
      const Packet given = as_packet(packet);
      if (by_send) {
        EXPECT_EQ(tun.queue->send({&given, 1}), SendStatus::dropped);
        EXPECT_TRUE(log.closed.empty());  // not inside send()
      }
      run_until(loop, [&] { return !log.closed.empty(); });
      EXPECT_EQ(log.closed[0].message, "the TUN device 'sp0' is gone: File descriptor in bad state");
      EXPECT_EQ(tun.queue->send({&given, 1}), SendStatus::dropped);
      run_turns(loop, 5);
      EXPECT_EQ(log.closed.size(), 1u);
    }
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, WhatIsSentWhileItIsDownIsCounted) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Tun tun = make_tun(loop, {.name = "sp0"}, {{"10.9.0.1", 24}});
    Rtnetlink netlink = value_of(Rtnetlink::open());
    value_of(change_link(netlink, tun.link, {.up = false}));
    PacketLog log;
    tun.queue->set_receiver(&log);
    Buffer packet = udp_packet(SocketAddress(ip("10.9.0.2"), 1), SocketAddress(ip("10.9.0.1"), 2), "x");
    const Packet given = as_packet(packet);
    EXPECT_EQ(tun.queue->send({&given, 1}), SendStatus::dropped);
    EXPECT_EQ(tun.queue->stats().dropped_error, 1u);
    run_turns(loop, 5);
    EXPECT_TRUE(log.closed.empty());
    value_of(change_link(netlink, tun.link, {.up = true}));
    EXPECT_EQ(tun.queue->send({&given, 1}), SendStatus::sent);
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, TheKernelsQueueIsBoundedAndItsDropsAreCounted) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Tun tun = make_tun(loop, {.name = "sp0", .mtu = 1000}, {{"10.9.0.1", 24}});
    Rtnetlink netlink = value_of(Rtnetlink::open());
    value_of(change_link(netlink, tun.link, {.transmit_queue_length = 16}));
    PacketLog log;
    tun.queue->set_receiver(&log);
    tun.queue->set_reading(false);
    const UniqueFd socket = udp_socket(SocketAddress(ip("10.9.0.1"), 1111));
    for (int i = 0; i < 40; ++i) send_to(socket, SocketAddress(ip("10.9.0.2"), 2222), "x");
    const std::uint64_t dropped = value_of(find_link(netlink, "sp0")).transmit_dropped;
    EXPECT_EQ(dropped, 24u);
    tun.queue->set_reading(true);
    run_until(loop, [&] { return log.packets.size() >= 16; });
    run_turns(loop, 5);
    EXPECT_EQ(log.packets.size(), 16u);
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

TEST(TunDevice, FlowsAreSpreadOverItsQueues) {
  const bool ran = in_network_namespace_with_tun([] {
    EventLoop loop;
    Tun tun = make_tun(loop, {.name = "sp0", .queues = 2}, {{"10.9.0.1", 24}});
    EXPECT_EQ(tun.device.queue_count(), 2u);
    const auto second = value_of(tun.device.take_queue(loop, 1));
    PacketLog logs[2];
    tun.queue->set_receiver(&logs[0]);
    second->set_receiver(&logs[1]);
    std::vector<UniqueFd> sockets;
    sockets.reserve(64);
    for (std::uint16_t i = 0; i < 64; ++i)
      sockets.push_back(udp_socket(SocketAddress(ip("10.9.0.1"), 3000 + i)));
    for (int round = 0; round < 3; ++round)
      for (const UniqueFd& socket : sockets) send_to(socket, SocketAddress(ip("10.9.0.2"), 2222), "x");
    run_until(loop, [&] { return logs[0].packets.size() + logs[1].packets.size() == 3 * sockets.size(); });
    std::set<std::string> ports[2];
    for (int i = 0; i < 2; ++i) {
      for (const GotPacket& got : logs[i].packets) ports[i].insert(got.bytes.substr(20, 2));
      EXPECT_FALSE(ports[i].empty());
    }
    EXPECT_EQ(ports[0].size() + ports[1].size(), sockets.size());  // each flow in one queue
    // A flow follows the queue that its other direction was written to.
    const Buffer answer_bytes =
        udp_packet(SocketAddress(ip("10.9.0.2"), 2222), SocketAddress(ip("10.9.0.1"), 3000), "y");
    for (TunQueue* queue : {tun.queue.get(), second.get()}) {
      PacketLog& expected = logs[queue == second.get() ? 1 : 0];
      Buffer answer = answer_bytes;
      const Packet given = as_packet(answer);
      EXPECT_EQ(queue->send({&given, 1}), SendStatus::sent);
      run_until(loop, [&] { return receive(sockets[0]) == "y"; });
      expected.packets.clear();
      send_to(sockets[0], SocketAddress(ip("10.9.0.2"), 2222), "z");
      run_until(loop, [&] { return expected.packets.size() == 1; });
    }
  });
  if (!ran) GTEST_SKIP() << needs_tun;
}

}  // namespace
}  // namespace sallyport::net
