#include "network.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <utility>

namespace sallyport::sim {
namespace {

constexpr std::size_t ip_udp_header = 28;

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

void SeededRandom::fill(MutableBytes out) {
  for (std::size_t at = 0; at < out.size(); at += 8) {
    const std::uint64_t value = engine_();
    std::memcpy(out.data() + at, &value, std::min<std::size_t>(8, out.size() - at));
  }
}

double SeededRandom::unit() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }

Socket::Socket(Network& network, Host& host, net::SocketAddress local, net::SocketAddress remote, bool connected)
    : network_(network), host_(host), local_(local), remote_(remote), mapped_(local), connected_(connected) {
  host_.sockets_.push_back(this);
}

Socket::~Socket() { std::erase(host_.sockets_, this); }

net::SendStatus Socket::send(const net::NetPath& to, const net::DatagramRun& run) {
  const net::NetPath path{mapped_, connected_ ? remote_ : to.remote};
  run.for_each([&](Bytes datagram) { network_.transmit(host_, path, datagram, run.ecn); });
  return net::SendStatus::sent;
}

Host::Host(Network& network, std::string name, net::IpAddress address)
    : network_(network), name_(std::move(name)), address_(address) {}

std::unique_ptr<Socket> Host::listen(std::uint16_t port) {
  return std::make_unique<Socket>(network_, *this, net::SocketAddress(address_, port), net::SocketAddress(), false);
}

void Host::rebind_ports() {
  for (Socket* socket : sockets_) socket->mapped_.set_port(next_port_++);
}

void Host::move_to(const net::IpAddress& address) {
  address_ = address;
  for (Socket* socket : sockets_) socket->mapped_ = net::SocketAddress(address, next_port_++);
}

Result<std::unique_ptr<net::DatagramPath>> Host::open_udp(const net::SocketAddress& target) {
  return std::unique_ptr<net::DatagramPath>(
      std::make_unique<Socket>(network_, *this, net::SocketAddress(address_, next_port_++), target, true));
}

std::unique_ptr<net::TcpConnecting> Host::open_tcp(const std::vector<net::SocketAddress>&, Duration,
                                                   net::TcpConnected connected) {
  return std::make_unique<Pending>(network_.timers(), [connected = std::move(connected)] {
    connected(fail(ErrorKind::unreachable, "the simulated network carries no TCP"));
  });
}

std::unique_ptr<net::Resolution> Host::resolve(const std::string& name, Answer answer) {
  return std::make_unique<Pending>(network_.timers(), [this, name, answer = std::move(answer)] {
    if (auto literal = net::IpAddress::parse(name)) return answer(std::vector{*literal});
    for (const auto& host : network_.hosts_)
      if (host->name() == name) return answer(std::vector{host->address()});
    answer(fail(ErrorKind::resolve, "'" + name + "' has no address"));
  });
}

Network::Network(std::uint64_t seed) : seed_(seed), random_(seed) {}

Network::~Network() = default;

Host& Network::add_host(const std::string& name) {
  const auto number = static_cast<std::uint8_t>(hosts_.size() + 1);
  hosts_.push_back(std::make_unique<Host>(*this, name, net::IpAddress::v4({203, 0, 113, number})));
  return *hosts_.back();
}

Host& Network::host(const std::string& name) {
  for (const auto& host : hosts_)
    if (host->name() == name) return *host;
  assert(!"no such host");
  std::unreachable();
}

void Network::at(Time when, std::function<void()> action) { events_.push({when, order_++, std::move(action)}); }

std::optional<Time> Network::pass(const LinkProfile& link, Time& free, Time from, std::size_t bytes, net::Ecn& ecn,
                                  HostCounters& counters, bool may_reorder) {
  if (link.down || random_.unit() < link.loss) {
    ++counters.lost;
    return std::nullopt;
  }
  if (bytes + ip_udp_header > link.mtu) {
    ++counters.too_large;
    return std::nullopt;
  }
  Time out = from;
  if (link.bits_per_second > 0) {
    const double byte_ns = 8e9 / link.bits_per_second;
    const Time begin = std::max(from, free);
    const double queued = static_cast<double>((begin - from).count()) / byte_ns;
    if (queued + static_cast<double>(bytes) > static_cast<double>(link.queue_bytes)) {
      ++counters.queue_full;
      return std::nullopt;
    }
    if (link.mark_above && queued > static_cast<double>(link.mark_above) &&
        (ecn == net::Ecn::ect0 || ecn == net::Ecn::ect1)) {
      ecn = net::Ecn::ce;
      ++counters.marked;
    }
    free = begin + Duration(static_cast<std::int64_t>(byte_ns * static_cast<double>(bytes + ip_udp_header)));
    out = free;
  }
  if (link.jitter.count() > 0) {
    out += Duration(static_cast<std::int64_t>(random_.unit() * static_cast<double>(link.jitter.count())));
    free = std::max(free, out);  // jitter delays, it does not reorder
  }
  out += link.delay;
  if (may_reorder && random_.unit() < link.reorder) out += link.reorder_delay;
  return out;
}

void Network::transmit(Host& from, const net::NetPath& path, Bytes datagram, net::Ecn ecn) {
  ++from.counters_.sent;
  if (filter_ && !filter_(path, datagram)) return;
  const LinkProfile& link = from.up;
  const int copies = random_.unit() < link.duplicate ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    net::Ecn mark = ecn;
    const auto out = pass(link, from.up_free_, now(), datagram.size(), mark, from.counters_, true);
    if (!out) continue;
    std::vector<std::uint8_t> bytes(datagram.begin(), datagram.end());
    if (!bytes.empty() && random_.unit() < link.corrupt)
      bytes[random_.next_u64() % bytes.size()] ^= static_cast<std::uint8_t>(1 + random_.next_u64() % 255);
    at(*out, [this, path, bytes = std::move(bytes), mark]() mutable {
      for (const auto& host : hosts_) {
        if (host->address() != path.remote.ip()) continue;
        const auto in = pass(host->down, host->down_free_, now(), bytes.size(), mark, host->counters_, true);
        if (in) at(*in, [this, path, bytes = std::move(bytes), mark]() mutable { arrive(path, std::move(bytes), mark); });
        return;
      }
    });
  }
}

void Network::arrive(net::NetPath path, std::vector<std::uint8_t> datagram, net::Ecn ecn) {
  for (const auto& host : hosts_)
    for (Socket* socket : host->sockets_) {
      if (socket->mapped_ != path.remote || !socket->receiver_) continue;
      if (socket->connected_ && socket->remote_ != path.local) continue;
      ++host->counters_.received;
      socket->receiver_->on_datagrams({socket->local_, path.local}, {datagram, std::max<std::size_t>(1, datagram.size()), ecn},
                                      now());
      return;
    }
}

bool Network::turn(Time limit) {
  Time next = timers_.next_deadline();
  if (!events_.empty()) next = std::min(next, events_.top().when);
  if (next == never || next > limit) {
    timers_.advance(limit);
    return false;
  }
  timers_.advance(std::max(next, now()));
  while (!events_.empty() && events_.top().when <= now()) {
    auto action = std::move(const_cast<Event&>(events_.top()).action);
    events_.pop();
    action();
  }
  timers_.run_deferred();
  return true;
}

bool Network::run_until(const std::function<bool()>& done, Duration limit) {
  const Time end = now() + limit;
  timers_.run_deferred();
  while (!done())
    if (!turn(end)) return done();
  return true;
}

void Network::run_for(Duration span) {
  run_until([] { return false; }, span);
}

}  // namespace sallyport::sim
