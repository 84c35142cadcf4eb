#include "net/tun_queue.h"

#include "net/network_namespace_for_test.h"
#include "net/virtio_net.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

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
  explicit Fixture(const TunCalls& calls = {}) {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) != 0)
      throw std::runtime_error("socketpair");
    kernel.reset(fds[1]);
    queue = value_of(TunQueue::adopt(loop, UniqueFd(fds[0]), "sp0", mtu, calls));
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
  unsigned number = 0;
  while (f.queue->stats().dropped_backlog < 3) {
    Buffer packet = udp_packet(from, to, std::to_string(number++) + std::string(30'000, 'x'), true);
    // Every other one is a super-packet: the headers wait as well.
    const Packet given = as_packet(packet, number % 2 == 0 ? 1000 : 0, number % 2 == 0);
    const std::uint64_t dropped = f.queue->stats().dropped_backlog;
    const SendStatus status = f.queue->send({&given, 1});
    if (f.queue->stats().dropped_backlog == dropped)
      sent.push_back(packet);
    else
      EXPECT_EQ(status, SendStatus::blocked);  // packets wait, and whoever sends has to
    ASSERT_LT(number, 1000u);
  }
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

/// What Linux before 6.2 does to UDP super-packets.
ssize_t refuse_super_packets(int fd, const iovec* parts, int count) {
  VirtioHeader header;
  std::memcpy(&header, parts[0].iov_base, sizeof header);
  if (header.gso_type == VirtioHeader::gso_none) return ::writev(fd, parts, count);
  errno = EINVAL;
  return -1;
}

/// A frame of a packet with a complete checksum, and this payload.
bool is_piece(const Buffer& frame, const std::string& payload, unsigned identification) {
  const Buffer expected = udp_packet(from, to, payload);
  if (frame.size() != virtio_header_size + expected.size()) return false;
  const Bytes packet = Bytes(frame).subspan(virtio_header_size);
  const auto zero = [](std::uint8_t octet) { return octet == 0; };
  return std::all_of(frame.begin(), frame.begin() + virtio_header_size, zero) && checks_out(packet) &&
         packet[4] * 256U + packet[5] == identification &&
         std::ranges::equal(packet.subspan(20), Bytes(expected).subspan(20));
}

TEST(TunQueue, ASuperPacketThatTheKernelRefusesIsCut) {
  Fixture f({.writev = refuse_super_packets});
  Buffer packet = udp_packet(from, to, std::string(2'500, 'x'), true);
  Buffer other = udp_packet(from, to, "other");
  const Packet packets[]{as_packet(packet, 1'000, true), as_packet(other)};
  EXPECT_EQ(f.queue->send(packets), SendStatus::sent);
  EXPECT_TRUE(is_piece(f.take(), std::string(1'000, 'x'), 7));
  EXPECT_TRUE(is_piece(f.take(), std::string(1'000, 'x'), 8));
  EXPECT_TRUE(is_piece(f.take(), std::string(500, 'x'), 9));
  EXPECT_TRUE(is_piece(f.take(), "other", 7));
  EXPECT_TRUE(f.take().empty());
  const TunQueueStats& stats = f.queue->stats();
  EXPECT_EQ(stats.super_packets_refused, 1u);
  EXPECT_EQ(stats.super_packets_out, 0u);
  EXPECT_EQ(stats.packets_out, 4u);
  EXPECT_EQ(stats.write_calls, 5u);
  EXPECT_EQ(stats.dropped_invalid, 0u);
}

TEST(TunQueue, PiecesOfWhatTheKernelRefusesWaitInTheirOrder) {
  Fixture f({.writev = refuse_super_packets});
  constexpr unsigned count = 20;
  for (unsigned i = 0; i < count; ++i) {
    Buffer packet = udp_packet(from, to, std::string(28'000, static_cast<char>('a' + i)), true);
    const Packet given = as_packet(packet, 4'000, true);
    const SendStatus status = f.queue->send({&given, 1});
    EXPECT_EQ(status == SendStatus::blocked, f.queue->stats().packets_out < (i + 1) * 7) << i;
  }
  unsigned arrived = 0;
  run_until(f.loop, [&] {
    for (Buffer frame = f.take(); !frame.empty(); frame = f.take(), ++arrived)
      EXPECT_TRUE(is_piece(frame, std::string(4'000, static_cast<char>('a' + arrived / 7)), 7 + arrived % 7))
          << arrived;
    return arrived >= count * 7;
  });
  run_until(f.loop, [&] { return f.log.writable == 1; });
  EXPECT_TRUE(f.take().empty());
  EXPECT_EQ(f.queue->stats().packets_out, count * 7);
  EXPECT_GE(f.queue->stats().super_packets_refused, count);
}

TEST(TunQueue, WhatIsRefusedInPiecesTooIsDropped) {
  Fixture f({.writev = [](int, const iovec*, int) -> ssize_t {
    errno = EINVAL;
    return -1;
  }});
  Buffer packet = udp_packet(from, to, std::string(2'500, 'x'), true);
  const Packet given = as_packet(packet, 1'000, true);
  EXPECT_EQ(f.queue->send({&given, 1}), SendStatus::dropped);
  EXPECT_EQ(f.queue->stats().dropped_invalid, 3u);
  EXPECT_EQ(f.queue->stats().packets_out, 0u);
}

int errors_to_come = 0;  // of read_with_errors()

/// The kernel takes a packet from its queue, and then cannot describe it.
ssize_t read_with_errors(int fd, void* bytes, std::size_t size) {
  const ssize_t got = ::read(fd, bytes, size);
  if (got <= 0 || errors_to_come == 0) return got;
  --errors_to_come;
  errno = EINVAL;
  return -1;
}

TEST(TunQueue, AnErrorOfOnePacketIsNotTheEnd) {
  Fixture f({.read = read_with_errors});
  errors_to_come = 3;
  for (const char* text : {"a", "b", "c", "good"}) f.give({}, udp_packet(from, to, text));
  run_until(f.loop, [&] { return f.log.packets.size() == 1; });
  EXPECT_EQ(f.log.packets[0].bytes, as_text(udp_packet(from, to, "good")));
  EXPECT_EQ(f.queue->stats().dropped_unknown, 3u);
  EXPECT_TRUE(f.log.closed.empty());
}

TEST(TunQueue, ErrorsWithoutEndLeaveTheLoopToOthers) {
  Fixture f({.read = [](int, void*, std::size_t) -> ssize_t {
    errno = EIO;
    return -1;
  }});
  f.give({}, udp_packet(from, to, "x"));
  run_turns(f.loop, 10);  // which would not come back
  EXPECT_GT(f.queue->stats().dropped_unknown, 0u);
  EXPECT_LE(f.queue->stats().dropped_unknown, 1'000u);
  EXPECT_TRUE(f.log.closed.empty());
}

TEST(TunQueue, ADescriptorGoneBadIsTheEnd) {
  Fixture f({.read = [](int, void*, std::size_t) -> ssize_t {
    errno = EBADFD;
    return -1;
  }});
  f.give({}, udp_packet(from, to, "x"));
  run_until(f.loop, [&] { return f.log.closed.size() == 1; });
  EXPECT_EQ(f.queue->stats().dropped_unknown, 0u);
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
