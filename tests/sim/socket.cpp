#include "socket.h"

#include "network.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sallyport::sim {
namespace {

constexpr std::size_t most_backlog = 256 * 1024;

}  // namespace

Socket::Socket(Host& host, net::SocketAddress local, net::SocketAddress remote, bool reuse_port)
    : host_(host),
      local_(local),
      remote_(remote),
      seen_as_(local),
      reuse_port_(reuse_port),
      has_room_(host.network_.timers(), [this](Time now) { send_backlog(now); }) {
  const auto group = host_.group_of(*this);
  if (!group.empty()) steering_ = group.front()->steering_;
  host_.sockets_.push_back(this);
}

Socket::~Socket() {
  host_.forget(*this);
  std::erase(host_.network_.readable_, this);
}

Result<> Socket::steer(const net::SteeringLayout& layout) {
  if (layout.workers == 1) return {};
  assert(layout.worker_offset < layout.connection_id_length);
  for (Socket* socket : host_.group_of(*this)) socket->steering_ = layout;
  return {};
}

net::SendStatus Socket::send(const net::NetPath& to, const net::DatagramRun& run) {
  const std::size_t count = std::max<std::size_t>(run.count(), 1);
  const LinkProfile& link = host_.up.profile;
  Network& network = host_.network_;
  if (!has_room_.armed() && network.dice().happens(link.blocked))
    has_room_.arm(network.now() + link.blocked_for);
  const bool blocks = has_room_.armed();
  if (blocks && backlog_bytes_ + run.bytes.size() > most_backlog) {
    stats_.dropped_backlog += count;
    return net::SendStatus::dropped;
  }
  Packet packet = packet_to(to, run);
  const auto pass_on = [&](Bytes datagram) {
    packet.bytes.assign(datagram.begin(), datagram.end());
    if (blocks)
      backlog_.push_back(packet);
    else
      network.transmit(host_, packet);
  };
  if (run.bytes.empty()) pass_on({});
  run.for_each(pass_on);
  ++stats_.send_calls;
  stats_.datagrams_out += count;
  stats_.bytes_out += run.bytes.size();
  if (!blocks) return net::SendStatus::sent;
  backlog_bytes_ += run.bytes.size();
  return net::SendStatus::blocked;
}

/// Without its bytes.
Packet Socket::packet_to(const net::NetPath& to, const net::DatagramRun& run) const {
  Packet packet{{seen_as_, is_connected() ? remote_ : to.remote}, {}, run.ecn};
  if (!seen_as_.ip().is_unspecified()) return packet;
  const net::IpAddress asked = to.local.ip();
  const net::IpAddress source =
      host_.has(asked) ? asked : host_.source_for(packet.path.remote.ip()).value_or(host_.address());
  packet.path.local = net::SocketAddress(source, seen_as_.port());
  return packet;
}

void Socket::send_backlog(Time now) {
  backlog_bytes_ = 0;
  for (const Packet& packet : std::exchange(backlog_, {})) host_.network_.transmit(host_, packet);
  if (receiver_ != nullptr) receiver_->on_path_writable(now);
}

void Socket::deliver(Time now) {
  const std::vector<Packet> packets = std::exchange(arrived_, {});
  const Lifetime::Guard guard(lifetime_);
  std::vector<std::uint8_t> joined;
  for (std::size_t first = 0, next = 0; first < packets.size(); first = next) {
    const Packet& packet = packets[first];
    joined = packet.bytes;
    const auto joins = [&](const Packet& other) {
      return other.path == packet.path && other.ecn == packet.ecn &&
             other.bytes.size() == packet.bytes.size() && !packet.bytes.empty() &&
             joined.size() + other.bytes.size() <= 65'535;
    };
    for (next = first + 1; next < packets.size() && joins(packets[next]); ++next)
      joined.insert(joined.end(), packets[next].bytes.begin(), packets[next].bytes.end());
    ++stats_.receive_calls;
    stats_.datagrams_in += next - first;
    stats_.bytes_in += joined.size();
    const bool is_wildcard = local_.ip().is_unspecified();
    const net::NetPath path{is_wildcard ? packet.path.remote : local_, packet.path.local};
    if (receiver_ != nullptr) receiver_->on_datagrams(path, {joined, packet.bytes.size(), packet.ecn}, now);
    if (guard.gone()) return;
  }
}

}  // namespace sallyport::sim
