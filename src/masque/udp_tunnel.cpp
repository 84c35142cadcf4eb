#include "masque/udp_tunnel.h"

#include "masque/capsule_tunnel.h"
#include "masque/datagram_head.h"
#include "masque/datagram_sender.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

/// A connection knows its paths by their addresses, so each tunnel has its own pair, out of the range whose
/// packets every router drops (100::/64, RFC 6666).
net::NetPath synthetic_path(std::uint16_t port) {
  static std::atomic<std::uint32_t> next{1};
  const std::uint32_t number = next.fetch_add(1, std::memory_order_relaxed);
  const auto address = [number](std::uint8_t side) {
    std::array<std::uint8_t, 16> octets{0x01};
    octets[11] = side;
    for (int i = 0; i < 4; ++i) octets[12 + i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    return net::IpAddress::v6(octets);
  };
  return {net::SocketAddress(address(0), 1), net::SocketAddress(address(1), port)};
}

http::Request tunnel_request(const ProxyTemplate& proxy, const Target& target,
                             const http::Fields& extra_fields) {
  http::Request request;
  request.method = "CONNECT";
  request.protocol = "connect-udp";
  request.scheme = "https";
  request.authority = proxy.authority();
  request.path = proxy.expand(target);
  for (const auto field : extra_fields) request.fields.add(field.name, field.value);
  return request;
}

}  // namespace

struct UdpTunnel::Impl final : CapsuleTunnel {
  Impl(http::Connection& over, const ProxyTemplate& proxy, const Target& target,
       const http::Fields& extra_fields, TunnelEvents events)
      : CapsuleTunnel(over, target.to_string(), "CONNECT-UDP",
                      {[this, opened = std::move(events.opened)](const std::string& next_hop) {
                         head_size = datagram_head_size(*exchange());
                         if (opened) opened(next_hop);
                       },
                       std::move(events.closed)}),
        path(synthetic_path(target.port)) {
    ask(over, tunnel_request(proxy, target, extra_fields));
    last_max = max_datagram_size();
  }

  using CapsuleTunnel::dropped_context;
  using CapsuleTunnel::exchange;
  using CapsuleTunnel::was_answered;

  std::size_t max_datagram_size() const {
    if (exchange() == nullptr) return last_max;
    const std::size_t payload = exchange()->max_datagram_payload();
    return payload < payload_context_prefix.size()
               ? 0
               : std::min(payload - payload_context_prefix.size(), max_udp_payload);
  }

  net::SendStatus send(const net::DatagramRun& run) {
    if (exchange() == nullptr || sender.blocked()) {
      refused_datagrams += std::max<std::size_t>(run.count(), 1);
      return net::SendStatus::dropped;
    }
    const bool went = sender.send(*exchange(), run);
    if (run.segment_size > max_datagram_size()) return net::SendStatus::too_large;
    return went ? net::SendStatus::sent : net::SendStatus::blocked;
  }

  // Handed on one by one: an inner connection reads packet after packet in any case, and gathering them would
  // cost a copy.
  void on_packet(const ContextTable::Found& found) override {
    if (found.payload.size() > max_udp_payload) {
      ++counters.dropped_size;
      return break_off(
          http::ResetCode::datagram_error,
          {ErrorKind::protocol,
           fmt::format("the hop sent a UDP payload of {} bytes, more than 65527", found.payload.size())});
    }
    ++counters.datagrams_in;
    counters.bytes_in += found.payload.size();
    if (receiver != nullptr) receiver->on_datagrams(path, {found.payload, found.payload.size()}, now());
  }

  void on_max_datagram_payload(http::Exchange& from) override {
    const std::size_t size = max_datagram_size();
    if (std::exchange(last_max, size) != size && receiver != nullptr && exchange() != nullptr)
      receiver->on_max_datagram_size(size);
    resume(from);  // also said when the request leaves at last, before which the exchange holds only a few
                   // datagrams
  }

  void on_datagrams_writable(http::Exchange& from) override { resume(from); }
  void on_datagram_dropped(http::Exchange&, http::DatagramDrop) override { ++counters.dropped_sojourn; }

  void resume(http::Exchange& from) {
    if (exchange() == nullptr || !sender.blocked() || !sender.resume(from)) return;
    if (receiver != nullptr) receiver->on_path_writable(now());
  }

  void on_ended(const Error& why) override {
    sender.release();
    if (receiver != nullptr) receiver->on_path_closed(why);
  }

  const net::NetPath path;
  net::DatagramReceiver* receiver = nullptr;
  TunnelCounters counters;  // of what comes in
  DatagramSendCounters sent;
  ByteBudget hold{16 * 1024 * 1024};
  DatagramSender sender{sent, hold};
  std::uint64_t refused_datagrams = 0;
  std::size_t last_max = 0;
  std::size_t head_size = 0;  // of each datagram
};

UdpTunnel::UdpTunnel(http::Connection& connection, const ProxyTemplate& proxy, const Target& target,
                     const http::Fields& extra_fields, TunnelEvents events)
    : impl_(std::make_unique<Impl>(connection, proxy, target, extra_fields, std::move(events))) {}

UdpTunnel::~UdpTunnel() = default;

void UdpTunnel::set_receiver(net::DatagramReceiver* receiver) {
  impl_->receiver = receiver;
}
net::SendStatus UdpTunnel::send(const net::NetPath&, const net::DatagramRun& run) {
  return impl_->send(run);
}
std::size_t UdpTunnel::max_datagram_size() const {
  return impl_->max_datagram_size();
}
net::NetPath UdpTunnel::net_path() const {
  return impl_->path;
}
void UdpTunnel::set_when_full(http::WhenFull what) {
  if (http::Exchange* const exchange = impl_->exchange(); exchange != nullptr) exchange->set_when_full(what);
}
bool UdpTunnel::was_answered() const {
  return impl_->was_answered();
}

TunnelCounters UdpTunnel::counters() const {
  TunnelCounters counters = impl_->counters;
  counters.dropped_context = impl_->dropped_context();
  counters.datagrams_out = impl_->sent.datagrams;
  counters.bytes_out = impl_->sent.bytes;
  counters.heads_in = counters.datagrams_in * impl_->head_size;
  counters.heads_out = counters.datagrams_out * impl_->head_size;
  counters.dropped_size += impl_->sent.dropped_size;
  counters.dropped_queue = impl_->sent.dropped_queue + impl_->refused_datagrams;
  return counters;
}

}  // namespace sallyport::masque
