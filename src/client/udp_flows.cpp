#include "client/udp_flows.h"

#include "base/lifetime.h"
#include "client/udp_addresses.h"
#include "client/udp_flow.h"
#include "client/udp_payload.h"
#include "masque/context_id.h"
#include "masque/icmp_answers.h"
#include "masque/ip_sender.h"
#include "masque/refusal_error.h"
#include "net/packet_fields.h"
#include "net/udp_header.h"
#include "quic/connection.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

constexpr std::uint16_t dns_port = 53;
// What is between a DATAGRAM frame's payload and a UDP payload: a quarter stream ID of two bytes and the
// context ID.
constexpr std::size_t flow_overhead = 3;

net::IcmpError icmp_error_of(const Error& why) {
  if (why.code == masque::target_lost) return net::IcmpError::port_unreachable;
  if (why.kind == ErrorKind::denied || why.code == 401 || why.code == 403 || why.code == 407)
    return net::IcmpError::admin_prohibited;
  if (why.kind == ErrorKind::refused && why.code / 100 == 5) return net::IcmpError::port_unreachable;
  return net::IcmpError::address_unreachable;
}

/// No other flow would do better. `answered`: `code` is that of a response, and not one of QUIC or HTTP/3,
/// which may be the same.
bool is_of_all_flows(const Error& why, bool answered, bool was_any_open) {
  if (!answered) return !was_any_open && why.kind == ErrorKind::protocol;
  if (why.code == 401 || why.code == 407) return true;
  return !was_any_open &&
         (why.kind == ErrorKind::protocol || why.code == 404 || why.code == 405 || why.code == 501);
}

}  // namespace

struct UdpFlows::Impl final : UdpFlow::Owner {
  using Table = std::unordered_map<AddressPair, std::unique_ptr<UdpFlow>, AddressPairHash>;

  Impl(net::Timers& its_timers, UdpFlowsOptions its_options)
      : timers(its_timers),
        options(std::move(its_options)),
        sweep_timer(timers, [this](Time now) { sweep(now); }),
        size_check(timers, [this](Time) { check_mtu(); }),
        writable(timers, [this](Time now) {
          if (blocked == 0 && receiver != nullptr) receiver->on_port_writable(now);
        }) {
    router_answers.set_own(udp_router_v4(), udp_router_v6());
  }

  // Up

  net::SendStatus send(const net::Packet& packet) {
    const auto parsed = net::parse_ip(packet.bytes);
    if (!parsed) {
      ++counters.dropped_invalid;
      return net::SendStatus::sent;
    }
    const auto run = udp_payload_of(packet, *parsed);
    if (!run) {
      turn_away(run.error(), packet, *parsed);
      return net::SendStatus::sent;
    }
    UdpFlow* const flow = flow_for(packet, *parsed);
    if (flow == nullptr) return net::SendStatus::sent;
    if (flow->is_open()) flow->last_used = timers.now();
    if (const auto max = flow->max_payload(); max && run->segment_size > *max) {
      ++counters.dropped_too_large;
      // Fragments would be more than the flow carries, too.
      const auto error =
          parsed->dont_fragment ? net::IcmpError::packet_too_big : net::IcmpError::admin_prohibited;
      answer({error, *max + net::udp_headers_size(parsed->version == 6)}, packet, *parsed);
      return net::SendStatus::sent;
    }
    const net::SendStatus status = flow->send(*run);
    blocked += status == net::SendStatus::blocked ? 1 : 0;
    if (status == net::SendStatus::sent || status == net::SendStatus::blocked) {
      counters.datagrams_up += std::max<std::size_t>(run->count(), 1);
      counters.bytes_up += run->bytes.size();
    } else {
      counters.dropped_queue += std::max<std::size_t>(run->count(), 1);
    }
    return status;
  }

