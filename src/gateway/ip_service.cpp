#include "gateway/ip_service.h"

#include "base/file.h"
#include "base/log.h"
#include "base/of_flag.h"
#include "masque/ip_capsules.h"
#include "net/interface_addresses.h"
#include "net/links.h"
#include "net/routes.h"
#include "net/rtnetlink.h"

#include <cerrno>
#include <vector>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

// Of the IP packets between the kernel and the device. Paths of clients are narrower or not, and each tunnel
// answers for itself.
constexpr std::size_t device_mtu = 1500;

Result<std::shared_ptr<const masque::IpNetwork>> make_network(const IpSettings& settings) {
  auto pool = masque::AddressPool::make(settings.pool);
  if (!pool) return of_flag("--ip-pool", pool.error());
  auto network = std::make_shared<masque::IpNetwork>();
  network->pool = std::move(*pool);
  for (const net::IpPrefix& prefix : settings.client_networks)
    for (const net::IpPrefix& pool_prefix : settings.pool)
      if (prefix.overlaps(pool_prefix))
        return fail(
            ErrorKind::usage,
            fmt::format("--ip-client-network {} overlaps --ip-pool {}: clients could take each other's "
                        "addresses",
                        prefix.to_string(), pool_prefix.to_string()));
  network->client_networks = settings.client_networks;
  network->between_clients = settings.between_clients;
  std::vector<masque::IpRange> routes;
  routes.reserve(settings.routes.size());
  for (const net::IpPrefix& prefix : settings.routes) {
    if (!network->pool->has(prefix.address().is_v4()))
      return fail(
          ErrorKind::usage,
          fmt::format("--ip-route {}: no --ip-pool has addresses of this IP version", prefix.to_string()));
    routes.push_back(masque::range_of(prefix));
  }
  if (routes.empty())
    for (const bool v4 : {true, false})
      if (network->pool->has(v4))
        routes.push_back(masque::range_of({v4 ? net::IpAddress() : net::IpAddress::v6({}), 0}));
  network->routes = masque::sendable(std::move(routes));
  if (const auto sent = masque::write_route_advertisement(network->routes); !sent)
    return of_flag("--ip-route", sent.error());
  return network;
}

Result<> set_up_device(const net::TunDevice& device, const IpSettings& settings,
                       const masque::IpNetwork& network) {
  auto netlink = net::Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  for (const net::IpPrefix& prefix : settings.pool) {
    const auto clash = net::find_network_clash(*netlink, prefix, device.index());
    if (!clash) return std::unexpected(clash.error());
    if (*clash)
      return fail(
          ErrorKind::usage,
          fmt::format("--ip-pool {}: this machine has {} on {}; choose addresses that are used nowhere",
                      prefix.to_string(), (*clash)->network.to_string(), (*clash)->link));
  }
  const auto link = net::find_link(*netlink, device.index());
  if (!link) return std::unexpected(link.error());
  // Addresses that the kernel makes up are of no use here. A link without IPv6 has none to refuse.
  [[maybe_unused]] const auto changed = net::change_link(*netlink, *link, {.ipv6_link_local = false});
  if (auto done = net::change_link(*netlink, *link, {.up = true}); !done) return done;
  for (const auto& [address, length] : network.pool->own_addresses())
    if (auto done =
            net::add_address(*netlink, {.link = device.index(), .address = address, .prefix_length = length});
        !done)
      return done;
  return {};
}

/// One of the kernel's settings that are 0 or 1; true where it cannot be read.
bool is_on(const char* path) {
  const auto text = read_file(path, 16);
  return !text || !text->starts_with('0');
}

void warn_of_forwarding(const masque::IpNetwork& network) {
  if (network.pool->has(true) && !is_on("/proc/sys/net/ipv4/ip_forward"))
    log_warn(
        "the kernel forwards no IPv4 packets, so CONNECT-IP clients reach this machine alone: "
        "sysctl -w net.ipv4.ip_forward=1");
  if (network.pool->has(false) && !is_on("/proc/sys/net/ipv6/conf/all/forwarding"))
    log_warn(
        "the kernel forwards no IPv6 packets, so CONNECT-IP clients reach this machine alone: "
        "sysctl -w net.ipv6.conf.all.forwarding=1");
}

}  // namespace

Result<std::shared_ptr<IpService>> IpService::open(const IpSettings& settings, unsigned workers) {
  auto network = make_network(settings);
  if (!network) return std::unexpected(std::move(network.error()));
  auto device = net::TunDevice::open(
      {.name = settings.device, .queues = workers, .mtu = device_mtu, .persistent = false});
  if (!device) return of_flag("--masque ip", device.error());
  if (auto done = set_up_device(*device, settings, **network); !done)
    return std::unexpected(std::move(done.error()));
  std::optional<IpNat> nat;
  if (settings.nat) {
    auto rules = IpNat::open(settings.pool, device->name(), device->index());
    if (!rules) return std::unexpected(std::move(rules.error()));
    nat = *std::move(rules);
  }
  warn_of_forwarding(**network);
  std::shared_ptr<IpService> service(new IpService(std::move(*device), std::move(*network), workers));
  service->nat_ = std::move(nat);
  return service;
}

std::optional<std::uint64_t> IpService::dropped_unread() const {
  if (!device_) return std::nullopt;
  auto netlink = net::Rtnetlink::open();
  if (!netlink) return std::nullopt;
  const auto link = net::find_link(*netlink, device_->index());
  if (!link) return std::nullopt;
  return link->transmit_dropped;
}

Result<std::shared_ptr<IpService>> IpService::without_device(const IpSettings& settings, unsigned workers) {
  auto network = make_network(settings);
  if (!network) return std::unexpected(std::move(network.error()));
  return std::shared_ptr<IpService>(new IpService(std::nullopt, std::move(*network), workers));
}

Result<> IpService::check(const IpSettings& settings) {
  if (auto network = make_network(settings); !network) return std::unexpected(std::move(network.error()));
  return {};
}

Result<> check_ip(const Settings& settings) {
  const bool ip = settings.masque.contains(masque::Protocol::ip);
  const IpSettings& given = settings.ip;
  if (ip && given.pool.empty())
    return fail(ErrorKind::usage,
                "--masque ip needs --ip-pool PREFIX, the addresses of its clients: such as 10.89.0.0/24, and "
                "fd89::/64 for IPv6");
  const bool more = !given.pool.empty() || !given.routes.empty() || !given.client_networks.empty() ||
                    !given.device.empty() || given.between_clients || given.nat;
  if (!given.device.empty() && !net::is_link_name(given.device))
    return fail(
        ErrorKind::usage,
        fmt::format("--ip-device '{}' is no name for a network device; it must have 1 to 15 bytes, and "
                    "neither '/', ':' nor white space",
                    given.device));
  if (!ip && more)
    return fail(
        ErrorKind::usage,
        "--ip-pool, --ip-route, --ip-nat, --ip-client-network, --ip-between-clients and --ip-device are for "
        "--masque ip, which is not given");
  return {};
}

}  // namespace sallyport::gateway
