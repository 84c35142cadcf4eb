#include "masque/ip_flow.h"

#include "http/connection.h"
#include "masque/ip_trace.h"
#include "net/packet_fields.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

// A tunnel carries a machine's traffic, which may pause for days: it ends with its connection, which has an
// idle timeout of its own.
constexpr Duration never_idle = std::chrono::hours(24 * 3650);
// Where another proxy is in between, its TCP connection may outlive the client.
constexpr Duration idle_over_tcp = std::chrono::hours(1);
constexpr std::size_t max_early = 8, max_early_bytes = 16 * 1024;

TunnelRefusal malformed(std::string details) {
  return {.what = RefusedFor::malformed, .answer = {400, "http_request_error", std::move(details)}};
}

PacketAddresses addresses_of(const net::IpPacket& parsed) {
  return {.source = parsed.source, .destination = parsed.destination, .protocol = parsed.protocol};
}

}  // namespace

IpFlow::IpFlow(FlowContext& context, http::Exchange& exchange, TunnelAccount account,
               const IpNetwork& network, IpSwitch& ip)
    : Flow(context, exchange, std::move(account),
           exchange.version() == http::Version::http3 ? never_idle : idle_over_tcp),
      network_(network),
      switch_(ip),
      contexts_(ContextTable::Side::proxy, context.counters.dropped_context),
      sender_(sent_),
      mtu_deadline_(context.timers, [this](Time) { check_mtu(); }) {
  exchange.use_capsules();
  exchange.set_when_full(http::WhenFull::drop);
}

IpFlow::~IpFlow() {
  leave_switch();
}

void IpFlow::leave_switch() {
  for (const Address& each : addresses_) switch_.remove(host_prefix(each.lease.address()));
  addresses_.clear();
  for (const net::IpPrefix& prefix : networks_) drop_network(prefix);
  networks_.clear();
  switch_.leave(*this);
}

void IpFlow::drop_network(const net::IpPrefix& prefix) {
  switch_.remove(prefix);
  network_.claims->release(prefix);
}

void IpFlow::start(const IpScope& scope) {
  if (scope.names_extension_header())
    return refuse_tunnel(malformed(
        fmt::format("IP protocol {} is an IPv6 extension header, and no packet has it (RFC 9484 §4.8)",
                    *scope.protocol)));
  const std::string* const name = scope.hostname();
  if (name == nullptr) return open(scope, {});
  resolution_ = std::make_unique<TargetResolution>(
      context_.timers, context_.outbound.resolver(), context_.options.policy, Target{*name, 0},
      client_block(exchange()->connection().info().path.remote.ip()), context_.options.connect_timeout,
      [this, scope](ReachableTargets targets) {
        if (!targets) return refuse_tunnel(target_refusal(std::move(targets.error())));
        std::vector<net::IpAddress> found;
        for (const net::SocketAddress& target : *targets) found.push_back(target.ip());
        open(scope, found);
      });
}

void IpFlow::open(const IpScope& scope, std::span<const net::IpAddress> resolved) {
  if (switch_.lost() != nullptr)
    return refuse_tunnel({.what = RefusedFor::limit,
                          .answer = {503, "proxy_internal_error", "this proxy has lost its TUN device"}});
  scope_.emplace(scope, resolved);
  for (const IpRange& range : scope_->ranges())
    for (const IpRange& route : network_.routes) {
      // What both have in common. A protocol that only one of them names is the one of both.
      if (range.is_v4() != route.is_v4()) continue;
      if (range.protocol != any_protocol && route.protocol != any_protocol &&
          range.protocol != route.protocol)
        continue;
      const IpRange both{.start = std::max(range.start, route.start),
                         .end = std::min(range.end, route.end),
                         .protocol = std::max(range.protocol, route.protocol)};
      if (both.start <= both.end) routes_.push_back(both);
    }
  routes_ = sendable(std::move(routes_));
  if (routes_.empty())
    return refuse_tunnel(target_refusal({403, "destination_ip_prohibited", "this proxy has no route to it"}));
  std::optional<Error> why;
  for (const bool v4 : {true, false}) {
    if (!network_.pool->has(v4) ||
        std::ranges::none_of(routes_, [v4](const IpRange& r) { return r.is_v4() == v4; }))
      continue;
    if (auto leased = lease(v4, 0); !leased) why = std::move(leased.error());
  }
  if (addresses_.empty())
    return refuse_tunnel({.what = RefusedFor::limit,
                          .answer = {503, "proxy_internal_error",
                                     why ? std::move(why->message) : "there is no address for it"}});
  http::Fields fields;
  fields.add("capsule-protocol", "?1");
  accept_tunnel(std::move(fields));
  opened_ = context_.timers.now();
  switch_.join(*this);
  send_addresses({});
  send_routes();
  for (const auto& [type, value] : std::exchange(early_, {}))
    if (auto taken = take_capsule(type, value); !taken)
      return exchange()->reset(http::ResetCode::datagram_error, taken.error());
  mtu_deadline_.arm(context_.timers.now() + time_to_find_mtu);
}

