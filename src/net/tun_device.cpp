#include "net/tun_device.h"

#include "base/log.h"
#include "net/links.h"
#include "net/virtio_net.h"

#include <array>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

// Missing in the kernel headers of Debian 12.
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

namespace sallyport::net {
namespace {

constexpr const char* tun_file = "/dev/net/tun";
constexpr std::size_t min_mtu = 68, max_mtu = 65'535;  // RFC 791 §3.2, and the device's own
constexpr std::size_t max_queues = 256;                // MAX_TAP_QUEUES

Error error_of(ErrorKind kind, int number, std::string_view what, std::string_view mend = {}) {
  return Error{kind, fmt::format("{}: {}{}", what, std::generic_category().message(number), mend),
               static_cast<std::uint64_t>(number)};
}

Result<UniqueFd> open_tun_file() {
  UniqueFd fd(::open(tun_file, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (fd) return fd;
  const int number = errno;
  const std::string what = fmt::format("cannot open {}", tun_file);
  switch (number) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return std::unexpected(
          error_of(ErrorKind::resource, number, what,
                   " (a TUN device needs it; run 'modprobe tun', or give this container the device)"));
    case EACCES:
    case EPERM:
      return std::unexpected(
          error_of(ErrorKind::denied, number, what, " (run as root, or let this user read and write it)"));
    default:
      return std::unexpected(error_of(ErrorKind::resource, number, what));
  }
}

enum class Purpose : std::uint8_t { make, attach, remove };

Error attach_error(int number, const std::string& name, Purpose purpose) {
  const bool removing = purpose == Purpose::remove;
  const std::string what = fmt::format("cannot {} the TUN device '{}'", removing ? "remove" : "make", name);
  switch (number) {
    case EPERM:
      return error_of(ErrorKind::denied, number, what,
                      " (run as root, or give the program CAP_NET_ADMIN in this network namespace)");
    case EBUSY:
      return error_of(ErrorKind::resource, number, what,
                      removing ? " (a program uses it; stop that first)"
                               : " (a network device of this name exists; choose another name)");
    case EINVAL:
      return error_of(ErrorKind::resource, number, what,
                      removing ? " (it is not a TUN device with several queues)"
                      : purpose == Purpose::attach
                          ? " (a network device of this name exists and is not a TUN device with several "
                            "queues; choose another name)"
                          : "");
    case E2BIG:
      return error_of(ErrorKind::usage, number, what, " (the device has as many queues as it can)");
    default:
      return error_of(ErrorKind::resource, number, what);
  }
}

ifreq request_for(std::string_view name, int flags) {
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  request.ifr_flags = static_cast<short>(flags);
  return request;
}

constexpr int queue_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;

/// Makes the device, or adds a queue to it. The name may be a pattern; the real one is returned.
Result<std::string> attach(const UniqueFd& fd, const std::string& name, int flags, Purpose purpose) {
  ifreq request = request_for(name, queue_flags | flags);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) return std::unexpected(attach_error(errno, name, purpose));
  return std::string(request.ifr_name);
}

Result<> check(const TunOptions& options) {
  if (!options.name.empty() && !is_link_name(options.name))
    return fail(
        ErrorKind::usage,
        fmt::format("'{}' is no name for a network device; it must have 1 to {} bytes, and neither '/', "
                    "':' nor white space",
                    options.name, IFNAMSIZ - 1));
  if (options.name.find('%') != std::string::npos)
    return fail(ErrorKind::usage,
                fmt::format("'{}' is no name for a TUN device; choose one without '%'", options.name));
  if (options.mtu < min_mtu || options.mtu > max_mtu)
    return fail(
        ErrorKind::usage,
        fmt::format("a TUN device cannot have an MTU of {}; it must be {} to {} bytes (IPv6 needs 1280)",
                    options.mtu, min_mtu, max_mtu));
  if (options.queues == 0 || options.queues > max_queues)
    return fail(ErrorKind::usage, fmt::format("a TUN device cannot have {} queues; it must be 1 to {}",
                                              options.queues, max_queues));
  return {};
}

/// The kernel would add our queues to another program's, and each would get some of the packets.
Result<> check_unused(Rtnetlink& netlink, const std::string& name, std::string_view mend) {
  const auto link = find_link(netlink, name);
  if (!link || !link->carrier) return {};
  return fail(ErrorKind::resource,
              fmt::format("another program uses the network device '{}'; {}", name, mend), EBUSY);
}

Result<TunOffloads> set_up_queue(const UniqueFd& fd, const std::string& name) {
  int header_size = virtio_header_size;
  if (::ioctl(fd.get(), TUNSETVNETHDRSZ, &header_size) != 0)
    return std::unexpected(
        error_of(ErrorKind::resource, errno,
                 fmt::format("cannot use virtio-net headers on the TUN device '{}'", name)));
  return negotiate_offloads([&](unsigned flags) {
    return ::ioctl(fd.get(), TUNSETOFFLOAD, static_cast<unsigned long>(flags)) == 0;
  });
}

}  // namespace

std::string TunOffloads::to_string() const {
  std::string text;
  const auto add = [&](bool on, std::string_view word) {
    if (on) text += fmt::format("{}{}", text.empty() ? "" : ", ", word);
  };
  add(checksum, "checksum");
  add(tcp_segmentation, "TSO");
  add(udp_segmentation, "USO");
  return text.empty() ? "none" : text;
}

TunOffloads negotiate_offloads(const std::function<bool(unsigned)>& set) {
  constexpr unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
  // The kernel takes USO only for both families at once.
  if (set(tso | TUN_F_USO4 | TUN_F_USO6)) return {true, true, true};
  if (set(tso)) return {true, true, false};
  if (set(TUN_F_CSUM)) return {true, false, false};
  std::ignore = set(0);
  return {};
}

Result<TunDevice> TunDevice::open(const TunOptions& given) {
  if (auto checked = check(given); !checked) return std::unexpected(std::move(checked.error()));
  auto netlink = Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  TunOptions options = given;
  if (options.name.empty()) options.name = "tun%d";
  if (options.persistent)
    if (auto unused = check_unused(*netlink, options.name, "stop it, or choose another name"); !unused)
      return std::unexpected(std::move(unused.error()));

  TunDevice device;
  for (std::size_t i = 0; i < options.queues; ++i) {
    auto fd = open_tun_file();
    if (!fd) return std::unexpected(std::move(fd.error()));
    auto name = attach(*fd, options.name, i == 0 && !options.persistent ? IFF_TUN_EXCL : 0,
                       options.persistent ? Purpose::attach : Purpose::make);
    if (!name) return std::unexpected(std::move(name.error()));
    options.name = device.name_ = std::move(*name);
    auto offloads = set_up_queue(*fd, device.name_);
    if (!offloads) return std::unexpected(std::move(offloads.error()));
    device.offloads_ = *offloads;
    device.queues_.push_back(std::move(*fd));
  }

  const auto link = find_link(*netlink, device.name_);
  if (!link) return std::unexpected(link.error());
  device.index_ = link->index;
  device.mtu_ = std::make_shared<std::atomic<std::size_t>>(link->mtu);
  if (link->mtu != options.mtu)
    if (auto set = device.set_mtu(options.mtu); !set) return std::unexpected(std::move(set.error()));
  // Last: a device that was not finished does not stay.
  if (options.persistent && ::ioctl(device.queues_[0].get(), TUNSETPERSIST, 1UL) != 0)
    return std::unexpected(error_of(ErrorKind::denied, errno,
                                    fmt::format("cannot make the TUN device '{}' persistent", device.name_)));
  log_info("TUN device {}: MTU {}, {} {}, offloads: {}", device.name_, options.mtu, options.queues,
           options.queues == 1 ? "queue" : "queues", device.offloads_.to_string());
  return device;
}

Result<> TunDevice::set_mtu(std::size_t mtu) {
  if (auto checked = check({.name = name_, .mtu = mtu}); !checked) return checked;
  auto netlink = Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  Link link;
  link.index = index_;
  link.name = name_;
  auto changed = change_link(*netlink, link, {.mtu = mtu});
  if (changed) mtu_->store(mtu, std::memory_order_relaxed);
  return changed;
}

Result<std::unique_ptr<TunQueue>> TunDevice::take_queue(EventLoop& loop, std::size_t index) {
  assert(index < queues_.size() && queues_[index]);
  auto queue = TunQueue::adopt(loop, std::move(queues_[index]), name_, mtu_);
  if (!queue) return queue;
  if (auto follows = (*queue)->follow(index_); !follows) return std::unexpected(std::move(follows.error()));
  return queue;
}

Result<> remove_tun_device(const std::string& name) {
  TunOptions options;
  options.name = name;
  options.persistent = true;
  if (auto checked = check(options); !checked) return checked;
  auto netlink = Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  // Attaching would make what is not there.
  if (const auto link = find_link(*netlink, name); !link) return std::unexpected(link.error());
  if (auto unused = check_unused(*netlink, name, "stop that first"); !unused) return unused;
  auto fd = open_tun_file();
  if (!fd) return std::unexpected(std::move(fd.error()));
  if (auto attached = attach(*fd, name, 0, Purpose::remove); !attached)
    return std::unexpected(std::move(attached.error()));
  if (::ioctl(fd->get(), TUNSETPERSIST, 0UL) != 0)
    return std::unexpected(
        error_of(ErrorKind::denied, errno, fmt::format("cannot remove the TUN device '{}'", name)));
  return {};
}

}  // namespace sallyport::net