  void turn_away(NotCarried why, const net::Packet& packet, const net::IpPacket& parsed) {
    switch (why) {
      case NotCarried::invalid:
        ++counters.dropped_invalid;
        return;
      case NotCarried::protocol:
        ++counters.dropped_protocol;
        return answer({net::IcmpError::admin_prohibited}, packet, parsed);
      case NotCarried::fragment:
        ++counters.dropped_fragment;
        return answer({net::IcmpError::admin_prohibited}, packet, parsed);
      case NotCarried::headers:
        ++counters.dropped_headers;
        return answer({net::IcmpError::admin_prohibited}, packet, parsed);
      case NotCarried::destination:
        ++counters.dropped_destination;
        return answer({net::IcmpError::address_unreachable}, packet, parsed);
      case NotCarried::hop_limit:
        ++counters.dropped_hop_limit;
        return pass_on(router_answers.answer({net::IcmpError::time_exceeded},
                                             packet.bytes.first(parsed.total_length), parsed, limit,
                                             timers.now()));
    }
  }

  void answer(const masque::IpRejection& rejection, const net::Packet& packet, const net::IpPacket& parsed) {
    pass_on(answers.answer(rejection, packet.bytes.first(parsed.total_length), parsed, limit, timers.now()));
  }

  void answer(net::IcmpError error, const UdpFlow& flow) {
    pass_on(answers.answer({error}, flow.quote(), flow.quoted(), limit, timers.now()));
  }

  void pass_on(MutableBytes bytes) const {
    if (bytes.empty() || receiver == nullptr) return;
    net::Packet packet{.bytes = bytes};
    receiver->on_packets({&packet, 1}, timers.now());
  }

  /// Null: there is none, and the sender was told.
  UdpFlow* flow_for(const net::Packet& packet, const net::IpPacket& parsed) {
    const AddressPair pair = address_pair_of(parsed);
    if (const auto found = table.find(pair); found != table.end()) {
      UdpFlow& flow = *found->second;
      if (!flow.refusal()) return &flow;
      ++counters.dropped_refused;
      answer({*flow.refusal()}, packet, parsed);
      return nullptr;
    }
    if (table.size() >= options.max_flows && !make_room(true)) {
      ++counters.dropped_limit;
      answer({net::IcmpError::address_unreachable}, packet, parsed);
      return nullptr;
    }
    auto made = std::make_unique<UdpFlow>(*this, parsed, packet.bytes);
    UdpFlow& flow = *made;
    flow.last_used = timers.now();
    table.emplace(pair, std::move(made));
    options.connect([this, pair, watch = Lifetime::Watch(lifetime)](Result<http::Connection*> connection) {
      if (!watch.gone()) connected(pair, std::move(connection));
    });
    plan_sweep(flow);
    return flow.refusal() ? nullptr : &flow;
  }

  void connected(const AddressPair& pair, Result<http::Connection*> connection) {
    const auto found = table.find(pair);
    if (found == table.end() || !found->second->is_waiting()) return;
    UdpFlow& flow = *found->second;
    if (!connection) {
      ++counters.dropped_refused;
      refuse(flow, net::IcmpError::address_unreachable);
      return options.failed(connection.error());
    }
    // It waits for the stream of the flow that makes room.
    if ((*connection)->free_streams() == 0 && !make_room(false)) {
      ++counters.dropped_limit;
      return refuse(flow, net::IcmpError::address_unreachable);
    }
    flow.ask(**connection, options.proxy, options.fields);
    size_check.request();
  }

  void refuse(UdpFlow& flow, net::IcmpError why) {
    answer(why, flow);
    release(flow);
    count_end(flow);
    flow.refuse(why);
    flow.last_used = timers.now();
    plan_sweep(flow);
  }

  // Ends

  /// What is idle longest goes; `refusals`: and those first, which have no stream.
  bool make_room(bool refusals) {
    const Time now = timers.now();
    auto oldest = table.end();
    for (auto each = table.begin(); each != table.end(); ++each) {
      const UdpFlow& flow = *each->second;
      const bool may_go =
          (flow.refusal() && refusals) || (flow.is_open() && now - flow.last_used >= evicted_after);
      if (!may_go) continue;
      if (oldest == table.end() || is_sooner(flow, *oldest->second)) oldest = each;
    }
    if (oldest == table.end()) return false;
    if (!oldest->second->refusal()) ++counters.flows_evicted;
    erase(oldest);
    return true;
  }

