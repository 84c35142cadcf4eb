#include "masque/udp_over_ip.h"

#include "base/chunk.h"
#include "masque/ip_sender.h"
#include "net/icmp_report.h"
#include "net/packet_fields.h"
#include "net/udp_header.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace sallyport::masque {
namespace {

constexpr std::uint16_t first_port = 49'152, ports = 16'384;  // RFC 6335 §6
/// An ICMP error, which may be forged, lowers no path below what QUIC needs (RFC 9000 §14.2.1), as with
/// sockets.
constexpr std::size_t smallest_quic_payload = 1200;

}  // namespace

class UdpOverIp::Flow final : public net::DatagramPath {
 public:
  Flow(UdpOverIp& udp, const net::IpAddress& own, std::uint16_t own_port, const net::SocketAddress& remote)
      : udp_(udp),
        own_(own),
        remote_(remote.ip()),
        own_port_(own_port),
        remote_port_(remote.port()),
        path_{net::SocketAddress(own, own_port), remote},
        last_max_(max_datagram_size()) {}
  ~Flow() override { udp_.forget(*this); }
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  void set_receiver(net::DatagramReceiver* receiver) override { receiver_ = receiver; }
  net::NetPath net_path() const override { return path_; }
  std::size_t max_datagram_size() const override { return std::min(told_max_, udp_.room(is_v6())); }

  net::SendStatus send(const net::NetPath&, const net::DatagramRun& run) override {
    if (ended_ || waits_) {
      udp_.counters_.dropped_queue += std::max<std::size_t>(run.count(), 1);
      return net::SendStatus::dropped;
    }
    Bytes rest = run.bytes;
    if (!push(rest, run.segment_size, run.ecn)) {
      held_ = Chunk::copy_of(rest);
      held_segment_ = run.segment_size;
      held_ecn_ = run.ecn;
      waits_ = true;
      return net::SendStatus::blocked;
    }
    return run.segment_size > max_datagram_size() ? net::SendStatus::too_large : net::SendStatus::sent;
  }

  bool is_v6() const { return own_.is_v6(); }
  bool is(const net::IpAddress& own, std::uint16_t own_port, const net::IpAddress& remote,
          std::uint16_t remote_port) const {
    return own_port_ == own_port && remote_port_ == remote_port && own_ == own && remote_ == remote;
  }
  net::UdpHeader header(net::Ecn ecn) const {
    return {.source = own_,
            .destination = remote_,
            .source_port = own_port_,
            .destination_port = remote_port_,
            .ecn = ecn};
  }
  /// The largest UDP payload that passed no further than ICMP said; longest_packet: it said nothing.
  std::size_t told_max() const { return told_max_; }
  bool waits() const { return waits_; }
  bool has_ended() const { return ended_; }

  // Each calls the receiver, which may destroy this, and all of UdpOverIp.

  void deliver(Bytes payload, net::Ecn ecn, Time now) {
    if (receiver_ != nullptr && !ended_) receiver_->on_datagrams(path_, {payload, payload.size(), ecn}, now);
  }
  /// Sends what waits.
  void resume(Time now) {
    Bytes rest = held_.bytes();
    const bool all = push(rest, held_segment_, held_ecn_);
    held_.remove_prefix(held_.size() - rest.size());
    if (!all) return;
    waits_ = false;
    held_ = {};
    if (receiver_ != nullptr && !ended_) receiver_->on_path_writable(now);
  }
  bool has_new_max() const { return last_max_ != max_datagram_size(); }
  void tell_max() {
    last_max_ = max_datagram_size();
    if (receiver_ != nullptr && !ended_) receiver_->on_max_datagram_size(last_max_);
  }
  /// Packet Too Big.
  void narrow(std::size_t payload) {
    told_max_ = payload;
    tell_max();
  }
  void unreachable(const net::ReportedUnreachable& reported) {
    if (receiver_ != nullptr && !ended_)
      receiver_->on_unreachable(reported.kind, net::unreachable_error(path_.remote, reported));
  }
  void end(const Error& why) {
    ended_ = true;
    waits_ = false;
    held_ = {};
    if (receiver_ != nullptr) receiver_->on_path_closed(why);
  }

