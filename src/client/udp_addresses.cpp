#include "client/udp_addresses.h"

#include "masque/ip_range.h"
#include "net/routes.h"

#include <optional>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

net::IpAddress unique_local(std::uint8_t last) {
  return net::IpAddress::v6({0xfd, 0x5e, 0x1a, 0x53, 0xb9, 0xc7, 0, 0, 0, 0, 0, 0, 0, 0, 0, last});
}

}  // namespace

net::IpAddress udp_device_v4() {
  return net::IpAddress::v4({192, 0, 0, 2});
}
net::IpAddress udp_device_v6() {
  return unique_local(2);
}
net::IpAddress udp_router_v4() {
  return net::IpAddress::v4({192, 0, 0, 1});
}
net::IpAddress udp_router_v6() {
  return unique_local(1);
}

Result<std::vector<net::IpAddress>> udp_device_addresses(std::span<const net::IpAddress> chosen) {
  std::optional<net::IpAddress> v4, v6;
  for (const net::IpAddress& each : chosen) {
    if (each.is_unspecified() || each.is_loopback() || each.is_multicast() || each.is_link_local() ||
        each.unmapped() != each)
      return fail(ErrorKind::usage, fmt::format("--address {}: no device can have it", each.to_string()));
    auto& mine = each.is_v4() ? v4 : v6;
    if (mine)
      return fail(ErrorKind::usage,
                  fmt::format("--address {}: there is {} already; give one of each IP version at most",
                              each.to_string(), mine->to_string()));
    mine = each;
  }
  return std::vector{v4.value_or(udp_device_v4()), v6.value_or(udp_device_v6())};
}

Result<> check_no_network_has(std::span<const net::IpAddress> addresses, unsigned link) {
  auto netlink = net::Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  for (const net::IpAddress& each : addresses) {
    const auto clash = net::find_network_clash(*netlink, masque::host_prefix(each), link);
    if (!clash) return std::unexpected(clash.error());
    if (*clash)
      return fail(ErrorKind::resource,
                  fmt::format("the tunnel's device cannot have {}, as this machine has {} on {}; choose "
                              "another address with --address",
                              each.to_string(), (*clash)->network.to_string(), (*clash)->link));
  }
  return {};
}

}  // namespace sallyport::client
