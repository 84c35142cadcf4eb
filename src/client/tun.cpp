#include "client/tun.h"

#include "base/of_flag.h"
#include "client/tun_network.h"
#include "masque/ip_tunnel.h"
#include "net/links.h"
#include "net/tun_device.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sallyport::client {
namespace {

// Every IPv6 link takes packets of this size, and CONNECT-IP tunnels do (RFC 9484 §7.2).
constexpr std::size_t least_mtu = 1280;
constexpr Duration time_to_close = 500ms;

/// The first of them.
template <class Item>
std::string list(const std::vector<Item>& items) {
  constexpr std::size_t most = 8;
  std::vector<std::string> words;
  for (std::size_t i = 0; i < std::min(items.size(), most); ++i) words.push_back(items[i].to_string());
  std::string text = fmt::format("{}", fmt::join(words, ", "));
  if (items.size() > most) text += fmt::format(" and {} more", items.size() - most);
  return text;
}

}  // namespace

struct Tun::Impl {
  Impl(dial::Context& shared, net::EventLoop& its_loop, TunOptions its_options, Done its_done)
      : context(shared),
        loop(its_loop),
        options(std::move(its_options)),
        done(std::move(its_done)),
        chain(shared, options.chain) {
    chain.set_broken_handler([this](const Error& why) { finish(std::unexpected(why)); });
  }

  Result<> make_device() {
    auto opened = net::TunDevice::open({.name = options.device,
                                        .queues = 1,
                                        .mtu = options.mtu == 0 ? least_mtu : options.mtu,
                                        .persistent = false});
    if (!opened)
      return options.device.empty() ? std::unexpected(std::move(opened.error()))
                                    : of_flag("--device", opened.error());
    device.emplace(std::move(*opened));
    auto netlink = net::Rtnetlink::open();
    if (!netlink) return std::unexpected(std::move(netlink.error()));
    const auto link = net::find_link(*netlink, device->index());
    if (!link) return std::unexpected(link.error());
    [[maybe_unused]] const auto changed = net::change_link(*netlink, *link, {.ipv6_link_local = false});
    if (auto up = net::change_link(*netlink, *link, {.up = true}); !up) return up;
    auto made = TunNetwork::open(device->index(), {options.routes, options.excludes});
    if (!made) return std::unexpected(std::move(made.error()));
    network = std::move(*made);
    auto taken = device->take_queue(loop, 0);
    if (!taken) return std::unexpected(std::move(taken.error()));
    queue = std::move(*taken);
    relay.emplace(context.timers(), *queue,
                  net::CoalescerOptions{.tcp = true, .udp = device->offloads().udp_segmentation});
    relay->set_mtu_handler([this] { follow_mtu(); });
    relay->set_closed_handler([this](const Error& why) { finish(std::unexpected(why)); });
    return {};
  }

  void start() {
    if (auto made = make_device(); !made) return finish(std::unexpected(std::move(made.error())));
    chain.open(last_hop(), [this](Result<http::Connection*> opened) {
      if (ended) return;
      if (!opened) return finish(std::unexpected(std::move(opened.error())));
      open_tunnel(**opened);
    });
  }

  dial::Url last_hop() const { return {.host = options.proxy.host(), .port = options.proxy.port()}; }

  /// With the hop that it is about: the last one, unless the chain knows better.
  Error named(const Error& why) const {
    Error error = chain.titled(last_hop(), why);
    if (error.message == why.message)
      error.message =
          fmt::format("hop {} ({}): {}", options.chain.hops.size() + 1, last_hop().origin(), why.message);
    return error;
  }

  /// The address of the first hop, however many there are.
  std::optional<net::IpAddress> first_hop() const {
    const auto figures = chain.figures();
    if (figures.empty()) return std::nullopt;
    const auto address = net::SocketAddress::parse(figures.front().address);
    return address ? std::optional(address->ip().unmapped()) : std::nullopt;
  }

