#include "client/tun.h"

#include "base/file.h"
#include "client/tun_link.h"
#include "net/links.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sallyport::client {
namespace {

constexpr Duration time_to_close = 500ms;

/// Whether devices of this network namespace can have IPv6 addresses.
bool has_ipv6() {
  const auto text = read_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", 16);
  return text && text->starts_with('0');
}

/// Without what needs IPv6 where it is turned off: the kernel would take neither address nor route.
TunOptions for_this_machine(TunOptions options) {
  if (has_ipv6()) return options;
  const auto is_v6 = [](const net::IpPrefix& prefix) { return !prefix.address().is_v4(); };
  if (std::erase_if(options.routes, is_v6) > 0 && options.note)
    options.note("IPv6 is turned off on this machine, and so in the tunnel");
  std::erase_if(options.excludes, is_v6);
  std::erase_if(options.addresses, [](const net::IpAddress& address) { return !address.is_v4(); });
  return options;
}

/// The first of them.
template <class Item>
std::string list(const std::vector<Item>& items) {
  constexpr std::size_t most = 8;
  const std::size_t shown = std::min(items.size(), most);
  std::vector<std::string> words;
  words.reserve(shown);
  for (std::size_t i = 0; i < shown; ++i) {
    if constexpr (std::is_same_v<Item, std::string>)
      words.push_back(items[i]);
    else
      words.push_back(items[i].to_string());
  }
  std::string text = fmt::format("{}", fmt::join(words, ", "));
  if (items.size() > most) text += fmt::format(" and {} more", items.size() - most);
  return text;
}

}  // namespace

struct Tun::Impl {
  Impl(dial::Context& shared, net::EventLoop& its_loop, TunOptions its_options, Done its_done)
      : context(shared),
        loop(its_loop),
        options(for_this_machine(std::move(its_options))),
        done(std::move(its_done)) {
    assert(options.devices >= 1 && options.devices <= TunOptions::max_devices);
    make_chain();
  }

  void make_chain() {
    chain.emplace(context, options.chain);
    // A proxy ends a connection on which there is no flow; the next flow makes another.
    chain->set_broken_handler([this](const Error& why) {
      if (options.mode != TunMode::udp || opened_at == Time{}) finish(std::unexpected(why));
    });
  }

  /// In mode udp, once the first connection was there. Where there is none any more, the work has ended.
  void connect_again(const dial::Chain::Opened& opened) {
    if (chain->hop_failed()) make_chain();
    chain->open(last_hop(), [this, opened](Result<http::Connection*> made) {
      if (!made) finish(std::unexpected(made.error()));
      opened(std::move(made));
    });
  }

  /// Each in a turn of its own, as it may take the kernel a while: so signals are heard, and no deadline
  /// counts the time of all of them.
  void make_devices() {
    if (ended) return;
    if (links.size() == options.devices) return open_next();
    const std::size_t index = links.size();
    auto link = TunLink::make(loop,
                              {.device = tun_device_name(options.device, index, options.devices),
                               .routes = options.routes,
                               .excludes = options.excludes,
                               .mtu = options.mtu,
                               .of_everybody = index == 0,
                               .is_one_of_several = options.devices > 1},
                              events_of(index));
    if (!link) return finish(std::unexpected(std::move(link.error())));
    links.push_back(std::move(*link));
    loop.post([this] { make_devices(); });
  }

  TunLinkEvents events_of(std::size_t index) {
    return {.opened = [this, index] { on_opened(*links[index]); },
            .addresses = [this, index] { on_addresses(links[index]->figures()); },
            .routes = [this, index] { on_routes(links[index]->figures()); },
            .mtu =
                [this, index] {
                  if (options.watcher != nullptr) options.watcher->on_mtu(links[index]->figures());
                },
            .note = [this](std::string_view sentence) { note(sentence); },
            .ended = [this](const Error& why,
                            bool of_hop) { finish(std::unexpected(of_hop ? named(why) : why)); }};
  }

  void start() {
    if (options.routes.empty())
      return finish(fail(ErrorKind::usage, "--route names IPv6 prefixes alone, and IPv6 is turned off"));
    links.reserve(options.devices);
    make_devices();
  }

  /// One after the other, though none waits for another's answer: over HTTP/1.1 each has a connection of its
  /// own.
  void open_next() {
    chain->open(last_hop(), [this](Result<http::Connection*> connection) {
      if (ended) return;
      if (!connection) return finish(std::unexpected(std::move(connection.error())));
      do {
        if (auto opened = open_tunnel(**connection); !opened)
          return finish(std::unexpected(std::move(opened.error())));
      } while (!ended && asked < links.size() && (*connection)->can_request());
      if (!ended && asked < links.size()) open_next();
    });
  }

  dial::Url last_hop() const { return {.host = options.proxy.host(), .port = options.proxy.port()}; }
  std::string last_hop_title() const {
    return fmt::format("hop {} ({})", options.chain.hops.size() + 1, last_hop().origin());
  }

  /// With the hop that it is about: the last one, unless the chain knows better.
  Error named(const Error& why) const {
    Error error = chain->titled(last_hop(), why);
    if (error.message == why.message) error.message = fmt::format("{}: {}", last_hop_title(), why.message);
    return error;
  }

  /// The address of the first hop, however many there are.
  std::optional<net::IpAddress> first_hop() const {
    const auto figures = chain->figures();
    if (figures.empty()) return std::nullopt;
    const auto address = net::SocketAddress::parse(figures.front().address);
    return address ? std::optional(address->ip().unmapped()) : std::nullopt;
  }