Result<> IpFlow::lease(bool v4, std::uint64_t request_id, const std::optional<net::IpAddress>& preferred) {
  const auto count = std::ranges::count_if(
      addresses_, [v4](const Address& each) { return each.lease.address().is_v4() == v4; });
  if (static_cast<std::size_t>(count) >= max_addresses)
    return fail(ErrorKind::resource, "the tunnel has as many addresses as it may");
  const ClientKey client(identity(), exchange()->connection().info().path.remote.ip());
  auto leased = preferred ? network_.pool->lease(client, *preferred) : network_.pool->lease(client, v4);
  if (!leased) return std::unexpected(std::move(leased.error()));
  switch_.add(host_prefix(leased->address()), *this);
  addresses_.push_back({*std::move(leased), request_id});
  return {};
}

void IpFlow::send_addresses(std::span<const AssignedAddress> rejections) {
  // Each capsule has all addresses: what it lacks is no longer assigned (RFC 9484 §4.7.1).
  std::vector<AssignedAddress> all(rejections.begin(), rejections.end());
  std::string list;
  for (const Address& each : addresses_) {
    all.push_back({each.request_id, host_prefix(each.lease.address())});
    list += (list.empty() ? "" : ",") + each.lease.address().to_string();
  }
  exchange()->set_addresses(list);
  send_capsule(capsule_address_assign, write_address_assign(all));
}

void IpFlow::send_routes() {
  const auto value = write_route_advertisement(routes_);
  // They came from the configuration, or from a scope, which has fewer.
  if (value) send_capsule(capsule_route_advertisement, *value);
}

void IpFlow::send_capsule(std::uint64_t type, Bytes value) {
  exchange()->send_capsule(type, value);
  trace_ip_capsule(*exchange(), trace::Direction::sent, type, value);
}

Result<> IpFlow::on_capsule(http::Exchange& exchange, std::uint64_t type, Bytes value) {
  exchange.consume(value.size());
  if (done_) return {};
  return scope_ ? take_capsule(type, value) : keep_early(type, value);
}

Result<> IpFlow::keep_early(std::uint64_t type, Bytes value) {
  early_bytes_ += value.size();
  if (early_.size() >= max_early || early_bytes_ > max_early_bytes)
    return fail(ErrorKind::resource, "too many capsules before the tunnel was answered");
  early_.emplace_back(type, std::vector<std::uint8_t>(value.begin(), value.end()));
  return {};
}

bool IpFlow::is_choked() {
  return exchange()->queued_bytes() > http::Exchange::high_water;
}

Result<> IpFlow::take_capsule(std::uint64_t type, Bytes value) {
  trace_ip_capsule(*exchange(), trace::Direction::received, type, value);
  if (type == capsule_address_request) return on_address_request(value);
  if (type == capsule_route_advertisement) return on_route_advertisement(value);
  if (type == capsule_address_assign) {
    // A client that lends us addresses: of no use, as packets for its networks need routes alone.
    if (auto assigned = parse_address_assign(value); !assigned) return std::unexpected(assigned.error());
  }
  return {};
}