  static bool is_sooner(const UdpFlow& one, const UdpFlow& other) {
    const bool refused = one.refusal().has_value();
    if (refused != other.refusal().has_value()) return refused;
    return one.last_used < other.last_used;
  }

  /// The flow holds nobody back any more.
  void release(UdpFlow& flow) {
    if (flow.is_blocked() && --blocked == 0) writable.request();
  }

  /// Before its tunnel, or what waits for one, goes.
  void count_end(const UdpFlow& flow) {
    counters.dropped_sojourn += flow.dropped_sojourn();
    counters.dropped_queue += flow.waiting();
  }

  void erase(Table::iterator at) {
    release(*at->second);
    count_end(*at->second);
    table.erase(at);
  }

  static Time end_of(const UdpFlow& flow) {
    if (flow.refusal()) return flow.last_used + refusal_holds;
    if (!flow.is_open()) return flow.last_used + patience;
    return flow.last_used + (flow.pair().destination_port == dns_port ? dns_idle_after : idle_after);
  }

  void plan_sweep(const UdpFlow& flow) {
    if (const Time end = end_of(flow); end < sweep_timer.deadline()) sweep_timer.arm(end);
  }

  void sweep(Time now) {
    Time next = never;
    for (auto each = table.begin(); each != table.end();) {
      UdpFlow& flow = *each->second;
      const Time end = end_of(flow);
      if (end > now) {
        next = std::min(next, end);
        ++each;
        continue;
      }
      auto gone = each++;
      if (flow.is_open()) {
        ++counters.flows_idle;
      } else if (!flow.refusal()) {
        ++counters.flows_refused;
        answer(net::IcmpError::address_unreachable, flow);
      }
      erase(gone);
    }
    if (next != never) sweep_timer.arm(next);
  }

  // UdpFlow::Owner

  void on_flow_payload(UdpFlow& flow, Bytes payload, Time now) override {
    if (flow.is_open()) flow.last_used = now;
    const AddressPair& pair = flow.pair();
    const net::UdpHeader header{.source = pair.destination,
                                .destination = pair.source,
                                .source_port = pair.destination_port,
                                .destination_port = pair.source_port};
    const std::size_t headers = net::udp_headers_size(pair.source.is_v6());
    if (headers + payload.size() >
        masque::longest_packet + (pair.source.is_v6() ? net::ipv6::header_size : 0)) {
      ++counters.dropped_down;
      return;
    }
    ++counters.datagrams_down;
    counters.bytes_down += payload.size();
    if (receiver == nullptr) return;
    net::write_partial_udp_headers(packet_bytes, header, payload.size());
    copy_bytes(payload, packet_bytes.data() + headers);
    net::Packet packet{.bytes = MutableBytes(packet_bytes).first(headers + payload.size()),
                       .checksum_partial = true};
    receiver->on_packets({&packet, 1}, now);
  }

  void on_flow_open(UdpFlow& flow) override {
    ++counters.flows_opened;
    useless_connections = 0;
    flow.last_used = timers.now();
    plan_sweep(flow);
  }

  void on_flow_writable(UdpFlow&, Time now) override {
    if (--blocked == 0 && receiver != nullptr) receiver->on_port_writable(now);
  }

  void on_flow_size() override { size_check.request(); }