  Result<> open_tunnel(http::Connection& connection) {
    if (asked == 0)
      if (auto taken = take_over(connection); !taken) return taken;
    TunLink& link = *links[asked++];
    return options.mode == TunMode::udp ? open_flows(link, connection)
                                        : link.open(connection, options.proxy, fields());
  }

  /// Of requests to the last hop.
  http::Fields fields() const {
    http::Fields fields;
    if (!options.token.empty()) fields.add("authorization", "Bearer " + options.token);
    return fields;
  }

  Result<> open_flows(TunLink& link, const http::Connection& connection) {
    return link.open_flows(connection,
                           {.proxy = options.proxy,
                            .fields = fields(),
                            .connect = [this](const auto& opened) { connect_again(opened); },
                            .failed = {}},
                           options.addresses);
  }

  /// Before the first request, that nothing leaks past the tunnels.
  Result<> take_over(const http::Connection& connection) {
    // Those beyond the limit would wait for ever. Over HTTP/1.1 a connection carries one.
    const std::size_t room = connection.free_streams();
    if (connection.info().version != http::Version::http1_1 && room > 0 && room < links.size())
      return fail(ErrorKind::refused,
                  fmt::format("{}: it takes {} requests at once on a connection, and each of --devices {} is "
                              "one; give fewer",
                              last_hop_title(), room, links.size()));
    const auto hop = first_hop();
    if (!hop) return fail(ErrorKind::protocol, "the address of the first hop is not known");
    for (const auto& link : links)
      if (auto taken = link->network().take_over(*hop); !taken) return taken;
    if (options.mode == TunMode::udp) pin(*hop);
    return warn_of_routes(*hop);
  }

  /// For connections that are made again: the name of the first hop cannot be looked up while the way to the
  /// resolver is down.
  void pin(const net::IpAddress& hop) {
    const dial::Url proxy = last_hop();
    const masque::Target first =
        options.chain.hops.empty()
            ? masque::Target{proxy.host, proxy.port}
            : masque::Target{options.chain.hops.front().host(), options.chain.hops.front().port()};
    [[maybe_unused]] const auto pinned =
        context.pinned.add(fmt::format("{}:{}", first.to_string(), hop.to_string()));
  }

  Result<> warn_of_routes(const net::IpAddress& hop) const {
    const auto routes = links.front()->network().routes_before_ours(hop);
    if (!routes) return std::unexpected(routes.error());
    if (routes->empty()) return {};
    auto netlink = net::Rtnetlink::open();
    if (!netlink) return std::unexpected(std::move(netlink.error()));
    std::vector<std::string> words;
    words.reserve(routes->size());
    for (const net::Route& route : *routes) {
      const auto link = net::find_link(*netlink, route.link);
      words.push_back(route.destination.to_string() + (link ? " (" + link->name + ")" : ""));
    }
    note(fmt::format(
        "this machine has {} of its own to {}, which {} before the tunnel: those packets stay out "
        "of it",
        words.size() == 1 ? "a route" : "routes", list(words), words.size() == 1 ? "goes" : "go"));
    return {};
  }

  void on_opened(TunLink& link) {
    if (opened_at == Time{}) opened_at = context.timers().now();
    if (options.watcher != nullptr) options.watcher->on_opened(link.figures());
  }

  void on_addresses(const TunDeviceFigures& device) const {
    note(device.addresses.empty() ? fmt::format("{}: the proxy has assigned no address", device.device)
                                  : fmt::format("{}: {}", device.device, list(device.addresses)));
    if (options.watcher != nullptr) options.watcher->on_addresses(device);
  }

  void on_routes(const TunDeviceFigures& device) const {
    note(fmt::format("{}: routes {}", device.device, device.routes.empty() ? "none" : list(device.routes)));
    if (options.watcher != nullptr) options.watcher->on_routes(device);
  }

  void note(std::string_view sentence) const {
    if (options.note) options.note(sentence);
  }

  TunFigures figures() const {
    if (taken_down) return last;
    TunFigures figures;
    if (opened_at != Time{}) figures.open_for = context.timers().now() - opened_at;
    figures.links = chain->figures();
    figures.devices.reserve(links.size());
    for (const auto& link : links) figures.devices.push_back(link->figures());
    return figures;
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
    last = figures();
    taken_down = true;
    links.clear();
    chain->shutdown(time_to_close, [this] { done(std::move(result)); });
  }

  dial::Context& context;
  net::EventLoop& loop;
  const TunOptions options;
  const Done done;
  std::optional<dial::Chain> chain;
  std::vector<std::unique_ptr<TunLink>> links;
  std::size_t asked = 0;  // of the links, those whose tunnels are requested
  Time opened_at{};
  Result<> result;
  TunFigures last;
  bool ended = false, taken_down = false;
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
TunFigures Tun::figures() {
  return impl_->figures();
}
bool Tun::is_ready() const {
  return impl_->links.size() == impl_->options.devices &&
         std::ranges::none_of(impl_->links, [](const auto& link) { return link->addresses().empty(); });
}

std::string tun_device_name(std::string_view name, std::size_t index, std::size_t count) {
  if (name.empty() || count == 1) return std::string(name);
  const std::string number = std::to_string(index);
  const std::size_t place = name.find("%d");
  if (place == std::string_view::npos) return std::string(name) + number;
  return std::string(name.substr(0, place)) + number + std::string(name.substr(place + 2));
}

}  // namespace sallyport::client
