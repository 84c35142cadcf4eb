// Helpers for tests that change the network: a namespace of their own, and TUN devices in it.
#pragma once

#include "net/interface_addresses.h"
#include "net/links.h"
#include "net/packet_port.h"
#include "net/routes.h"
#include "net/run_until_for_test.h"
#include "net/tun_device.h"
#include "net/udp_for_test.h"

#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

namespace sallyport::net::test {

inline IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline void bring_up_loopback() {
  Rtnetlink netlink = value_of(Rtnetlink::open());
  value_of(change_link(netlink, value_of(find_link(netlink, "lo")), {.up = true}));
}

/// Runs `test` in a thread with a network namespace of its own, whose loopback device is up; false where we
/// may not make one.
inline bool in_network_namespace(const std::function<void()>& test) {
  bool possible = false;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) return;
    possible = true;
    try {
      bring_up_loopback();
      test();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }).join();
  return possible;
}

inline constexpr const char* needs_namespace = "needs CAP_SYS_ADMIN for a network namespace";
inline constexpr const char* needs_tun = "needs /dev/net/tun, and CAP_SYS_ADMIN for a network namespace";

/// The same for a test with TUN devices.
inline bool in_network_namespace_with_tun(const std::function<void()>& test) {
  return ::access("/dev/net/tun", R_OK | W_OK) == 0 && in_network_namespace(test);
}

/// A TUN device that is up, in the namespace of this thread, and its first queue.
struct Tun {
  TunDevice device;
  std::unique_ptr<TunQueue> queue;
  Link link;
};

/// Whether packets to this address are received: IPv6 gets its route to it in another thread of the kernel's.
inline bool is_local(Rtnetlink& netlink, const IpAddress& address) {
  const auto found = look_up_route(netlink, address);
  return found && found->type == RouteType::local;
}

/// With an MTU below 1,280 it has no IPv6, and the kernel sends nothing of its own through it.
inline Tun make_tun(EventLoop& loop, const TunOptions& options,
                    std::initializer_list<std::pair<const char*, unsigned>> addresses) {
  Tun tun{value_of(TunDevice::open(options)), nullptr, {}};
  Rtnetlink netlink = value_of(Rtnetlink::open());
  tun.link = value_of(find_link(netlink, tun.device.index()));
  LinkChange change{.up = true};
  if (options.mtu >= 1280) change.ipv6_link_local = false;
  value_of(change_link(netlink, tun.link, change));
  for (const auto& [address, length] : addresses) {
    value_of(add_address(netlink, {tun.link.index, ip(address), length}));
    while (!is_local(netlink, ip(address))) std::this_thread::yield();
  }
  tun.queue = value_of(tun.device.take_queue(loop, 0));
  return tun;
}

struct GotPacket {
  std::string bytes;
  std::uint16_t segment_size;
  bool checksum_partial;
};

/// Whether it is IPv4, or IPv6 without extension headers, and of this protocol. The kernel sends packets of
/// its own through a new device, such as multicast listener reports.
inline bool is_protocol(Bytes packet, std::uint8_t protocol) {
  if (packet.empty()) return false;
  return (packet[0] >> 4 == 4 && packet[9] == protocol) || (packet[0] >> 4 == 6 && packet[6] == protocol);
}

/// Records the UDP packets that it is given.
struct PacketLog : PacketReceiver {
  std::vector<GotPacket> packets;
  std::size_t largest_batch = 0;
  unsigned writable = 0;
  std::vector<Error> closed;
  std::function<void()> then = [] {};

  void on_packets(std::span<Packet> batch, Time) override {
    largest_batch = std::max(largest_batch, batch.size());
    for (const Packet& packet : batch)
      if (is_protocol(packet.bytes, IPPROTO_UDP))
        packets.push_back({std::string(as_text(packet.bytes)), packet.segment_size, packet.checksum_partial});
    then();
  }
  void on_port_writable(Time) override {
    ++writable;
    then();
  }
  void on_port_closed(const Error& why) override {
    closed.push_back(why);
    then();
  }
};

/// The sum of RFC 1071, folded, not complemented.
inline std::uint32_t sum_of(Bytes bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) sum += i % 2 == 0 ? bytes[i] << 8 : bytes[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

inline void store16(std::vector<std::uint8_t>& bytes, std::size_t at, std::size_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

/// An IPv4 or IPv6 packet with a UDP datagram, and its checksum complete or partial.
inline std::vector<std::uint8_t> udp_packet(const SocketAddress& from, const SocketAddress& to,
                                            std::string_view payload, bool partial = false) {
  const IpAddress source = from.ip(), destination = to.ip();
  const bool v4 = source.is_v4();
  const std::size_t header = v4 ? 20 : 40, udp_length = 8 + payload.size();
  std::vector<std::uint8_t> packet(header + udp_length);
  if (v4) {
    packet[0] = 0x45;
    store16(packet, 2, packet.size());
    packet[8] = 64;
    packet[9] = IPPROTO_UDP;
    copy_bytes(source.octets(), &packet[12]);
    copy_bytes(destination.octets(), &packet[16]);
    store16(packet, 10, ~sum_of(Bytes(packet).first(20)) & 0xffff);
  } else {
    packet[0] = 0x60;
    store16(packet, 4, udp_length);
    packet[6] = IPPROTO_UDP;
    packet[7] = 64;
    copy_bytes(source.octets(), &packet[8]);
    copy_bytes(destination.octets(), &packet[24]);
  }
  store16(packet, header, from.port());
  store16(packet, header + 2, to.port());
  store16(packet, header + 4, udp_length);
  copy_bytes(as_bytes(payload), packet.data() + header + 8);
  const Bytes addresses = Bytes(packet).subspan(v4 ? 12 : 8, v4 ? 8 : 32);
  const std::uint32_t pseudo = sum_of(addresses, static_cast<std::uint32_t>(IPPROTO_UDP + udp_length));
  const std::uint32_t whole = ~sum_of(Bytes(packet).subspan(header), pseudo) & 0xffff;
  store16(packet, header + 6, partial ? pseudo : whole == 0 ? 0xffff : whole);
  return packet;
}

inline Packet as_packet(std::vector<std::uint8_t>& bytes, std::uint16_t segment_size = 0,
                        bool partial = false) {
  return {bytes, segment_size, partial};
}

}  // namespace sallyport::net::test