  void on_flow_closed(UdpFlow& flow, const Error& why) override {
    const bool answered = flow.was_answered();
    const bool is_lost = flow.is_open() ? why.code != masque::target_lost
                                        : !answered && why.code != masque::target_lost &&
                                              why.kind != ErrorKind::protocol && !flow.has_connection();
    if (answered) useless_connections = 0;
    if (is_lost && !flow.is_open() && std::exchange(useless_since, timers.now()) != timers.now() &&
        ++useless_connections == max_useless_connections) {
      refuse(flow, net::IcmpError::address_unreachable);
      return options.failed({why.kind, fmt::format("{} connections in a row ended without an answer to a "
                                                   "request: {}",
                                                   useless_connections, why.message)});
    }
    if (is_lost) {
      // Its next packet opens another one, on another connection if need be.
      ++(why.kind == ErrorKind::closed && flow.is_open() ? counters.flows_idle : counters.flows_lost);
      return erase(table.find(flow.pair()));
    }
    ++(flow.is_open() ? counters.flows_lost : counters.flows_refused);
    const std::optional<Error> fatal =
        is_of_all_flows(why, answered, counters.flows_opened > 0) ? std::optional(why) : std::nullopt;
    refuse(flow, icmp_error_of(why));
    if (fatal) options.failed(*fatal);
  }

  void check_mtu() {
    std::optional<std::size_t> narrowest;
    for (const auto& each : table)
      if (const auto max = each.second->max_payload())
        narrowest = std::min(narrowest.value_or(masque::longest_packet), *max);
    if (narrowest) set_budget(*narrowest);
  }

  void set_budget(std::size_t payload) {
    const std::size_t size = std::min(payload + net::udp_headers_size(false), masque::longest_packet);
    if (std::exchange(mtu, size) != size && receiver != nullptr) receiver->on_mtu(size);
  }

  net::Timers& timers;
  const UdpFlowsOptions options;
  net::PacketReceiver* receiver = nullptr;
  UdpFlowsCounters counters;
  masque::IcmpAnswers answers, router_answers;
  masque::IcmpLimit limit;
  std::vector<std::uint8_t> packet_bytes = std::vector<std::uint8_t>(masque::longest_packet + 40);
  std::size_t mtu = 1280;
  std::size_t blocked = 0;           // flows
  unsigned useless_connections = 0;  // in a row, without an answer
  Time useless_since{};              // when the last of them ended, with all its flows
  net::Timer sweep_timer;
  net::Deferred size_check, writable;
  Lifetime lifetime;
  Table table;
};

UdpFlows::UdpFlows(net::Timers& timers, UdpFlowsOptions options)
    : impl_(std::make_unique<Impl>(timers, std::move(options))) {}

UdpFlows::~UdpFlows() = default;

void UdpFlows::set_receiver(net::PacketReceiver* receiver) {
  impl_->receiver = receiver;
}

net::SendStatus UdpFlows::send(std::span<const net::Packet> packets) {
  net::SendStatus worst = net::SendStatus::sent;
  for (const net::Packet& packet : packets) {
    const net::SendStatus status = impl_->send(packet);
    if (status == net::SendStatus::blocked)
      worst = status;
    else if (status != net::SendStatus::sent && worst == net::SendStatus::sent)
      worst = net::SendStatus::dropped;
  }
  return worst;
}

std::size_t UdpFlows::mtu() const {
  return impl_->mtu;
}

void UdpFlows::expect(const http::Connection& connection) {
  const quic::Connection* const quic = connection.quic();
  std::size_t payload = masque::max_udp_payload;
  if (quic != nullptr)
    payload = quic->max_datagram_payload() - std::min(quic->max_datagram_payload(), flow_overhead);
  impl_->set_budget(payload);
}

std::size_t UdpFlows::flows() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(impl_->table, [](const auto& each) { return !each.second->refusal(); }));
}

UdpFlowsCounters UdpFlows::counters() const {
  UdpFlowsCounters counters = impl_->counters;
  for (const auto& [pair, flow] : impl_->table) counters.dropped_sojourn += flow->dropped_sojourn();
  counters.icmp_sent = impl_->answers.sent() + impl_->router_answers.sent();
  counters.icmp_suppressed = impl_->answers.suppressed() + impl_->router_answers.suppressed();
  return counters;
}

}  // namespace sallyport::client
