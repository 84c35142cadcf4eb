// Helpers for tests that change the network: a namespace of their own, and TUN devices in it.
#pragma once

#include "net/interface_addresses.h"
#include "net/links.h"
#include "net/new_namespace_for_test.h"
#include "net/packet_port.h"
#include "net/packets_for_test.h"
#include "net/routes.h"
#include "net/run_until_for_test.h"
#include "net/tun_device.h"
#include "net/udp_for_test.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

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
  return in_new_namespace([&] {
    bring_up_loopback();
    test();
  });
}

inline constexpr const char* needs_tun = "needs /dev/net/tun, and CAP_SYS_ADMIN for a network namespace";

/// Whether this thread may make a TUN device in its namespace, by making one: /dev/net/tun may be there
/// without its driver, or be forbidden. The device is gone again at the end.
inline bool can_make_tun() {
  const UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
  return fd && ::ioctl(fd.get(), TUNSETIFF, &request) == 0;
}

/// The same for a test with TUN devices.
inline bool in_network_namespace_with_tun(const std::function<void()>& test) {
  bool possible = false;
  in_network_namespace([&] {
    possible = can_make_tun();
    if (possible) test();
  });
  return possible;
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

inline void wait_until_local(Rtnetlink& netlink, const IpAddress& address) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (!is_local(netlink, address)) {
    if (std::chrono::steady_clock::now() > end)
      throw std::runtime_error(address.to_string() + " did not become an address of this machine");
    std::this_thread::sleep_for(1ms);
  }
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
    wait_until_local(netlink, ip(address));
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

/// An IPv4 or IPv6 packet with a UDP datagram, and its checksum complete or partial.
inline PacketBytes udp_packet(const SocketAddress& from, const SocketAddress& to, std::string_view payload,
                              bool partial = false) {
  const auto copy_of = [](Bytes bytes) { return PacketBytes(bytes.begin(), bytes.end()); };
  const IpAddress source = from.ip(), destination = to.ip();
  PacketBytes packet = MadePacket{.is_v6 = source.is_v6(),
                                  .is_udp = true,
                                  .payload = copy_of(as_bytes(payload)),
                                  .source_port = from.port(),
                                  .destination_port = to.port(),
                                  .source = copy_of(source.octets()),
                                  .destination = copy_of(destination.octets())}
                           .make();
  if (partial) make_checksum_partial(packet);
  return packet;
}

inline Packet as_packet(PacketBytes& bytes, std::uint16_t segment_size = 0, bool partial = false) {
  return {bytes, segment_size, partial};
}

}  // namespace sallyport::net::test
