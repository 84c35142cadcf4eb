#include "masque/ip_tunnel.h"

#include "masque/capsule_tunnel.h"
#include "masque/datagram_head.h"
#include "masque/ip_sender.h"
#include "masque/ip_trace.h"
#include "net/ip_packet.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

std::string words_of(const IpScope& scope) {
  const std::string where = scope.is_any_target() ? "all hosts" : scope.target_text();
  return scope.protocol ? fmt::format("{} (IP protocol {})", where, *scope.protocol) : where;
}

}  // namespace

struct IpTunnel::Impl final : CapsuleTunnel {
  Impl(http::Connection& over, const IpScope& scope, IpTunnelEvents their_events)
      : CapsuleTunnel(over, words_of(scope), "CONNECT-IP",
                      {[this, told = std::move(their_events.opened)](const std::string& next_hop) {
                         head_size = datagram_head_size(*exchange());
                         if (told) told(next_hop);
                       },
                       std::move(their_events.closed)}),
        events(std::move(their_events)) {}

  using CapsuleTunnel::ask;
  using CapsuleTunnel::dropped_context;
  using CapsuleTunnel::exchange;

  Result<> on_capsule(http::Exchange& from, std::uint64_t type, Bytes value) override {
    from.consume(value.size());
    if (exchange() == nullptr) return {};
    trace_ip_capsule(from, trace::Direction::received, type, value);
    switch (type) {
      case capsule_address_assign:
        return on_assigned(value);
      case capsule_route_advertisement:
        return hand_on(parse_route_advertisement(value), events.routes);
      case capsule_dns_assign:
        return hand_on(parse_dns_assign(value), events.dns);
      case capsule_address_request:
        return on_requested(value);
      default:
        return {};
    }
  }

  template <class Value>
  static Result<> hand_on(Result<Value> parsed, const std::function<void(const Value&)>& to) {
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    if (to) to(*parsed);
    return {};
  }

  Result<> on_assigned(Bytes value) {
    auto parsed = parse_address_assign(value);
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    own.clear();
    for (const AssignedAddress& each : *parsed)
      if (!each.is_rejection()) own.push_back(each.prefix.address());
    if (events.assigned) events.assigned(*parsed);
    return {};
  }

  /// A proxy that wants addresses of us: we have none to give, and say so (RFC 9484 §4.7.2).
  Result<> on_requested(Bytes value) {
    const auto parsed = parse_address_request(value);
    if (!parsed) return std::unexpected(parsed.error());
    if (exchange()->queued_bytes() > http::Exchange::high_water)
      return fail(ErrorKind::resource, "the proxy requests addresses and reads no answers");
    std::vector<AssignedAddress> rejections;
    for (const RequestedAddress& each : *parsed) {
      if (auto added = request_ids.add(each.request_id); !added) return added;
      rejections.push_back(each.rejection());
    }
    send_capsule(capsule_address_assign, write_address_assign(rejections));
    return {};
  }

  void send_capsule(std::uint64_t type, Bytes value) {
    if (exchange() == nullptr) return;
    exchange()->send_capsule(type, value);
    trace_ip_capsule(*exchange(), trace::Direction::sent, type, value);
  }

  bool is_ours(const net::IpAddress& address) const {
    const auto contains = [&](const net::IpPrefix& prefix) { return prefix.contains(address); };
    return std::ranges::find(own, address) != own.end() || std::ranges::any_of(networks, contains);
  }

  void on_packet(const ContextTable::Found& found) override {
    const auto parsed = net::parse_ip(found.payload);
    if (!parsed || parsed->total_length > longest_packet) {
      ++counters.dropped_invalid;
      return;
    }
    // A hop may only send what is for us, not into the networks around us.
    if (!is_ours(parsed->destination)) {
      ++counters.dropped_destination;
      return;
    }
    ++counters.packets_in;
    counters.bytes_in += parsed->total_length;
    if (receiver == nullptr) return;
    // It is only lent to us, and may be changed.
    static thread_local std::array<std::uint8_t, longest_packet> buffer;
    copy_bytes(found.payload.first(parsed->total_length), buffer.data());
    net::Packet packet{.bytes = MutableBytes(buffer).first(parsed->total_length)};
    receiver->on_packets({&packet, 1}, now());
  }

  void on_max_datagram_payload(http::Exchange&) override { check_mtu(); }
  void on_datagrams_writable(http::Exchange&) override {
    blocked = false;
    if (receiver != nullptr) receiver->on_port_writable(now());
  }
  void on_datagram_dropped(http::Exchange&, http::DatagramDrop why) override {
    ++(why == http::DatagramDrop::sojourn ? sent.dropped_sojourn : sent.dropped_queue);
  }
  void on_ended(const Error& why) override {
    if (receiver != nullptr) receiver->on_port_closed(why);
  }

  std::size_t mtu() const { return exchange() == nullptr ? last_mtu : IpSender::mtu(*exchange()); }
  void check_mtu() {
    const std::size_t size = mtu();
    if (std::exchange(last_mtu, size) != size && receiver != nullptr && exchange() != nullptr)
      receiver->on_mtu(size);
  }