  void open_tunnel(http::Connection& connection) {
    const auto hop = first_hop();
    if (!hop) return finish(fail(ErrorKind::protocol, "the address of the first hop is not known"));
    if (auto taken = network->take_over(*hop); !taken)
      return finish(std::unexpected(std::move(taken.error())));
    http::Fields fields;
    if (!options.token.empty()) fields.add("authorization", "Bearer " + options.token);
    auto opened =
        masque::IpTunnel::open(connection, options.proxy, {}, fields,
                               {.opened = {},
                                .assigned = [this](const auto& all) { on_assigned(all); },
                                .routes = [this](const auto& all) { on_routes(all); },
                                .dns = {},
                                .closed = [this](const Error& why) { finish(std::unexpected(named(why))); }});
    if (!opened) return finish(std::unexpected(std::move(opened.error())));
    if (ended) return;
    tunnel = std::move(*opened);
    relay->set_tunnel(&*tunnel);
    std::vector<net::IpPrefix> wanted;
    for (const bool v4 : {true, false})
      if (std::ranges::any_of(options.routes,
                              [v4](const auto& prefix) { return prefix.address().is_v4() == v4; }))
        wanted.push_back(v4 ? net::IpPrefix(net::IpAddress(), 32)
                            : net::IpPrefix(net::IpAddress::v6({}), 128));
    tunnel->request_addresses(wanted);
  }

  void on_assigned(const std::vector<masque::AssignedAddress>& all) {
    if (ended) return;
    std::vector<net::IpAddress> addresses;
    std::optional<net::IpAddress> v4, v6;
    for (const masque::AssignedAddress& each : all) {
      const net::IpAddress address = each.prefix.address();
      const bool wanted = std::ranges::any_of(
          options.routes, [&](const auto& prefix) { return prefix.address().is_v4() == address.is_v4(); });
      if (each.is_rejection() || !wanted) continue;
      addresses.push_back(address);
      (address.is_v4() ? v4 : v6) = address;
    }
    relay->set_own(v4, v6);
    if (auto set = network->set_addresses(addresses); !set)
      return finish(std::unexpected(named(set.error())));
    if (addresses != told) {
      told = addresses;
      note(addresses.empty() ? "the proxy has assigned no address"
                             : fmt::format("{}: {}", device->name(), list(addresses)));
    }
    apply_routes();
  }

  void on_routes(const std::vector<masque::IpRange>& all) {
    if (ended) return;
    advertised = all;
    apply_routes();
  }

  void apply_routes() {
    follow_mtu();
    if (auto set = network->set_routes(advertised); !set)
      return finish(std::unexpected(std::move(set.error())));
    const std::vector<net::IpPrefix>& routed = network->routed();
    if (routed == told_routes) return;
    told_routes = routed;
    note(fmt::format("{}: routes {}", device->name(), routed.empty() ? "none" : list(routed)));
  }

  /// The device takes packets as large as the tunnel carries, so that few are cut or answered.
  void follow_mtu() {
    if (options.mtu != 0 || !tunnel || ended) return;
    const std::size_t mtu = std::clamp<std::size_t>(tunnel->mtu(), least_mtu, 65'535);
    if (mtu == device->mtu()) return;
    if (auto set = device->set_mtu(mtu); !set) note(set.error().message);
  }

  void note(std::string_view sentence) const {
    if (options.note) options.note(sentence);
  }

  void stop() {
    if (ended) return;
    finish({});
  }

  void finish(Result<> outcome) {
    if (std::exchange(ended, true)) return;
    result = std::move(outcome);
    // Not from inside a call of the tunnel or of the chain.
    loop.post([this] { take_down(); });
  }

  void take_down() {
    if (relay) relay->set_tunnel(nullptr);
    tunnel.reset();
    relay.reset();
    network.reset();
    queue.reset();
    device.reset();
    chain.shutdown(time_to_close, [this] { done(std::move(result)); });
  }

  dial::Context& context;
  net::EventLoop& loop;
  const TunOptions options;
  const Done done;
  dial::Chain chain;
  std::optional<net::TunDevice> device;
  std::unique_ptr<net::TunQueue> queue;
  std::unique_ptr<TunNetwork> network;
  std::unique_ptr<masque::IpTunnel> tunnel;
  std::optional<PacketRelay> relay;
  std::vector<masque::IpRange> advertised;
  std::vector<net::IpAddress> told;
  std::vector<net::IpPrefix> told_routes;
  Result<> result;
  bool ended = false;
};

Tun::Tun(dial::Context& context, net::EventLoop& loop, TunOptions options, Done done)
    : impl_(std::make_unique<Impl>(context, loop, std::move(options), std::move(done))) {}

Tun::~Tun() = default;

void Tun::start() {
  impl_->start();
}
void Tun::stop() {
  impl_->stop();
}
PacketRelayCounters Tun::counters() const {
  return impl_->relay ? impl_->relay->counters() : PacketRelayCounters{};
}

}  // namespace sallyport::client
