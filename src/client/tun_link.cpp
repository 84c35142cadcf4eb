#include "client/tun_link.h"

#include "base/of_flag.h"
#include "client/udp_addresses.h"
#include "masque/ip_sender.h"
#include "net/links.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include <fmt/format.h>

namespace sallyport::client {

TunLink::TunLink(net::EventLoop& loop, TunLinkOptions options, TunLinkEvents events, net::TunDevice device,
                 net::Rtnetlink netlink)
    : options_(std::move(options)),
      events_(std::move(events)),
      timers_(loop.timers()),
      device_(std::move(device)),
      netlink_(std::move(netlink)),
      mtu_(device_.mtu()),
      mtu_deadline_(timers_, [this](Time) { check_path(); }) {}

Result<std::unique_ptr<TunLink>> TunLink::make(net::EventLoop& loop, TunLinkOptions options,
                                               TunLinkEvents events) {
  auto device = net::TunDevice::open({.name = options.device,
                                      .queues = 1,
                                      .mtu = options.mtu == 0 ? masque::least_ipv6_mtu : options.mtu,
                                      .persistent = false});
  if (!device)
    return options.device.empty() ? std::unexpected(std::move(device.error()))
                                  : of_flag("--device", device.error());
  auto netlink = net::Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  std::unique_ptr<TunLink> link(
      new TunLink(loop, std::move(options), std::move(events), std::move(*device), std::move(*netlink)));
  if (auto done = link->set_up(loop); !done) return std::unexpected(std::move(done.error()));
  return link;
}

Result<> TunLink::set_up(net::EventLoop& loop) {
  const auto link = net::find_link(netlink_, device_.index());
  if (!link) return std::unexpected(link.error());
  [[maybe_unused]] const auto changed = net::change_link(netlink_, *link, {.ipv6_link_local = false});
  if (auto up = net::change_link(netlink_, *link, {.up = true}); !up) return up;
  auto network = TunNetwork::open(device_.index(),
                                  {.routes = options_.routes,
                                   .excludes = options_.excludes,
                                   .of_everybody = options_.of_everybody,
                                   .device = options_.is_one_of_several ? device_.name() : std::string()});
  if (!network) return std::unexpected(std::move(network.error()));
  network_ = std::move(*network);
  auto queue = device_.take_queue(loop, 0);
  if (!queue) return std::unexpected(std::move(queue.error()));
  queue_ = std::move(*queue);
  relay_.emplace(timers_, *queue_,
                 net::CoalescerOptions{.tcp = true, .udp = device_.offloads().udp_segmentation});
  relay_->set_mtu_handler([this] {
    if (!mtu_deadline_.armed()) check_path();
    follow_path();
  });
  relay_->set_device_mtu_handler([this](std::size_t mtu) { on_device_mtu(mtu); });
  relay_->set_closed_handler([this](const Error& why) { end(why, false); });
  return {};
}

TunLink::~TunLink() {
  ended_ = true;
  if (relay_) relay_->set_tunnel(nullptr);
}

Result<> TunLink::open(http::Connection& connection, const masque::ProxyTemplate& proxy,
                       const http::Fields& fields) {
  auto tunnel = masque::IpTunnel::open(connection, proxy, {}, fields,
                                       {.opened =
                                            [this](const std::string&) {
                                              opened_ = true;
                                              mtu_deadline_.arm(timers_.now() + masque::time_to_find_mtu);
                                              if (!ended_ && events_.opened) events_.opened();
                                            },
                                        .assigned = [this](const auto& all) { on_assigned(all); },
                                        .routes =
                                            [this](const auto& all) {
                                              advertised_ = all;
                                              apply_routes();
                                            },
                                        .dns = {},
                                        .closed = [this](const Error& why) { end(why, true); }});
  if (!tunnel) return std::unexpected(std::move(tunnel.error()));
  if (ended_) return {};
  tunnel_ = std::move(*tunnel);
  join(*tunnel_);
  std::vector<net::IpPrefix> wanted;
  wanted.reserve(2);
  if (network_->wants(true)) wanted.push_back(masque::host_prefix(net::IpAddress()));
  if (network_->wants(false)) wanted.push_back(masque::host_prefix(net::IpAddress::v6({})));
  tunnel_->request_addresses(wanted);
  return {};
}

Result<> TunLink::open_flows(const http::Connection& connection, UdpFlowsOptions options,
                             const std::vector<net::IpAddress>& addresses) {
  if (auto free = check_no_network_has(addresses, device_.index()); !free) return free;
  options.failed = [this](const Error& why) { end(why, true); };
  flows_ = std::make_unique<UdpFlows>(timers_, std::move(options));
  flows_->expect(connection);
  join(*flows_);
  opened_ = true;
  if (events_.opened) events_.opened();
  std::vector<masque::AssignedAddress> all;
  all.reserve(addresses.size());
  for (const net::IpAddress& each : addresses) all.push_back({0, masque::host_prefix(each)});
  advertised_ = {masque::range_of(net::IpPrefix(net::IpAddress(), 0)),
                 masque::range_of(net::IpPrefix(net::IpAddress::v6({}), 0))};
  on_assigned(all);
  return {};
}

void TunLink::join(net::PacketPort& port) {
  port_ = &port;
  relay_->set_tunnel(port_);
}

void TunLink::on_assigned(const std::vector<masque::AssignedAddress>& all) {
  if (ended_) return;
  std::vector<net::IpAddress> addresses;
  std::optional<net::IpAddress> v6;
  for (const masque::AssignedAddress& each : all) {
    const net::IpAddress address = each.prefix.address();
    if (each.is_rejection() || !network_->wants(address.is_v4())) continue;
    addresses.push_back(address);
    if (address.is_v6()) v6 = address;
  }
  relay_->set_own(v6);
  if (auto set = network_->set_addresses(addresses); !set) return end(set.error(), true);
  if (!std::exchange(was_assigned_, true) || addresses != addresses_) {
    addresses_ = std::move(addresses);
    if (events_.addresses) events_.addresses();
  }
  apply_routes();
}

void TunLink::apply_routes() {
  if (ended_) return;
  follow_path();
  if (auto set = network_->set_routes(advertised_); !set) return end(set.error(), false);
  if (network_->routed() == routes_) return;
  routes_ = network_->routed();
  if (events_.routes) events_.routes();
}

/// RFC 9484 §7.2: a tunnel that carries IPv6 and not its smallest MTU is ended.
void TunLink::check_path() {
  if (ended_ || !tunnel_ || tunnel_->mtu() >= masque::least_ipv6_mtu) return;
  if (std::ranges::none_of(addresses_, [](const net::IpAddress& each) { return each.is_v6(); })) return;
  end({ErrorKind::too_large, fmt::format("the path carries IP packets of {} bytes, and IPv6 needs {} (RFC "
                                         "9484 §7.2); with --route 0.0.0.0/0 "
                                         "the tunnel is for IPv4 alone",
                                         tunnel_->mtu(), masque::least_ipv6_mtu)},
      true);
}

/// The device takes packets as large as the tunnel carries, so that few are cut or answered.
void TunLink::follow_path() {
  if (options_.mtu != 0 || mtu_is_theirs_ || port_ == nullptr || ended_) return;
  const std::size_t mtu = std::clamp<std::size_t>(port_->mtu(), masque::least_ipv6_mtu, 65'535);
  if (mtu == device_.mtu()) return;
  mtu_ = mtu;
  if (auto set = device_.set_mtu(mtu); !set) {
    if (events_.note) events_.note(set.error().message);
    return;
  }
  if (events_.mtu) events_.mtu();
}

void TunLink::on_device_mtu(std::size_t mtu) {
  if (mtu == mtu_ || ended_) return;
  mtu_ = mtu;
  mtu_is_theirs_ = true;
  if (events_.note)
    events_.note(fmt::format("{}: somebody set its MTU to {}, which stays so", device_.name(), mtu));
  if (events_.mtu) events_.mtu();
}

void TunLink::end(const Error& why, bool of_hop) {
  if (std::exchange(ended_, true)) return;
  if (events_.ended) events_.ended(why, of_hop);
}

std::vector<TunDrop> TunLink::drops() {
  const PacketRelayCounters& relay = relay_->counters();
  const auto link = net::find_link(netlink_, device_.index());
  std::vector<TunDrop> drops{{"up", "kernel_queue", link ? link->transmit_dropped : 0},
                             {"up", "no_tunnel", relay.dropped_no_tunnel},
                             {"down", "device", relay.dropped_device}};
  const std::uint64_t invalid = relay.dropped_invalid + queue_->stats().dropped_unknown;
  const auto add = [&drops](std::initializer_list<TunDrop> more) { drops.insert(drops.end(), more); };
  if (flows_) {
    const UdpFlowsCounters flows = flows_->counters();
    add({{"up", "invalid", invalid + flows.dropped_invalid},
         {"up", "protocol", flows.dropped_protocol},
         {"up", "fragment", flows.dropped_fragment},
         {"up", "headers", flows.dropped_headers},
         {"up", "destination", flows.dropped_destination},
         {"up", "hop_limit", flows.dropped_hop_limit},
         {"up", "size", flows.dropped_too_large},
         {"up", "refused", flows.dropped_refused},
         {"up", "flows", flows.dropped_limit},
         {"up", "queue", flows.dropped_queue},
         {"up", "sojourn", flows.dropped_sojourn},
         {"down", "size", flows.dropped_down}});
    return drops;
  }
  const auto tunnel = tunnel_ ? tunnel_->counters() : masque::IpTunnelCounters{};
  add({{"up", "invalid", invalid + tunnel.dropped_invalid_out},
       {"up", "size", tunnel.dropped_size},
       {"up", "queue", tunnel.dropped_queue},
       {"up", "sojourn", tunnel.dropped_sojourn},
       {"down", "context", tunnel.dropped_context},
       {"down", "invalid", tunnel.dropped_invalid - tunnel.dropped_invalid_out},
       {"down", "destination", tunnel.dropped_destination}});
  return drops;
}

TunDeviceFigures TunLink::figures() {
  TunDeviceFigures figures;
  figures.device = device_.name();
  figures.open = opened_ && !ended_;
  figures.addresses = addresses_;
  figures.routes = routes_;
  figures.mtu = device_.mtu();
  figures.path_budget = port_ != nullptr ? port_->mtu() : 0;
  const PacketRelayCounters& relay = relay_->counters();
  figures.packets_up = relay.packets_up;
  figures.packets_down = relay.packets_down;
  figures.bytes_up = relay.bytes_up;
  figures.bytes_down = relay.bytes_down;
  if (flows_) {  // the relay counts packets that were answered as well, and the answers
    const UdpFlowsCounters flows = flows_->counters();
    figures.flows = flows_->flows();
    figures.packets_up = flows.datagrams_up;
    figures.packets_down = flows.datagrams_down;
    figures.bytes_up = flows.bytes_up;
    figures.bytes_down = flows.bytes_down;
  }
  figures.drops = drops();
  return figures;
}

}  // namespace sallyport::client