Result<> IpFlow::on_address_request(Bytes value) {
  const auto requested = parse_address_request(value);
  if (!requested) return std::unexpected(requested.error());
  if (is_choked()) return fail(ErrorKind::resource, "the client requests addresses and reads no answers");
  std::vector<AssignedAddress> rejections;
  for (const RequestedAddress& each : *requested) {
    if (auto added = request_ids_.add(each.request_id); !added) return added;
    const bool v4 = each.prefix.address().is_v4();
    // With no route there is no use for an address, and IPv6 asks for an MTU of its own (RFC 9484 §7.2).
    if (std::ranges::none_of(routes_, [v4](const IpRange& range) { return range.is_v4() == v4; })) {
      rejections.push_back(each.rejection());
      continue;
    }
    // One that the client has already, and did not ask for before, is the answer: it was assigned at once.
    const auto has = std::ranges::find_if(addresses_, [&](const Address& address) {
      return address.request_id == 0 && address.lease.address().is_v4() == v4 &&
             (each.is_without_preference() || address.lease.address() == each.prefix.address());
    });
    if (has != addresses_.end()) {
      has->request_id = each.request_id;
      continue;
    }
    if (!each.is_without_preference() && lease(v4, each.request_id, each.prefix.address())) continue;
    // Another one than the preferred may be assigned (RFC 9484 §4.7.2).
    const auto other = std::ranges::find_if(addresses_, [&](const Address& address) {
      return address.request_id == 0 && address.lease.address().is_v4() == v4;
    });
    if (other != addresses_.end())
      other->request_id = each.request_id;
    else if (!lease(v4, each.request_id))
      rejections.push_back(each.rejection());
  }
  if (exchange() != nullptr) send_addresses(rejections);
  return {};
}

Result<> IpFlow::on_route_advertisement(Bytes value) {
  const auto ranges = parse_route_advertisement(value);
  if (!ranges) return std::unexpected(ranges.error());
  std::vector<net::IpPrefix> wanted;
  for (const IpRange& range : *ranges) {
    if (range.protocol != any_protocol) continue;
    for (const net::IpPrefix& prefix : prefixes_of(range)) {
      const bool allowed = std::ranges::any_of(network_.client_networks, [&](const net::IpPrefix& all) {
        return all.length() <= prefix.length() && all.contains(prefix.address());
      });
      if (!allowed) continue;
      if (wanted.size() == max_networks)
        return fail(ErrorKind::resource, fmt::format("a tunnel may announce {} networks", max_networks));
      wanted.push_back(prefix);
    }
  }
  // Each capsule has all routes (RFC 9484 §4.7.3): the others are gone.
  std::erase_if(networks_, [&](const net::IpPrefix& prefix) {
    if (std::ranges::find(wanted, prefix) != wanted.end()) return false;
    drop_network(prefix);
    return true;
  });
  for (const net::IpPrefix& prefix : wanted) {
    if (std::ranges::find(networks_, prefix) != networks_.end() || !network_.claims->claim(prefix)) continue;
    switch_.add(prefix, *this);
    networks_.push_back(prefix);
  }
  return {};
}

bool IpFlow::is_source(const net::IpAddress& address) const {
  for (const Address& each : addresses_)
    if (each.lease.address() == address) return true;
  return std::ranges::any_of(networks_,
                             [&](const net::IpPrefix& prefix) { return prefix.contains(address); });
}

void IpFlow::on_datagram(http::Exchange& exchange, Bytes datagram) {
  if (done_ || !scope_) return;
  const auto found = contexts_.find(datagram);
  if (!found) return;
  touch();
  const auto parsed = net::parse_ip(found->payload);
  if (!parsed || parsed->total_length > longest_packet) return switch_.counters().drop(IpDrop::invalid);
  // It is only lent to us, and will be changed.
  static thread_local std::array<std::uint8_t, longest_packet> buffer;
  const MutableBytes bytes = MutableBytes(buffer).first(parsed->total_length);
  copy_bytes(found->payload.first(parsed->total_length), bytes.data());
  const auto reject = [&](IpDrop why, net::IcmpError error) {
    switch_.counters().drop(why);
    switch_.answer(*this, {error}, bytes, *parsed);
  };
  if (!is_source(parsed->source)) return reject(IpDrop::source, net::IcmpError::source_policy);
  if (!scope_->admits_from_client(addresses_of(*parsed)))
    return reject(IpDrop::scope, net::IcmpError::admin_prohibited);
  if (std::ranges::none_of(routes_, [&](const IpRange& range) {
        return routes(range, parsed->destination, parsed->protocol);
      }))
    return reject(IpDrop::scope, net::IcmpError::no_route);
  ++packets_up_;
  bytes_up_ += bytes.size();
  client().bytes_up += bytes.size();
  net::clamp_mss_to_mtu(bytes, *parsed, IpSender::mtu(exchange));
  switch_.forward(*this, bytes, *parsed);
}

