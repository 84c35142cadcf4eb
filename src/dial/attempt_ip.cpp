// QUIC in a CONNECT-IP tunnel of a hop (RFC 9484), without a TUN device: the tunnel is for the peer's host
// and UDP alone, the hop says by its routes where that is, and assigns the address that the packets come
// from.
#include "dial/address_race.h"
#include "dial/lookup.h"
#include "masque/ip_tunnel.h"
#include "masque/udp_over_ip.h"
#include "net/packet_fields.h"
#include "net/resolver.h"
#include "net/udp_header.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sallyport::dial {
namespace {

/// How long IPv4 waits for IPv6 (RFC 8305 §3, Resolution Delay).
constexpr Duration resolution_delay = 50ms;
/// A wider range is not the addresses of a name.
constexpr std::size_t max_range = 16, max_targets = 32;

/// The next one; of the last one, itself.
net::IpAddress after(const net::IpAddress& address) {
  std::array<std::uint8_t, 16> octets{};
  const auto old = address.octets();
  copy_bytes(old, octets.data());
  for (std::size_t i = old.size(); i-- > 0;)
    if (++octets.at(i) != 0) return net::IpAddress::from_octets(std::span(octets).first(old.size())).value();
  return address;
}

/// The addresses that routes for UDP are about, where they are as few as a name has.
std::optional<std::vector<net::IpAddress>> addresses_of(const std::vector<masque::IpRange>& routes) {
  std::vector<net::IpAddress> found;
  for (const masque::IpRange& range : routes) {
    if (!masque::routes(range, range.start, net::protocol::udp)) continue;
    net::IpAddress address = range.start;
    for (std::size_t count = 1;; ++count, address = after(address)) {
      if (count > max_range || found.size() == max_targets) return std::nullopt;
      found.push_back(address);
      if (address == range.end) break;
    }
  }
  return found;
}

/// What the hop is asked for: as narrow as its template allows.
masque::IpScope scope_for(const masque::ProxyTemplate& proxy, const std::string& host,
                          const std::optional<net::IpAddress>& literal) {
  const masque::IpScope whole{.target = literal
                                            ? decltype(masque::IpScope::target)(masque::host_prefix(*literal))
                                            : decltype(masque::IpScope::target)(host),
                              .protocol = net::protocol::udp};
  for (const masque::IpScope& scope : {whole, masque::IpScope{.target = whole.target, .protocol = {}},
                                       masque::IpScope{.target = {}, .protocol = whole.protocol}})
    if (proxy.expand(scope)) return scope;
  return {};
}

std::string_view name_of(bool v6) {
  return v6 ? "IPv6" : "IPv4";
}

class IpDialled final : public AddressRace {
 public:
  IpDialled(Context& context, http::Connection& hop, const masque::ProxyTemplate& proxy,
            const std::string& token, Peer to, Security security, DialEvents& events)
      : AddressRace(context, std::move(to), std::move(security), events),
        hop_(hop),
        proxy_(proxy),
        fields_(proxy_fields(token)),
        target_(peer().target()),
        literal_(net::IpAddress::parse(target_.host)),
        lookup_(context, peer().host, peer().port,
                [this](Result<std::vector<net::SocketAddress>> found) { looked_up(std::move(found)); }),
        delay_(context.timers(), [this](Time) { consider(true); }) {}

  ~IpDialled() override {
    destroy_tries();
    udp_.reset();
  }

  void start() override {
    const masque::IpScope scope = scope_for(proxy_, target_.host, literal_);
    is_scoped_ = !scope.is_any_target();
    if (literal_) targets_ = {*literal_};
    masque::IpTunnelEvents events{
        .opened = [this](const std::string&) { is_open_ = true; },
        .assigned = [this](const std::vector<masque::AssignedAddress>& all) { on_assigned(all); },
        .routes = [this](const std::vector<masque::IpRange>& all) { on_routes(all); },
        .dns = {},
        .closed = [this](const Error& why) { lose_tunnel(why); }};
    auto opened = masque::IpTunnel::open(hop_, proxy_, scope, fields_, std::move(events));
    if (!opened) return end(&opened.error());
    tunnel_ = std::move(*opened);
    if (tunnel_error_) return;                       // the hop refused it inside the call
    tunnel_->set_when_full(http::WhenFull::refuse);  // QUIC in it can wait, as in CONNECT-UDP
    udp_.emplace(*tunnel_, context_.quic.random);
    std::vector<net::IpPrefix> wanted;
    for (const bool v6 : {true, false})
      if (wants(v6)) wanted.push_back(masque::host_prefix(v6 ? net::IpAddress::v6({}) : net::IpAddress()));
    std::uint64_t request = tunnel_->request_addresses(wanted);
    for (const net::IpPrefix& each : wanted) of(each.address().is_v6()).request = request++;
    if (!literal_ && !is_scoped_) look_up();
    consider();  // where the hop has answered already
  }

