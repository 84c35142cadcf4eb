#include "masque/ip_switch.h"

#include "base/log.h"
#include "masque/ip_range.h"
#include "net/packet_fields.h"

#include <utility>

namespace sallyport::masque {

std::string_view to_string(IpDrop why) {
  constexpr std::array<std::string_view, ip_drops> names{"invalid",   "source",    "scope",     "policy",
                                                         "hop_limit", "no_tunnel", "too_large", "queue",
                                                         "sojourn",   "device"};
  return names[static_cast<std::size_t>(why)];
}

IpSwitch::IpSwitch(net::Timers& timers, net::PacketPort& device, IpSwitchOptions options,
                   const net::CoalescerOptions& coalesce)
    : timers_(timers),
      device_(device),
      verdicts_(verdicts),
      coalescer_([this](const net::Packet& packet) { to_device(packet); }, coalesce),
      flush_(timers, [this](Time) { coalescer_.flush(); }) {
  set_options(std::move(options));
  device_.set_receiver(this);
}

IpSwitch::~IpSwitch() {
  device_.set_receiver(nullptr);
}

void IpSwitch::set_options(IpSwitchOptions options) {
  options_ = std::move(options);
  answers_.set_own(options_.own_v4, options_.own_v6);
  device_answers_.set_own(std::nullopt, options_.own_v6);
  verdicts_.assign(verdicts, {});
}

void IpSwitch::add(const net::IpPrefix& prefix, IpPeer& peer) {
  // Another worker's, whose note that it is gone is on its way, is replaced.
  ways_.insert(prefix, {.peer = &peer});
  if (elsewhere_ != nullptr) elsewhere_->tell(prefix, true);
}

void IpSwitch::remove(const net::IpPrefix& prefix) {
  if (ways_.erase(prefix) && elsewhere_ != nullptr) elsewhere_->tell(prefix, false);
}

void IpSwitch::note(const net::IpPrefix& prefix, unsigned worker, bool there) {
  const Way* const known = ways_.find_exactly(prefix);
  // What the other says of it is late: the prefix is ours by now.
  if (known != nullptr && known->peer != nullptr) return;
  if (there)
    ways_.insert(prefix, {.peer = nullptr, .worker = worker});
  else if (known != nullptr && known->worker == worker)
    ways_.erase(prefix);
}

IpCounters IpSwitch::figures() const {
  IpCounters all = counters_;
  all.icmp_sent = answers_.sent() + device_answers_.sent();
  all.icmp_suppressed = answers_.suppressed() + device_answers_.suppressed();
  return all;
}

void IpSwitch::to_device(const net::Packet& packet) {
  // One packet at a time is what the device takes in one system call as well.
  switch (device_.send({&packet, 1})) {
    case net::SendStatus::sent:
    case net::SendStatus::blocked:  // it waits there
      return;
    default:
      counters_.drop(IpDrop::device);
  }
}

bool IpSwitch::may_reach(const net::IpPacket& parsed) {
  const bool has_ports = parsed.protocol == net::protocol::tcp || parsed.protocol == net::protocol::udp;
  if (has_ports && parsed.destination_port != 0 &&
      (!options_.policy.check_port(parsed.destination_port) ||
       options_.policy.is_never(parsed.destination.unmapped(), parsed.destination_port)))
    return false;
  const std::size_t hash = net::SocketAddressHash{}(net::SocketAddress(parsed.destination, 0));
  Verdict& verdict = verdicts_[hash % verdicts];
  const Time now = timers_.now();
  if (verdict.until <= now || verdict.address != parsed.destination) {
    verdict.address = parsed.destination;
    verdict.until = now + 1s;
    verdict.allowed = options_.policy.check(parsed.destination, 0).has_value();
  }
  return verdict.allowed;
}

void IpSwitch::answer(IpPeer& to, const IpRejection& rejection, Bytes bytes, const net::IpPacket& parsed) {
  const MutableBytes answer = answers_.answer(rejection, bytes, parsed, to.limit_, timers_.now());
  if (answer.empty()) return;
  const auto parsed_answer = net::parse_ip(answer);
  if (!parsed_answer) return;
  // What cannot be told is not told of.
  [[maybe_unused]] const auto told = to.deliver({.bytes = answer}, *parsed_answer);
}

void IpSwitch::forward(IpPeer& from, MutableBytes bytes, const net::IpPacket& parsed) {
  const auto reject = [&](IpDrop why, net::IcmpError error) {
    counters_.drop(why);
    answer(from, {error}, bytes, parsed);
  };
  const Way* const way = ways_.find(parsed.destination);
  if (way != nullptr ? !options_.between_clients : !may_reach(parsed))
    return reject(IpDrop::policy, net::IcmpError::admin_prohibited);
  if (way != nullptr && !net::decrement_hop_limit(bytes))
    return reject(IpDrop::hop_limit, net::IcmpError::time_exceeded);
  ++counters_.packets_up;
  counters_.bytes_up += bytes.size();
  const net::Packet packet{.bytes = bytes};
  if (way == nullptr) {
    coalescer_.add(packet);
    return flush_.request();
  }
  if (way->peer == nullptr) return elsewhere_->hand_over(way->worker, packet);
  if (const auto done = way->peer->deliver(packet, parsed); !done) answer(from, done.error(), bytes, parsed);
}

void IpSwitch::send_down(const net::Packet& packet, bool may_leave) {
  const auto parsed = net::parse_ip(packet.bytes);
  if (!parsed) return counters_.drop(IpDrop::invalid);
  IpRejection why{net::IcmpError::address_unreachable};
  const Way* const way = ways_.find(parsed->destination);
  if (way != nullptr && way->peer != nullptr) {
    const auto done = way->peer->deliver(packet, *parsed);
    if (done) return;
    why = done.error();
  } else if (way != nullptr && may_leave) {
    return elsewhere_->hand_over(way->worker, packet);
  } else {
    counters_.drop(IpDrop::no_tunnel);
  }
  // To another client, where it came from one.
  const Way* const to = ways_.find(parsed->source);
  const MutableBytes answer =
      (to == nullptr ? device_answers_ : answers_)
          .answer(why, packet.bytes.first(parsed->total_length), *parsed, limit_, timers_.now());
  if (answer.empty()) return;
  const auto back = net::parse_ip(answer);
  if (!back) return;
  if (to == nullptr) return to_device({.bytes = answer});
  if (to->peer == nullptr) return elsewhere_->hand_over(to->worker, {.bytes = answer});
  [[maybe_unused]] const auto told = to->peer->deliver({.bytes = answer}, *back);
}

void IpSwitch::on_packets(std::span<net::Packet> packets, Time) {
  for (const net::Packet& packet : packets) send_down(packet, true);
}

void IpSwitch::take(net::Packet& packet) {
  send_down(packet, false);
}

void IpSwitch::on_port_closed(const Error& why) {
  if (lost_) return;
  lost_ = why;
  log_error("CONNECT-IP has no TUN device any more, its tunnels end: {}", why.message);
  for (IpPeer* const tunnel : std::exchange(tunnels_, {})) tunnel->end(why);
}

std::vector<IpTunnelFigures> IpSwitch::tunnels() const {
  std::vector<IpTunnelFigures> all;
  all.reserve(tunnels_.size());
  for (const IpPeer* const tunnel : tunnels_) all.push_back(tunnel->figures());
  return all;
}

bool IpSwitch::end_tunnel(const net::IpAddress& address, const Error& why) {
  const Way* const way = ways_.find_exactly(host_prefix(address));
  if (way == nullptr || way->peer == nullptr) return false;
  way->peer->end(why);
  return true;
}

}  // namespace sallyport::masque
