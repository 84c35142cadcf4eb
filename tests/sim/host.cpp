#include "host.h"

#include "network.h"

#include <algorithm>
#include <utility>

namespace sallyport::sim {
namespace {

/// A question that is answered in a later turn, unless it is dropped first.
class Pending final : public net::Resolution, public net::TcpConnecting {
 public:
  Pending(net::Timers& timers, std::function<void()> action)
      : action_(std::move(action)), timer_(timers, [this](Time) { std::exchange(action_, nullptr)(); }) {
    timer_.arm(timers.now());
  }

 private:
  std::function<void()> action_;
  net::Timer timer_;
};

}  // namespace

Socket::Socket(Host& host, net::SocketAddress local, net::SocketAddress remote)
    : host_(host), local_(local), remote_(remote), seen_as_(local) {
  host_.sockets_.push_back(this);
}

Socket::~Socket() {
  std::erase(host_.sockets_, this);
  std::erase(host_.network_.readable_, this);
}

net::SendStatus Socket::send(const net::NetPath& to, const net::DatagramRun& run) {
  Packet packet{{seen_as_, is_connected() ? remote_ : to.remote}, {}, run.ecn};
  const auto transmit = [&](Bytes datagram) {
    packet.bytes.assign(datagram.begin(), datagram.end());
    host_.network_.transmit(host_, packet);
  };
  if (run.bytes.empty()) transmit({});
  run.for_each(transmit);
  return net::SendStatus::sent;
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
    const net::NetPath path{local_, packet.path.local};
    if (receiver_ != nullptr) receiver_->on_datagrams(path, {joined, packet.bytes.size(), packet.ecn}, now);
    if (guard.gone()) return;
  }
}

Host::Host(Network& network, std::string name, const net::IpAddress& address)
    : network_(network), name_(std::move(name)), addresses_{address} {}

bool Host::has(const net::IpAddress& address) const {
  return std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end();
}

std::unique_ptr<Socket> Host::listen(std::uint16_t port) {
  return std::make_unique<Socket>(*this, net::SocketAddress(address(), port), net::SocketAddress());
}

void Host::rebind_ports() {
  behind_nat_ = true;
  for (Socket* socket : sockets_) socket->seen_as_.set_port(next_port_++);
}

void Host::move_to(const net::IpAddress& address) {
  behind_nat_ = true;
  addresses_ = {address};
  for (Socket* socket : sockets_) socket->seen_as_ = net::SocketAddress(address, next_port_++);
}

Socket* Host::find(const net::NetPath& as_sent) const {
  for (Socket* socket : sockets_)
    if (socket->seen_as_ == as_sent.remote && (!socket->is_connected() || socket->remote_ == as_sent.local))
      return socket;
  return nullptr;
}

Result<std::unique_ptr<net::DatagramPath>> Host::open_udp(const net::SocketAddress& target, net::UdpBuffers) {
  if (target.ip().is_v4() != address().is_v4())
    return fail(ErrorKind::unreachable, "no route to " + target.to_string());
  return std::unique_ptr<net::DatagramPath>(
      std::make_unique<Socket>(*this, net::SocketAddress(address(), next_port_++), target));
}

std::unique_ptr<net::TcpConnecting> Host::open_tcp(const std::vector<net::SocketAddress>&, Duration,
                                                   net::TcpConnected connected) {
  return std::make_unique<Pending>(network_.timers(), [connected = std::move(connected)] {
    connected(fail(ErrorKind::unreachable, "the simulated network carries no TCP"));
  });
}

std::unique_ptr<net::Resolution> Host::resolve(const std::string& name, const net::IpAddress&,
                                               Answer answer) {
  return std::make_unique<Pending>(network_.timers(),
                                   [&network = network_, name, answer = std::move(answer)] {
                                     if (auto literal = net::IpAddress::parse(name))
                                       return answer(std::vector{*literal});
                                     if (const Host* host = network.find(name))
                                       return answer(std::vector{host->address()});
                                     answer(fail(ErrorKind::resolve, "'" + name + "' has no address"));
                                   });
}

}  // namespace sallyport::sim