  void abandon() override {
    lookup_.cancel();
    delay_.disarm();
    AddressRace::abandon();
  }

  bool over_quic() const override { return true; }
  void each_running(const std::function<void(const Dialled&)>& visit) const override { visit(*this); }

  Tried tried() const override {
    const Dialled* const one = current();
    Tried tried{.name = "CONNECT-IP", .target = target_.to_string()};
    if (is_open_) tried.reach = Reach::path;
    if (one != nullptr && one->tried().reach == Reach::answered) tried.reach = Reach::answered;
    tried.tunnel_error = tunnel_error_;
    if (udp_) {
      tried.tunnel_size = udp_->room(is_v6());
      tried.tunnel_headers = net::udp_headers_size(is_v6());
    }
    if (is_open_ && !has_begun_) tried.owed = owed();
    return tried;
  }

  void measure(LinkFigures& figures) const override {
    AddressRace::measure(figures);
    if (!udp_) return;
    const masque::IpTunnelCounters packets = tunnel_->counters();
    const masque::UdpOverIpCounters& udp = udp_->counters();
    masque::TunnelCounters& tunnel = figures.tunnel;
    tunnel.datagrams_in = udp.datagrams_in;
    tunnel.datagrams_out = udp.datagrams_out;
    tunnel.bytes_in = udp.bytes_in;
    tunnel.bytes_out = udp.bytes_out;
    tunnel.headers_in = udp.headers_in;
    tunnel.headers_out = udp.headers_out;
    // Of those packets alone that were ours.
    if (packets.packets_in > 0)
      tunnel.heads_in = udp.headers_in + udp.datagrams_in * (packets.heads_in / packets.packets_in);
    tunnel.heads_out = udp.headers_out + packets.heads_out;
    tunnel.dropped_context = packets.dropped_context;
    tunnel.dropped_size = udp.dropped_size;
    tunnel.dropped_queue = udp.dropped_queue;
    tunnel.dropped_packets = packets.dropped_invalid + packets.dropped_destination + udp.dropped_invalid +
                             udp.dropped_fragment + udp.dropped_header + udp.dropped_stranger;
    figures.tunnel_headers = net::udp_headers_size(is_v6());
  }

 private:
  /// Of one IP version: our address, and what the hop says of it.
  struct Own {
    std::optional<net::IpAddress> address;
    std::uint64_t request = 0;  // 0: there was none
    bool answered = false;
  };
  Own& of(bool v6) { return v6 ? v6_ : v4_; }
  const Own& of(bool v6) const { return v6 ? v6_ : v4_; }

  bool wants(bool v6) const {
    if (literal_) return literal_->is_v6() == v6;
    return context_.family == AddressFamily::any || (context_.family == AddressFamily::ipv6) == v6;
  }

  /// What is tried now, or would be.
  bool is_v6() const {
    if (const Dialled* const one = current())
      if (const auto address = net::SocketAddress::parse(one->tried().target)) return address->ip().is_v6();
    return !wants(false);
  }

  void look_up() {
    if (!std::exchange(looks_up_, true)) lookup_.start();
  }

  void looked_up(Result<std::vector<net::SocketAddress>> found) {
    if (!found) return end(&found.error());
    targets_.emplace();
    for (const net::SocketAddress& address : *found) targets_->push_back(address.ip());
    consider();
  }

  void on_assigned(const std::vector<masque::AssignedAddress>& all) {
    for (const bool v6 : {true, false}) {
      Own& own = of(v6);
      std::optional<net::IpAddress> next;
      for (const masque::AssignedAddress& each : all) {
        const net::IpAddress address = each.prefix.address();
        if (address.is_v6() != v6) continue;
        own.answered = own.answered || (own.request != 0 && each.request_id == own.request);
        // The one that we have is kept for as long as it is there.
        if (!each.is_rejection() && (!next || address == own.address)) next = address;
      }
      own.address = next;
    }
    if (has_begun_) return end_lost();
    consider();
  }

  void on_routes(const std::vector<masque::IpRange>& all) {
    routes_ = all;
    if (has_begun_) return end_lost();
    if (literal_ || all.empty()) return consider();
    auto found = is_scoped_ && !looks_up_ ? addresses_of(all) : std::nullopt;
    if (!found) return look_up();
    targets_ = std::move(found);
    consider();
  }

  bool is_routed(const net::IpAddress& address) const {
    return std::ranges::any_of(routes_, [&](const masque::IpRange& range) {
      return masque::routes(range, address, net::protocol::udp);
    });
  }