Forwarded IpFlow::deliver(const net::Packet& packet, const net::IpPacket& parsed) {
  if (done_ || !scope_ || exchange() == nullptr) return {};
  IpCounters& counters = switch_.counters();
  if (!scope_->admits_to_client(addresses_of(parsed))) {
    counters.drop(IpDrop::scope);
    return std::unexpected(IpRejection{net::IcmpError::admin_prohibited});
  }
  const std::size_t mtu = IpSender::mtu(*exchange());
  net::clamp_mss_to_mtu(packet.bytes, parsed, mtu, packet.checksum_partial);
  const IpSendCounters before = sent_;
  const IpSent outcome = sender_.send(*exchange(), packet, parsed);
  counters.packets_down += sent_.packets - before.packets;
  counters.bytes_down += sent_.bytes - before.bytes;
  client().downlink.bytes += sent_.bytes - before.bytes;
  counters.drop(IpDrop::queue, sent_.dropped_queue - before.dropped_queue);
  touch();
  switch (outcome) {
    case IpSent::sent:
    case IpSent::blocked:
      return {};
    case IpSent::invalid:
      counters.drop(IpDrop::invalid);
      return {};
    case IpSent::too_large:
      break;
  }
  counters.drop(IpDrop::too_large);
  return std::unexpected(IpRejection{net::IcmpError::packet_too_big, mtu});
}

IpTunnelFigures IpFlow::figures() const {
  IpTunnelFigures figures{.networks = networks_,
                          .identity = identity().name,
                          .open_for = context_.timers.now() - opened_,
                          .packets_up = packets_up_,
                          .bytes_up = bytes_up_,
                          .packets_down = sent_.packets,
                          .bytes_down = sent_.bytes,
                          .dropped_queue = sent_.dropped_queue + dropped_late_};
  figures.addresses.reserve(addresses_.size());
  for (const Address& each : addresses_) figures.addresses.push_back(each.lease.address());
  if (exchange() == nullptr) return figures;
  figures.client = exchange()->connection().info().path.remote;
  figures.version = exchange()->version();
  return figures;
}

void IpFlow::on_max_datagram_payload(http::Exchange&) {
  if (!mtu_deadline_.armed()) check_mtu();
}

void IpFlow::on_datagram_dropped(http::Exchange&, http::DatagramDrop why) {
  ++dropped_late_;
  switch_.counters().drop(why == http::DatagramDrop::sojourn ? IpDrop::sojourn : IpDrop::queue);
}

void IpFlow::check_mtu() {
  if (done_ || exchange() == nullptr || IpSender::mtu(*exchange()) >= least_ipv6_mtu) return;
  if (std::ranges::none_of(addresses_, [](const Address& each) { return each.lease.address().is_v6(); }))
    return;
  end_tunnel({ErrorKind::too_large,
              fmt::format("the connection carries IP packets of {} bytes, and IPv6 needs {} (RFC 9484 §7.2)",
                          IpSender::mtu(*exchange()), least_ipv6_mtu)});
}

Bytes IpFlow::padding_prefix() const {
  return contexts_.padding_prefix();
}

bool IpFlow::is_padding(Bytes datagram) const {
  return contexts_.is_padding(datagram);
}

void IpFlow::on_body(http::Exchange& exchange, Bytes body) {
  exchange.consume(body.size());
}

void IpFlow::on_end(http::Exchange& exchange) {
  if (std::exchange(done_, true)) return;
  mtu_deadline_.disarm();
  if (!scope_) return exchange.reset(http::ResetCode::cancelled);  // gave up before it was answered
  leave_switch();
  exchange.finish();
}

void IpFlow::end_tunnel(const Error& why) {
  if (std::exchange(done_, true)) return;
  mtu_deadline_.disarm();
  leave_switch();
  exchange()->reset(http::ResetCode::cancelled, why);
}

}  // namespace sallyport::masque
