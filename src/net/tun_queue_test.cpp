#include "net/tun_queue.h"

#include "net/network_namespace_for_test.h"
#include "net/virtio_net.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

// The queue over a socket pair, which like a TUN device keeps frames apart and, unlike one, can be full, and
// can be given any frame to read. The device itself: tun_device_test.cpp.
namespace sallyport::net {
namespace {

using namespace test;
using Buffer = std::vector<std::uint8_t>;

const SocketAddress from(ip("192.0.2.1"), 1000), to(ip("192.0.2.2"), 2000);

struct Fixture {
  Fixture() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) != 0)
      throw std::runtime_error("socketpair");
    kernel.reset(fds[1]);
    queue = value_of(TunQueue::adopt(loop, UniqueFd(fds[0]), "sp0", mtu));
    queue->set_receiver(&log);
  }
  void give(const VirtioHeader& header, Bytes packet) const {
    Buffer frame(virtio_header_size);
    std::memcpy(frame.data(), &header, sizeof header);
    frame.insert(frame.end(), packet.begin(), packet.end());
    EXPECT_EQ(::send(kernel.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  /// The next frame that was sent; empty where there is none.
  Buffer take() const {
    Buffer frame(70'000);
    const ssize_t size = ::recv(kernel.get(), frame.data(), frame.size(), 0);
    frame.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return frame;
  }

  EventLoop loop;
  std::shared_ptr<std::atomic<std::size_t>> mtu = std::make_shared<std::atomic<std::size_t>>(1500);
  UniqueFd kernel;
  std::unique_ptr<TunQueue> queue;
  PacketLog log;
};

TEST(TunQueue, APortOfTheDevicesMtu) {
  Fixture f;
  EXPECT_EQ(f.queue->mtu(), 1500u);
  *f.mtu = 1400;
  EXPECT_EQ(f.queue->mtu(), 1400u);
}

TEST(TunQueue, PacketsAreReadInBatches) {
  Fixture f;
  std::size_t given = 0;
  for (; given < 300; ++given) {
    const Buffer packet = udp_packet(from, to, std::to_string(given));
    Buffer frame(virtio_header_size);
    frame.insert(frame.end(), packet.begin(), packet.end());
    if (::send(f.kernel.get(), frame.data(), frame.size(), 0) < 0) break;  // the pair is full
  }
  ASSERT_GT(given, TunQueue::batch_capacity);
  run_until(f.loop, [&] { return f.log.packets.size() == given; });
  EXPECT_EQ(f.log.largest_batch, TunQueue::batch_capacity);
  for (std::size_t i = 0; i < given; ++i) {
    const Buffer expected = udp_packet(from, to, std::to_string(i));
    EXPECT_EQ(f.log.packets[i].bytes, as_text(expected));
  }
  EXPECT_EQ(f.queue->stats().packets_in, given);
}

TEST(TunQueue, TheLargestPacketsAreReadAndLongerOnesAreNot) {
  Fixture f;
  Buffer largest = udp_packet(SocketAddress(ip("2001:db8::1"), 1), SocketAddress(ip("2001:db8::2"), 2),
                              std::string(65'535 - 8, 'x'), true);
  ASSERT_EQ(largest.size(), 65'575u);
  const auto header = virtio_header_of(as_packet(largest, 1200, true));
  f.give(*header, largest);
  largest.push_back(0);
  f.give(*header, largest);
  f.give({}, udp_packet(from, to, "last"));
  run_until(f.loop, [&] { return f.log.packets.size() == 2; });
  EXPECT_EQ(f.log.packets[0].bytes.size(), 65'575u);
  EXPECT_EQ(f.log.packets[0].segment_size, 1200);
  EXPECT_TRUE(f.log.packets[0].checksum_partial);
  EXPECT_EQ(f.queue->stats().dropped_unknown, 1u);
  EXPECT_EQ(f.queue->stats().super_packets_in, 1u);
}

TEST(TunQueue, FramesThatMakeNoSenseAreCounted) {
  Fixture f;
  f.give({}, {});
  ::send(f.kernel.get(), "abc", 3, 0);
  VirtioHeader strange;
  strange.gso_type = 3;
  f.give(strange, udp_packet(from, to, "x"));
  f.give({}, as_bytes("\x12 no IP"));
  f.give({}, udp_packet(from, to, "good"));
  run_until(f.loop, [&] { return f.log.packets.size() == 1; });
  EXPECT_EQ(f.queue->stats().dropped_unknown, 4u);
  EXPECT_EQ(f.queue->stats().packets_in, 1u);
}

TEST(TunQueue, WhatTheKernelDoesNotTakeWaitsUpToALimit) {
  Fixture f;
  std::vector<Buffer> sent;
  std::size_t dropped = 0;
  SendStatus last = SendStatus::sent;
  unsigned number = 0;
  while (dropped < 3) {
    Buffer packet = udp_packet(from, to, std::to_string(number++) + std::string(30'000, 'x'), true);
    // Every other one is a super-packet: the headers wait as well.
    const Packet given = as_packet(packet, number % 2 == 0 ? 1000 : 0, number % 2 == 0);
    last = f.queue->send({&given, 1});
    if (last == SendStatus::dropped)
      ++dropped;
    else
      sent.push_back(packet);
    ASSERT_LT(number, 1000u);
  }
  EXPECT_EQ(f.queue->stats().dropped_backlog, 3u);
  const std::uint64_t at_once = f.queue->stats().packets_out;
  EXPECT_GT(at_once, 0u);
  EXPECT_EQ((sent.size() - at_once), 1024u * 1024 / (10 + sent.back().size()));
  EXPECT_EQ(f.log.writable, 0u);
  std::vector<Buffer> arrived;
  const auto drain = [&] {
    for (Buffer frame = f.take(); !frame.empty(); frame = f.take()) arrived.push_back(std::move(frame));
    return arrived.size() == sent.size();
  };
  run_until(f.loop, drain);
  run_until(f.loop, [&] { return f.log.writable > 0; });
  EXPECT_EQ(f.log.writable, 1u);
  ASSERT_EQ(arrived.size(), sent.size());
  std::uint64_t super_packets = 0;
  for (std::size_t i = 0; i < sent.size(); ++i) {
    VirtioHeader header;
    std::memcpy(&header, arrived[i].data(), sizeof header);
    super_packets += header.gso_size == 1000 ? 1 : 0;
    EXPECT_TRUE(
        std::equal(sent[i].begin(), sent[i].end(), arrived[i].begin() + virtio_header_size, arrived[i].end()))
        << i;
  }
  EXPECT_EQ(f.queue->stats().packets_out, sent.size());
  EXPECT_EQ(f.queue->stats().super_packets_out, super_packets);
  EXPECT_GT(super_packets, at_once / 2 + 1);  // of those that waited, too
  Buffer packet = udp_packet(from, to, "at once again");
  const Packet given = as_packet(packet);
  EXPECT_EQ(f.queue->send({&given, 1}), SendStatus::sent);
}

TEST(TunQueue, OneBadPacketOfABatchIsLeftOut) {
  Fixture f;
  Buffer good = udp_packet(from, to, "good"), bad(20), other = udp_packet(from, to, "other");
  const Packet packets[]{as_packet(good), as_packet(bad), as_packet(other, 100, false), as_packet(other)};
  EXPECT_EQ(f.queue->send(packets), SendStatus::dropped);
  EXPECT_EQ(f.queue->stats().dropped_invalid, 2u);
  EXPECT_EQ(f.queue->stats().packets_out, 2u);
  EXPECT_EQ(f.queue->stats().bytes_out, good.size() + other.size());
  EXPECT_EQ(f.take().size(), virtio_header_size + good.size());
  EXPECT_EQ(f.take().size(), virtio_header_size + other.size());
  EXPECT_TRUE(f.take().empty());
}

TEST(TunQueue, ReadsOnlyWhileToldTo) {
  Fixture f;
  f.queue->set_reading(false);
  f.give({}, udp_packet(from, to, "x"));
  run_turns(f.loop, 10);
  EXPECT_TRUE(f.log.packets.empty());
  f.queue->set_reading(true);
  run_until(f.loop, [&] { return f.log.packets.size() == 1; });
  f.queue->set_receiver(nullptr);
  f.give({}, udp_packet(from, to, "y"));
  run_turns(f.loop, 10);
  f.queue->set_receiver(&f.log);
  run_until(f.loop, [&] { return f.log.packets.size() == 2; });
}

TEST(TunQueue, BackPressureInsideACallEndsTheTurnsReading) {
  Fixture f;
  for (std::size_t i = 0; i < TunQueue::batch_capacity + 1; ++i) f.give({}, udp_packet(from, to, "x"));
  f.log.then = [&] { f.queue->set_reading(false); };
  run_turns(f.loop, 10);
  EXPECT_EQ(f.log.packets.size(), TunQueue::batch_capacity);
}

TEST(TunQueue, TheReceiverMayDestroyItInAnyCall) {
  Fixture reading;
  for (std::size_t i = 0; i < TunQueue::batch_capacity + 1; ++i) reading.give({}, udp_packet(from, to, "x"));
  reading.log.then = [&] { reading.queue.reset(); };
  run_until(reading.loop, [&] { return reading.queue == nullptr; });

  Fixture writing;
  Buffer packet = udp_packet(from, to, std::string(30'000, 'x'));
  const Packet given = as_packet(packet);
  while (writing.queue->send({&given, 1}) == SendStatus::sent) {
  }
  writing.log.then = [&] { writing.queue.reset(); };
  run_until(writing.loop, [&] {
    while (!writing.take().empty()) {
    }
    return writing.queue == nullptr;
  });

  Fixture ending;
  ending.log.then = [&] { ending.queue.reset(); };
  ending.kernel.reset();
  run_until(ending.loop, [&] { return ending.queue == nullptr; });
  EXPECT_EQ(ending.log.closed.size(), 1u);
}

TEST(TunQueue, AClosedQueueTakesNothing) {
  Fixture f;
  f.queue->close();
  EXPECT_EQ(f.queue->fd(), -1);
  Buffer packet = udp_packet(from, to, "x");
  const Packet given = as_packet(packet);
  EXPECT_EQ(f.queue->send({&given, 1}), SendStatus::dropped);
  EXPECT_EQ(f.queue->stats().dropped_error, 1u);
  EXPECT_TRUE(f.log.closed.empty());
  EXPECT_TRUE(f.take().empty());  // the end of the pair
}

}  // namespace
}  // namespace sallyport::net