  /// Begins when all is there that is needed. `now`: IPv6 was waited for long enough.
  void consider(bool now = false) {
    if (has_begun_ || tunnel_error_ || !udp_ || routes_.empty() || !targets_) return;
    std::vector<net::IpAddress> routed;
    for (const bool v6 : {true, false})  // IPv6 first
      for (const net::IpAddress& address : *targets_)
        if (address.is_v6() == v6 && wants(v6) && is_routed(address)) routed.push_back(address);
    if (routed.empty())
      return give_up({ErrorKind::unreachable,
                      fmt::format("the hop advertises no route to {}{}", target_.to_string(), only())});
    const auto waits = [this](const net::IpAddress& address) {
      return !of(address.is_v6()).address && !of(address.is_v6()).answered;
    };
    const bool waits_for_better = waits(routed.front()) && !now;
    const bool any_waits = std::ranges::any_of(routed, waits);
    std::erase_if(routed, [this](const net::IpAddress& each) { return !of(each.is_v6()).address; });
    if (routed.empty() && !any_waits)
      return give_up({ErrorKind::resource, fmt::format("the hop assigned no address for the tunnel to {}{}",
                                                       target_.to_string(), only())});
    if (routed.empty()) return;
    if (waits_for_better) {
      if (!delay_.armed()) delay_.arm(context_.timers().now() + resolution_delay);
      return;
    }
    delay_.disarm();
    has_begun_ = true;
    peer().addresses.clear();
    for (const net::IpAddress& address : net::interleave_families(std::move(routed)))
      peer().addresses.emplace_back(address, peer().port);
    begin();
  }

  /// Where the user allows one IP version only.
  std::string only() const {
    if (literal_ || context_.family == AddressFamily::any) return {};
    return fmt::format(" over {}", name_of(wants(true)));
  }

  std::string owed() const {
    if (routes_.empty()) return "route";
    return of(true).address || of(false).address ? "address of the right IP version" : "address";
  }

  std::unique_ptr<Dialled> make(std::size_t number) override {
    const net::SocketAddress address = peer().addresses[number];
    Security security = security_;
    // What is sent early commits to the first address.
    if (peer().addresses.size() > 1) security.ready_early = false;
    return make_quic_attempt(context_,
                             {"CONNECT-IP", address.to_string(), [this, address] { return open(address); }},
                             peer(), std::move(security), *this);
  }

  Result<std::unique_ptr<net::DatagramPath>> open(const net::SocketAddress& address) {
    const std::optional<net::IpAddress>& own = of(address.ip().is_v6()).address;
    if (!own) return fail(ErrorKind::closed, "the hop has withdrawn the address");
    return udp_->open(*own, address);
  }

  /// Flows from an address, or to one, that the hop has withdrawn.
  void end_lost() {
    const auto withdrawn = [this](std::string_view what) {
      return Error{ErrorKind::closed, fmt::format("the hop has withdrawn the {} of the tunnel to {}", what,
                                                  target_.to_string())};
    };
    const auto has_own = [this](const net::IpAddress& remote) {
      return of(remote.is_v6()).address.has_value();
    };
    const std::vector<net::SocketAddress>& all = peer().addresses;
    // It is the hop's fault where nothing is left to try.
    if (std::ranges::none_of(all, [&](const auto& remote) { return has_own(remote.ip()); }))
      tunnel_error_ = withdrawn("address");
    else if (std::ranges::none_of(all, [&](const auto& remote) { return is_routed(remote.ip()); }))
      tunnel_error_ = withdrawn("route");
    udp_->end_flows(
        [this](const net::NetPath& path) {
          const net::IpAddress own = path.local.ip();
          return of(own.is_v6()).address != own;
        },
        withdrawn("address"));
    udp_->end_flows([this](const net::NetPath& path) { return !is_routed(path.remote.ip()); },
                    withdrawn("route"));
  }

  void give_up(const Error& why) {
    tunnel_error_ = why;
    end(&why);
  }

  void lose_tunnel(const Error& why) {
    delay_.disarm();
    if (!tunnel_error_) tunnel_error_ = why;
    end(&why);
  }

  http::Connection& hop_;
  const masque::ProxyTemplate& proxy_;
  const http::Fields fields_;
  const masque::Target target_;                  // as the hop is asked for it
  const std::optional<net::IpAddress> literal_;  // it is an address
  std::unique_ptr<masque::IpTunnel> tunnel_;
  std::optional<masque::UdpOverIp> udp_;  // goes before the tunnel, and after the flows
  std::optional<Error> tunnel_error_;
  Own v4_, v6_;
  std::vector<masque::IpRange> routes_;
  std::optional<std::vector<net::IpAddress>> targets_;  // where the peer is; none: not known yet
  bool is_scoped_ = false;                              // the tunnel is to the peer alone
  bool is_open_ = false, looks_up_ = false, has_begun_ = false;
  Lookup lookup_;
  net::Timer delay_;
};

}  // namespace

std::unique_ptr<Dialled> make_ip_quic_attempt(Context& context, http::Connection& hop,
                                              const masque::ProxyTemplate& proxy, const std::string& token,
                                              Peer peer, Security security, DialEvents& events) {
  return std::make_unique<IpDialled>(context, hop, proxy, token, std::move(peer), std::move(security),
                                     events);
}

}  // namespace sallyport::dial
