#include "masque/udp_tunnel.h"

#include "base/lifetime.h"
#include "masque/capsule_rules.h"
#include "masque/context_table.h"
#include "masque/datagram_sender.h"
#include "masque/exchange_sink.h"
#include "masque/refusal_error.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

/// Datagrams with unregistered context IDs are dropped (RFC 9298 §4), but a hop that sends little else
/// is none (docs/threat-model.md, "lying hop").
constexpr std::uint64_t max_strange = 1000;

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
  request.fields.add("capsule-protocol", "?1");
  for (const auto field : extra_fields) request.fields.add(field.name, field.value);
  return request;
}

}  // namespace

struct UdpTunnel::Impl final : http::ExchangeHandler {
  Impl(http::Connection& over, const ProxyTemplate& proxy, Target to, const http::Fields& extra_fields,
       TunnelEvents their_events)
      : target(std::move(to)),
        events(std::move(their_events)),
        timers(over.timers()),
        version(over.info().version),
        path(synthetic_path(target.port)) {
    // Calls back before it returns when the request can leave at once, so all members stand by now.
    exchange = &over.request(tunnel_request(proxy, target, extra_fields), *this, false);
    exchange->use_capsules();
    last_max = max_datagram_size();
  }
  ~Impl() {
    if (exchange == nullptr) return;
    exchange->set_handler(&exchange_sink());
    if (ended) return;
    // In order where the tunnel is open: many tunnels that come and go shall not look like an attack by
    // resets.
    if (opened)
      exchange->finish();
    else
      exchange->reset(http::ResetCode::cancelled);
  }

  std::size_t max_datagram_size() const {
    if (exchange == nullptr) return last_max;
    const std::size_t payload = exchange->max_datagram_payload();
    return payload < payload_context_prefix.size()
               ? 0
               : std::min(payload - payload_context_prefix.size(), max_udp_payload);
  }

  net::SendStatus send(const net::DatagramRun& run) {
    if (ended || sender.blocked()) {
      refused_datagrams += std::max<std::size_t>(run.count(), 1);
      return net::SendStatus::dropped;
    }
    const bool went = sender.send(*exchange, run);
    if (run.segment_size > max_datagram_size()) return net::SendStatus::too_large;
    return went ? net::SendStatus::sent : net::SendStatus::blocked;
  }

  void on_response(http::Exchange& from, const http::Response& head) override {
    if (ended) return;
    if (head.status / 100 != 2)
      return break_off(from, http::ResetCode::cancelled,
                       refusal_error(target.to_string(), head, from.request().fields));
    // RFC 9297 §3.2: statuses and fields that do not go with capsules. What answers so is not a CONNECT-UDP
    // proxy (docs/threat-model.md, "lying hop").
    if (const auto field = field_against_capsules(head.fields))
      return break_off(from, http::ResetCode::message_error,
                       wrong_answer(fmt::format("{} and a body ({})", head.status, *field)));
    if (head.status == 204 || head.status == 205 || head.status == 206)
      return break_off(from, http::ResetCode::message_error, wrong_answer(std::to_string(head.status)));
    opened = true;
    if (events.opened) events.opened(next_hop_of(head.fields));
  }

  void on_body(http::Exchange& from, Bytes body) override { from.consume(body.size()); }

  void on_end(http::Exchange& from) override {
    if (ended) return;
    from.finish();
    end({ErrorKind::closed, fmt::format("the hop ended the tunnel to {}", target.to_string())});
  }

  // Handed on one by one: an inner connection reads packet after packet in any case, and gathering them would
  // cost a copy.
  void on_datagram(http::Exchange& from, Bytes datagram) override {
    if (ended) return;
    const auto found = contexts.find(datagram);
    if (!found) {
      if (counters.dropped_context > std::max(max_strange, counters.datagrams_in))
        break_off(from, http::ResetCode::datagram_error,
                  {ErrorKind::protocol, fmt::format("the hop of the tunnel to {} sends datagrams with "
                                                    "unregistered context IDs",
                                                    target.to_string())});
      return;
    }
    if (found->payload.size() > max_udp_payload) {
      ++counters.dropped_size;
      return break_off(
          from, http::ResetCode::datagram_error,
          {ErrorKind::protocol,
           fmt::format("the hop sent a UDP payload of {} bytes, more than 65527", found->payload.size())});
    }
    ++counters.datagrams_in;
    counters.bytes_in += found->payload.size();
    if (receiver != nullptr)
      receiver->on_datagrams(path, {found->payload, found->payload.size()}, timers.now());
  }

  bool is_padding(Bytes datagram) const override { return contexts.is_padding(datagram); }
  Bytes padding_prefix() const override { return contexts.padding_prefix(); }

  void on_max_datagram_payload(http::Exchange& from) override {
    const std::size_t size = max_datagram_size();
    if (std::exchange(last_max, size) != size && receiver != nullptr && !ended)
      receiver->on_max_datagram_size(size);
    resume(from);  // also said when the request leaves at last, before which the exchange holds only a few
                   // datagrams
  }

  void on_datagrams_writable(http::Exchange& from) override { resume(from); }

  void resume(http::Exchange& from) {
    if (ended || !sender.blocked() || !sender.resume(from)) return;
    if (receiver != nullptr) receiver->on_path_writable(timers.now());
  }

  void on_closed(http::Exchange&, const Error* why) override {
    last_max = max_datagram_size();
    exchange = nullptr;
    end(why == nullptr ? Error{ErrorKind::closed, "the tunnel to " + target.to_string() + " ended"}
                       : tunnel_end_error(target.to_string(), version, *why));
  }

  Error wrong_answer(const std::string& answer) const {
    return {
        ErrorKind::protocol,
        fmt::format("the hop answered the request for a tunnel to {} with {}: it does not speak CONNECT-UDP",
                    target.to_string(), answer)};
  }

  void break_off(http::Exchange& from, http::ResetCode code, const Error& why) {
    from.reset(code, why);
    end(why);
  }

  void end(const Error& why) {
    if (std::exchange(ended, true)) return;
    sender.release();
    const Lifetime::Guard guard(lifetime);  // `closed` may be the end of this object
    if (events.closed) events.closed(why);
    if (!guard.gone() && receiver != nullptr) receiver->on_path_closed(why);
  }

  const Target target;
  TunnelEvents events;
  net::Timers& timers;
  const http::Version version;
  const net::NetPath path;
  net::DatagramReceiver* receiver = nullptr;
  TunnelCounters counters;  // of what comes in
  ContextTable contexts{ContextTable::Side::client, counters.dropped_context};
  DatagramSendCounters sent;
  ByteBudget hold{16 * 1024 * 1024};
  DatagramSender sender{sent, hold};
  std::uint64_t refused_datagrams = 0;
  std::size_t last_max = 0;
  bool opened = false;
  bool ended = false;  // `closed` was said
  Lifetime lifetime;
  http::Exchange* exchange = nullptr;  // null before the request is made and after on_closed
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

TunnelCounters UdpTunnel::counters() const {
  TunnelCounters counters = impl_->counters;
  counters.datagrams_out = impl_->sent.datagrams;
  counters.bytes_out = impl_->sent.bytes;
  counters.dropped_size += impl_->sent.dropped_size;
  counters.dropped_queue = impl_->sent.dropped_queue + impl_->refused_datagrams;
  return counters;
}

}  // namespace sallyport::masque
