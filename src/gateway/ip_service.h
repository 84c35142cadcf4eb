// IpService: what the workers of a gateway share to serve CONNECT-IP (RFC 9484): the TUN device with its
// addresses, a queue of it for each worker, the IpNetwork, and the way of packets between workers. Made at
// the start, as the device needs CAP_NET_ADMIN; it is gone with the process, however that ends, and so are
// the rules of --ip-nat.
#pragma once

#include "base/result.h"
#include "gateway/ip_nat.h"
#include "gateway/packet_exchange.h"
#include "gateway/settings.h"
#include "masque/ip_network.h"
#include "net/coalesce.h"
#include "net/tun_device.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace sallyport::gateway {

class IpService {
 public:
  /// Opens the device, gives it the first address of each pool, brings it up, and has addresses translated
  /// where that is asked for. Warns where the kernel forwards nothing. Errors name the flag and the remedy.
  static Result<std::shared_ptr<IpService>> open(const IpSettings& settings, unsigned workers);

  /// Without a device: each worker is given another port by WorkerExtras. For simulations. Errors as those of
  /// check().
  static Result<std::shared_ptr<IpService>> without_device(const IpSettings& settings, unsigned workers);

  /// The error that open() would have for what the flags say alone.
  static Result<> check(const IpSettings& settings);

  const std::shared_ptr<const masque::IpNetwork>& network() const { return network_; }
  // Of the device; only where there is one.
  const std::string& device() const { return device_->name(); }
  /// The queue of worker `number`, once, for its thread's loop.
  Result<std::unique_ptr<net::TunQueue>> take_queue(net::EventLoop& loop, unsigned number) {
    return device_->take_queue(loop, number);
  }
  /// Which packets the device takes joined.
  net::CoalescerOptions coalesce() const {
    return {.tcp = device_.has_value(), .udp = device_ && device_->offloads().udp_segmentation};
  }

  /// Packets that the kernel dropped since no worker read them in time; nullopt: it does not say, as of a
  /// device that is gone. From the thread of open(). A system call.
  std::optional<std::uint64_t> dropped_unread() const;

  PacketExchange& packets() { return packets_; }
  /// Tells all other workers that `prefix` leads to a tunnel of worker `from`, or no more. From that worker's
  /// thread.
  void tell(unsigned from, const net::IpPrefix& prefix, bool here) const { tell_(from, prefix, here); }
  /// How others are told. Before any worker runs.
  void set_tell(std::function<void(unsigned from, const net::IpPrefix&, bool here)> tell) {
    tell_ = std::move(tell);
  }

 private:
  IpService(std::optional<net::TunDevice> device, std::shared_ptr<const masque::IpNetwork> network,
            unsigned workers)
      : device_(std::move(device)), network_(std::move(network)), packets_(workers) {}

  std::optional<net::TunDevice> device_;
  std::optional<IpNat> nat_;
  std::shared_ptr<const masque::IpNetwork> network_;
  PacketExchange packets_;
  std::function<void(unsigned, const net::IpPrefix&, bool)> tell_;
};

/// Flags of CONNECT-IP that contradict each other, or lack another one. Reads nothing.
Result<> check_ip(const Settings& settings);

}  // namespace sallyport::gateway