 private:
  /// Takes off `rest` what went. False: the port is full. Of an empty run one datagram without payload goes.
  bool push(Bytes& rest, std::size_t segment_size, net::Ecn ecn) {
    do {
      const Bytes payload = rest.first(std::min(segment_size, rest.size()));
      if (!udp_.send_one(*this, payload, ecn)) return false;
      rest = rest.subspan(payload.size());
    } while (!rest.empty());
    return true;
  }

  UdpOverIp& udp_;
  const net::IpAddress own_, remote_;
  const std::uint16_t own_port_, remote_port_;
  const net::NetPath path_;
  net::DatagramReceiver* receiver_ = nullptr;
  std::size_t told_max_ = longest_packet;  // by ICMP, UDP payload
  std::size_t last_max_;
  Chunk held_;  // the rest of the run that found the port full
  std::size_t held_segment_ = 0;
  net::Ecn held_ecn_ = net::Ecn::not_ect;
  bool waits_ = false;
  bool ended_ = false;
};

UdpOverIp::UdpOverIp(net::PacketPort& port, Random& random) : port_(port), random_(random) {
  port_.set_receiver(this);
}

UdpOverIp::~UdpOverIp() {
  assert(flows_.empty());
  port_.set_receiver(nullptr);
}

std::unique_ptr<net::DatagramPath> UdpOverIp::open(const net::IpAddress& own,
                                                   const net::SocketAddress& remote) {
  assert(own.is_v6() == remote.ip().is_v6());
  auto flow = std::make_unique<Flow>(*this, own, free_port(), remote);
  flows_.push_back(flow.get());
  return flow;
}

void UdpOverIp::forget(const Flow& flow) {
  std::erase(flows_, &flow);
}

std::uint16_t UdpOverIp::free_port() {
  for (;;) {
    const auto port = static_cast<std::uint16_t>(first_port + random_.below(ports));
    if (std::ranges::none_of(flows_,
                             [port](const Flow* flow) { return flow->net_path().local.port() == port; }))
      return port;
  }
}

std::size_t UdpOverIp::room(bool is_v6) const {
  const std::size_t mtu = std::min(port_.mtu(), longest_packet), headers = net::udp_headers_size(is_v6);
  return mtu > headers ? mtu - headers : 0;
}

bool UdpOverIp::send_one(const Flow& flow, Bytes payload, net::Ecn ecn) {
  static thread_local std::array<std::uint8_t, longest_packet> buffer;
  const std::size_t headers = net::udp_headers_size(flow.is_v6()), size = headers + payload.size();
  if (full_) return false;
  // The port is asked about its own limit each time: it may have been wrong, and measures again.
  if (size > buffer.size() || payload.size() > flow.told_max()) {
    ++counters_.dropped_size;
    return true;
  }
  net::write_udp_headers(buffer, flow.header(ecn), payload);
  copy_bytes(payload, buffer.data() + headers);
  const net::Packet packet{.bytes = MutableBytes(buffer).first(size)};
  switch (port_.send({&packet, 1})) {
    case net::SendStatus::sent:
      ++counters_.datagrams_out;
      counters_.bytes_out += payload.size();
      counters_.headers_out += headers;
      return true;
    case net::SendStatus::blocked:
      full_ = true;
      return false;
    case net::SendStatus::too_large:
      ++counters_.dropped_size;
      return true;
    case net::SendStatus::dropped:
      break;
  }
  ++counters_.dropped_queue;
  return true;
}

UdpOverIp::Flow* UdpOverIp::find(const net::IpAddress& own, std::uint16_t own_port,
                                 const net::IpAddress& remote, std::uint16_t remote_port) const {
  const auto found = std::ranges::find_if(
      flows_, [&](const Flow* flow) { return flow->is(own, own_port, remote, remote_port); });
  return found == flows_.end() ? nullptr : *found;
}

