// TunDevice: a TUN device, made or attached to, whose packets are read and written through its queues
// (net/tun_queue.h), one for each worker. Addresses and routes are given to it by net/interface_addresses.h
// and net/routes.h.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "net/event_loop.h"
#include "net/tun_queue.h"

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::net {

/// What the kernel leaves to us in packets that we read. Super-packets and partial checksums may be sent in
/// any case: TunQueue cuts those that the kernel refuses, as Linux before 6.2 does UDP's.
struct TunOffloads {
  bool checksum = false;          ///< packets may have a partial checksum
  bool tcp_segmentation = false;  ///< TSO: TCP super-packets, of IPv4 and IPv6
  bool udp_segmentation = false;  ///< USO: UDP super-packets, of IPv4 and IPv6; since Linux 6.2
  std::string to_string() const;  ///< "checksum, TSO, USO", or "none"
  friend bool operator==(const TunOffloads&, const TunOffloads&) = default;
};

/// Asks for all of them, then for fewer, until `set` (TUNSETOFFLOAD) says yes.
TunOffloads negotiate_offloads(const std::function<bool(unsigned flags)>& set);

struct TunOptions {
  std::string name;        ///< empty: the kernel takes the first free one of tun0, tun1 ...
  std::size_t queues = 1;  ///< 1 to 256
  std::size_t mtu = 1500;  ///< 68 to 65,535; IPv6 needs 1,280
  /// Leave the device in place when it is closed, and attach to one of this name that is there, if nobody has
  /// it open. Attaching needs no CAP_NET_ADMIN if the device belongs to this user and has this MTU already.
  bool persistent = false;
};

/// A device that is not persistent exists until this object and all queues taken from it are gone, however
/// the process ends. It is down and without addresses at first.
class TunDevice {
 public:
  /// In the network namespace of this thread. Logs the granted offloads.
  static Result<TunDevice> open(const TunOptions& options);

  const std::string& name() const { return name_; }
  unsigned index() const { return index_; }
  const TunOffloads& offloads() const { return offloads_; }
  std::size_t queue_count() const { return queues_.size(); }
  /// Once a queue is taken, as anybody set it last.
  std::size_t mtu() const { return mtu_->load(std::memory_order_relaxed); }
  /// In the network namespace of this thread, which has to be the device's.
  Result<> set_mtu(std::size_t mtu);

  /// Queue `index`, each once: for the thread of `loop`, in the device's network namespace. It follows the
  /// device's MTU, whoever changes it. A queue not taken loses what the kernel puts there.
  Result<std::unique_ptr<TunQueue>> take_queue(EventLoop& loop, std::size_t index);

 private:
  TunDevice() = default;

  std::string name_;
  unsigned index_ = 0;
  TunOffloads offloads_;
  std::vector<UniqueFd> queues_;
  std::shared_ptr<std::atomic<std::size_t>> mtu_;
};

/// Removes a persistent device. Errors: it is no TUN device, is in use, or may not be removed.
Result<> remove_tun_device(const std::string& name);

}  // namespace sallyport::net
