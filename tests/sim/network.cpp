#include "network.h"

#include "tcp_host.h"

#include <algorithm>
#include <utility>

namespace sallyport::sim {

// One seed, two streams: the complement keeps them apart.
Network::Network(std::uint64_t seed) : random_(seed), dice_(~seed) {}

Network::~Network() = default;

Host& Network::add_host(const std::string& name) {
  return add_host(name, free_address());
}

Host& Network::add_v6_host(const std::string& name) {
  std::array<std::uint8_t, 16> octets{0x20, 0x01, 0x0d, 0xb8};
  octets[15] = ++last_number_;
  return add_host(name, net::IpAddress::v6(octets));
}

Host& Network::add_host(const std::string& name, const net::IpAddress& address) {
  hosts_.push_back(std::make_unique<Host>(*this, name, address));
  return *hosts_.back();
}

net::IpAddress Network::free_address() {
  return net::IpAddress::v4({203, 0, 113, ++last_number_});
}

Host* Network::find(const std::string& name) const {
  for (const auto& host : hosts_)
    if (host->name() == name) return host.get();
  return nullptr;
}

Host* Network::find(const net::IpAddress& address) const {
  for (const auto& host : hosts_)
    if (host->has(address)) return host.get();
  return nullptr;
}

void Network::at(Time when, std::function<void()> action) {
  events_.push_back({when, order_++, std::move(action)});
  std::push_heap(events_.begin(), events_.end(), is_later);
}

void Network::after(Duration span, std::function<void()> action) {
  at(now() + span, std::move(action));
}

void Network::transmit(Host& from, const Packet& packet) {
  if (filter_ && !filter_(packet)) return;
  if (from.drops(packet.protocol)) return;
  from.up.pass(packet, now(), dice_, [this](Time when, Packet sent) {
    at(when, [this, sent = std::move(sent)] {
      Host* const to = find(sent.path.remote.ip());
      if (to == nullptr) return;
      to->down.pass(sent, now(), dice_, [this](Time then, Packet received) {
        at(then, [this, received = std::move(received)]() mutable { arrive(std::move(received)); });
      });
    });
  });
}

void Network::arrive(Packet packet) {
  Host* const host = find(packet.path.remote.ip());
  if (host == nullptr || host->drops(packet.protocol)) return;  // null: it has moved meanwhile
  if (packet.protocol == Protocol::tcp) return host->tcp_->arrive(packet);
  Socket* const socket = host->receiver_of(packet);
  if (socket == nullptr) return report_closed_port(*host, packet.path);
  if (socket->arrived_.empty()) readable_.push_back(socket);
  socket->arrived_.push_back(std::move(packet));
}

/// What ICMP does: a connected socket that sent to a closed port hears of it.
void Network::report_closed_port(Host& by, const net::NetPath& path) {
  if (by.behind_nat_ || by.up.profile.down) return;
  at(now() + by.up.profile.delay, [this, path] {
    Host* const host = find(path.local.ip());
    if (host == nullptr || host->down.profile.down) return;
    at(now() + host->down.profile.delay, [host, path] {
      Socket* const socket = host->find_connected({path.remote, path.local});
      if (socket == nullptr || socket->receiver_ == nullptr) return;
      socket->receiver_->on_unreachable(
          net::Unreachable::definite,
          {ErrorKind::refused, "UDP to " + path.remote.to_string() + " failed: Connection refused"});
    });
  });
}

bool Network::turn(Time limit) {
  Time next = timers_.next_deadline();
  if (!events_.empty()) next = std::min(next, events_.front().when);
  const bool in_time = next <= limit;
  timers_.advance(std::min(next, limit));
  while (!events_.empty() && events_.front().when <= now()) {
    std::pop_heap(events_.begin(), events_.end(), is_later);
    const auto action = std::move(events_.back().action);
    events_.pop_back();
    action();
  }
  while (!readable_.empty()) {
    Socket* const socket = readable_.front();
    readable_.erase(readable_.begin());
    socket->deliver(now());
  }
  timers_.run_deferred();
  return in_time;
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
