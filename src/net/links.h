// Links: the network devices of the thread's network namespace, looked up and changed by rtnetlink.
#pragma once

#include "base/result.h"
#include "net/rtnetlink.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::net {

struct Link {
  unsigned index = 0;
  std::string name;
  std::size_t mtu = 0;
  std::size_t transmit_queue_length = 0;  ///< packets; for a TUN device, those that wait to be read
  bool up = false;                        ///< administratively
  bool carrier = false;                   ///< for a TUN device, whether a program has it open
  std::uint64_t transmit_dropped = 0;     ///< for a TUN device: nobody read them in time
  std::uint64_t receive_dropped = 0;
};

/// What to change; nullopt leaves a setting as it is.
struct LinkChange {
  std::optional<bool> up;
  std::optional<std::size_t> mtu;  ///< bytes; below 1,280 the kernel takes IPv6 away from the link
  std::optional<std::size_t> transmit_queue_length;
  /// Whether the kernel gives the link an fe80:: address, and sends router solicitations from it, once the
  /// link is up. Refused on a link without IPv6.
  std::optional<bool> ipv6_link_local;
};

/// 1 to 15 bytes without '/', ':' and white space, and neither "." nor "..".
bool is_link_name(std::string_view name);

/// Errors: kind `closed`, code ENODEV, where there is none.
Result<Link> find_link(Rtnetlink& netlink, std::string_view name);
Result<Link> find_link(Rtnetlink& netlink, unsigned index);
Result<std::vector<Link>> list_links(Rtnetlink& netlink);
/// Changes all of it or, on an error, perhaps a part.
Result<> change_link(Rtnetlink& netlink, const Link& link, const LinkChange& change);
/// Removes the device, not only its settings.
Result<> remove_link(Rtnetlink& netlink, const Link& link);

}  // namespace sallyport::net