void UdpOverIp::on_packets(std::span<net::Packet> packets, Time now) {
  const Lifetime::Guard guard(lifetime_);
  for (const net::Packet& packet : packets) {
    take(packet.bytes, now);
    if (guard.gone()) return;
  }
}

void UdpOverIp::take(Bytes bytes, Time now) {
  const auto parsed = net::parse_ip(bytes);
  if (!parsed || !net::has_valid_header_checksum(bytes, *parsed)) {
    ++counters_.dropped_invalid;
    return;
  }
  const bool v6 = parsed->version == 6;
  if (parsed->fragment) {
    ++counters_.dropped_fragment;
    return;
  }
  if (parsed->upper_offset != (v6 ? net::ipv6::header_size : net::ipv4::header_size)) {
    ++counters_.dropped_header;
    return;
  }
  if (parsed->protocol == (v6 ? net::protocol::icmp_v6 : net::protocol::icmp))
    return take_icmp(bytes, *parsed);
  if (parsed->protocol != net::protocol::udp) {
    ++counters_.dropped_stranger;
    return;
  }
  const auto payload = net::udp_payload(bytes, *parsed);
  if (!payload) {
    ++counters_.dropped_invalid;
    return;
  }
  Flow* const flow = find(parsed->destination, parsed->destination_port, parsed->source, parsed->source_port);
  if (flow == nullptr) {
    ++counters_.dropped_stranger;
    return;
  }
  ++counters_.datagrams_in;
  counters_.bytes_in += payload->size();
  counters_.headers_in += net::udp_headers_size(v6);
  flow->deliver(*payload, static_cast<net::Ecn>(parsed->traffic_class & 3U), now);
}

void UdpOverIp::take_icmp(Bytes bytes, const net::IpPacket& parsed) {
  const auto report = net::read_icmp_report(bytes, parsed);
  Flow* const flow =
      report ? find(report->source, report->source_port, report->destination, report->destination_port)
             : nullptr;
  if (flow == nullptr) {
    ++counters_.icmp_ignored;
    return;
  }
  if (report->unreachable) {
    ++counters_.icmp_believed;
    return flow->unreachable(*report->unreachable);
  }
  const std::size_t headers = net::udp_headers_size(flow->is_v6());
  const std::size_t told = report->mtu > headers ? report->mtu - headers : 0;
  // A packet that would have fitted is not what it was sent about.
  const bool fits = report->mtu == 0 || report->length <= report->mtu;
  const std::size_t narrowed = std::max(told, smallest_quic_payload);
  if (fits || narrowed >= flow->max_datagram_size()) {
    ++counters_.icmp_ignored;
    return;
  }
  ++counters_.icmp_believed;
  flow->narrow(narrowed);
}

void UdpOverIp::on_port_writable(Time now) {
  full_ = false;
  const Lifetime::Guard guard(lifetime_);
  while (!guard.gone() && !full_) {
    const auto waiting = std::ranges::find_if(flows_, &Flow::waits);
    if (waiting == flows_.end()) return;
    (*waiting)->resume(now);
  }
}

void UdpOverIp::on_mtu(std::size_t) {
  const Lifetime::Guard guard(lifetime_);
  while (!guard.gone()) {
    const auto changed = std::ranges::find_if(flows_, &Flow::has_new_max);
    if (changed == flows_.end()) return;
    (*changed)->tell_max();
  }
}

void UdpOverIp::end_flows(const std::function<bool(const net::NetPath&)>& ends, const Error& why) {
  const Lifetime::Guard guard(lifetime_);
  while (!guard.gone()) {
    const auto ending = std::ranges::find_if(
        flows_, [&](const Flow* flow) { return !flow->has_ended() && ends(flow->net_path()); });
    if (ending == flows_.end()) return;
    (*ending)->end(why);
  }
}

void UdpOverIp::on_port_closed(const Error& why) {
  end_flows([](const net::NetPath&) { return true; }, why);
}

}  // namespace sallyport::masque