  net::SendStatus send(std::span<const net::Packet> packets) {
    net::SendStatus worst = net::SendStatus::sent;
    for (const net::Packet& packet : packets) {
      const auto parsed = net::parse_ip(packet.bytes);
      if (!parsed) {
        ++sent.dropped_invalid;
        if (worst == net::SendStatus::sent) worst = net::SendStatus::dropped;
        continue;
      }
      if (exchange() == nullptr || blocked) {
        ++sent.dropped_queue;
        if (worst != net::SendStatus::blocked) worst = net::SendStatus::dropped;
        continue;
      }
      switch (sender.send(*exchange(), packet, *parsed)) {
        case IpSent::sent:
          break;
        case IpSent::blocked:
          blocked = true;
          worst = net::SendStatus::blocked;
          break;
        case IpSent::too_large:
          if (worst != net::SendStatus::blocked) worst = net::SendStatus::too_large;
          break;
        case IpSent::invalid:
          if (worst == net::SendStatus::sent) worst = net::SendStatus::dropped;
          break;
      }
    }
    return worst;
  }

  IpTunnelEvents events;  // without `opened` and `closed`
  net::PacketReceiver* receiver = nullptr;
  std::vector<net::IpAddress> own;      // assigned: the first of each prefix
  std::vector<net::IpPrefix> networks;  // advertised by us
  RequestIds request_ids;               // the proxy's
  std::uint64_t next_request = 1;
  IpTunnelCounters counters;  // of what comes in
  IpSendCounters sent;
  IpSender sender{sent};
  bool blocked = false;
  std::size_t last_mtu = 0;
  std::size_t head_size = 0;  // of each packet
};

Result<std::unique_ptr<IpTunnel>> IpTunnel::open(http::Connection& connection, const ProxyTemplate& proxy,
                                                 const IpScope& scope, const http::Fields& extra_fields,
                                                 IpTunnelEvents events) {
  auto path = proxy.expand(scope);
  if (!path) return std::unexpected(std::move(path.error()));
  http::Request request;
  request.method = "CONNECT";
  request.protocol = "connect-ip";
  request.scheme = "https";
  request.authority = proxy.authority();
  request.path = *std::move(path);
  for (const auto field : extra_fields) request.fields.add(field.name, field.value);
  auto impl = std::make_unique<Impl>(connection, scope, std::move(events));
  Impl& made = *impl;
  std::unique_ptr<IpTunnel> tunnel(new IpTunnel(std::move(impl)));
  made.ask(connection, std::move(request));
  tunnel->set_when_full(http::WhenFull::drop);
  made.last_mtu = made.mtu();
  return tunnel;
}

IpTunnel::IpTunnel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

IpTunnel::~IpTunnel() = default;

std::uint64_t IpTunnel::request_addresses(std::span<const net::IpPrefix> wanted) {
  const std::uint64_t first = impl_->next_request;
  std::vector<RequestedAddress> requests;
  for (const net::IpPrefix& each : wanted) requests.push_back({impl_->next_request++, each});
  if (!requests.empty()) impl_->send_capsule(capsule_address_request, write_address_request(requests));
  return first;
}

void IpTunnel::advertise(const std::vector<net::IpPrefix>& networks) {
  impl_->networks = networks;
  std::vector<IpRange> ranges;
  ranges.reserve(networks.size());
  for (const net::IpPrefix& network : networks) ranges.push_back(range_of(network));
  const auto value = write_route_advertisement(sendable(std::move(ranges)));
  if (value) impl_->send_capsule(capsule_route_advertisement, *value);
}

void IpTunnel::set_when_full(http::WhenFull what) {
  if (http::Exchange* const exchange = impl_->exchange(); exchange != nullptr) exchange->set_when_full(what);
}

void IpTunnel::set_receiver(net::PacketReceiver* receiver) {
  impl_->receiver = receiver;
}
net::SendStatus IpTunnel::send(std::span<const net::Packet> packets) {
  return impl_->send(packets);
}
std::size_t IpTunnel::mtu() const {
  return impl_->mtu();
}

IpTunnelCounters IpTunnel::counters() const {
  IpTunnelCounters counters = impl_->counters;
  counters.packets_out = impl_->sent.packets;
  counters.bytes_out = impl_->sent.bytes;
  counters.heads_in = counters.packets_in * impl_->head_size;
  counters.heads_out = counters.packets_out * impl_->head_size;
  counters.dropped_context = impl_->dropped_context();
  counters.dropped_invalid += impl_->sent.dropped_invalid;
  counters.dropped_invalid_out = impl_->sent.dropped_invalid;
  counters.dropped_size = impl_->sent.dropped_size;
  counters.dropped_queue = impl_->sent.dropped_queue;
  counters.dropped_sojourn = impl_->sent.dropped_sojourn;
  return counters;
}

}  // namespace sallyport::masque
