// PacketRelay: joins a TUN device's queue and a CONNECT-IP tunnel, on a client's side (RFC 9484): packets
// that the kernel routes to the device go into the tunnel, those that come out of it go to the kernel. What
// cannot go is answered by ICMP errors, as a router does. Owned by TunLink.
#pragma once

#include "masque/icmp_answers.h"
#include "net/coalesce.h"
#include "net/packet_port.h"
#include "net/timers.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

namespace sallyport::client {

struct PacketRelayCounters {
  std::uint64_t packets_up = 0, packets_down = 0, bytes_up = 0, bytes_down = 0;
  std::uint64_t dropped_invalid = 0, dropped_too_large = 0, dropped_queue = 0, dropped_device = 0;
  std::uint64_t dropped_no_tunnel = 0;
};

class PacketRelay final : net::PacketReceiver {
 public:
  /// `device` is not owned and must outlive this. `coalesce`: which packets it takes joined.
  PacketRelay(net::Timers& timers, net::PacketPort& device, const net::CoalescerOptions& coalesce);
  ~PacketRelay();
  PacketRelay(const PacketRelay&) = delete;
  PacketRelay& operator=(const PacketRelay&) = delete;

  /// Not owned; must outlive this, or be replaced. Null: what comes from the device is answered with
  /// "unreachable".
  void set_tunnel(net::PacketPort* tunnel);
  /// Our address, which ICMPv6 errors come from. ICMP errors come from where the packet was going: to the
  /// kernel a packet out of the device from an IPv4 address of its own is a martian.
  void set_own(std::optional<net::IpAddress> v6) { answers_.set_own(std::nullopt, v6); }
  /// Called when the tunnel carries packets of another size.
  void set_mtu_handler(std::function<void()> changed) { mtu_changed_ = std::move(changed); }
  /// Called when the device takes packets of another size, whoever set that.
  void set_device_mtu_handler(std::function<void(std::size_t mtu)> changed) {
    device_mtu_changed_ = std::move(changed);
  }
  /// Called when the device is gone.
  void set_closed_handler(std::function<void(const Error&)> closed) { closed_ = std::move(closed); }
  const PacketRelayCounters& counters() const { return counters_; }

 private:
  /// The tunnel's other side of this.
  struct Down final : net::PacketReceiver {
    explicit Down(PacketRelay& its) : relay(its) {}
    void on_packets(std::span<net::Packet> packets, Time now) override { relay.from_tunnel(packets, now); }
    void on_port_writable(Time) override { relay.device_.set_reading(true); }
    void on_mtu(std::size_t) override {
      if (relay.mtu_changed_) relay.mtu_changed_();
    }
    PacketRelay& relay;
  };

  void on_packets(std::span<net::Packet> packets, Time now) override;
  void on_mtu(std::size_t mtu) override {
    if (device_mtu_changed_) device_mtu_changed_(mtu);
  }
  void on_port_closed(const Error& why) override {
    if (closed_) closed_(why);
  }
  /// Of packets that both sides carry.
  std::size_t mtu() const { return std::min(tunnel_->mtu(), device_.mtu()); }
  void from_tunnel(std::span<net::Packet> packets, Time now);
  void up(const net::Packet& packet, Time now);
  void to_device(const net::Packet& packet);

  net::PacketPort& device_;
  net::PacketPort* tunnel_ = nullptr;
  Down down_{*this};
  std::function<void()> mtu_changed_;
  std::function<void(std::size_t)> device_mtu_changed_;
  std::function<void(const Error&)> closed_;
  masque::IcmpAnswers answers_;
  masque::IcmpLimit limit_;
  PacketRelayCounters counters_;
  net::Coalescer coalescer_;
  net::Deferred flush_;
};

}  // namespace sallyport::client
