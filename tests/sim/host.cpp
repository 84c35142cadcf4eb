#include "host.h"

#include "binding.h"
#include "net/socket_calls.h"
#include "network.h"
#include "tcp_host.h"
#include "tcp_race.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sallyport::sim {
namespace {

constexpr std::uint16_t first_free_port = 40000;

/// A question that is answered in a later turn, unless it is dropped first.
class Pending final : public net::Resolution {
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

Host::Host(Network& network, std::string name, const net::IpAddress& address)
    : network_(network),
      name_(std::move(name)),
      addresses_{address},
      tcp_(std::make_unique<TcpHost>(*this)) {}

Host::~Host() = default;

bool Host::has(const net::IpAddress& address) const {
  return std::find(addresses_.begin(), addresses_.end(), address) != addresses_.end();
}

bool Host::is_own(const net::IpAddress& address) {
  return address.is_loopback() || has(address.unmapped());
}

std::unique_ptr<Socket> Host::listen(std::uint16_t port) {
  return std::make_unique<Socket>(*this, net::SocketAddress(address(), port), net::SocketAddress());
}

void Host::rebind_ports() {
  behind_nat_ = true;
  for (Socket* socket : sockets_) socket->seen_as_.set_port(free_port());
  tcp_->move(nullptr);
}

void Host::move_to(const net::IpAddress& address) {
  behind_nat_ = true;
  addresses_ = {address};
  for (Socket* socket : sockets_) socket->seen_as_ = net::SocketAddress(address, free_port());
  tcp_->move(&address);
}

void Host::reset_tcp_connections() {
  tcp_->reset_all();
}

std::size_t Host::open_connections() const {
  return tcp_->held_connections();
}

std::optional<net::IpAddress> Host::source_for(const net::IpAddress& target) const {
  const auto found = std::find_if(addresses_.rbegin(), addresses_.rend(),
                                  [&](const auto& own) { return own.is_v4() == target.is_v4(); });
  return found == addresses_.rend() ? std::nullopt : std::optional(*found);
}

std::uint16_t Host::free_port() {
  const auto is_used = [this](std::uint16_t port) {
    return tcp_->uses_port(port) || std::ranges::any_of(sockets_, [&](const Socket* socket) {
             return socket->local_.port() == port || socket->seen_as_.port() == port;
           });
  };
  std::uint16_t port = 0;
  do {
    port = next_port_++;
    if (next_port_ == 0) next_port_ = first_free_port;
  } while (is_used(port));
  return port;
}

Result<net::SocketAddress> Host::bind(const net::SocketAddress& local, const std::string& what) {
  const net::IpAddress ip = local.ip();
  if (!ip.is_unspecified() && !has(ip)) return std::unexpected(net::socket_error(what, EADDRNOTAVAIL));
  return local.port() != 0 ? local : net::SocketAddress(ip, free_port());
}

Socket* Host::find_connected(const net::NetPath& as_sent) const {
  for (Socket* socket : sockets_)
    if (socket->is_connected() && socket->seen_as_ == as_sent.remote && socket->remote_ == as_sent.local)
      return socket;
  return nullptr;
}

Socket* Host::receiver_of(const Packet& packet) const {
  if (Socket* const connected = find_connected(packet.path)) return connected;
  std::vector<Socket*> group;
  for (Socket* socket : sockets_)
    if (!socket->is_connected() && takes(socket->seen_as_, packet.path.remote)) group.push_back(socket);
  if (group.empty()) return nullptr;
  std::optional<std::size_t> worker;
  if (group.front()->steering_) worker = steered_worker(packet.bytes, *group.front()->steering_);
  if (!worker || *worker >= group.size()) return group[hash_of(packet.path) % group.size()];
  return group[(*worker + (misroutes_ ? 1 : 0)) % group.size()];
}

std::vector<Socket*> Host::group_of(const Socket& socket) const {
  std::vector<Socket*> group;
  for (Socket* other : sockets_)
    if (!other->is_connected() && !socket.is_connected() && other->local_ == socket.local_)
      group.push_back(other);
  return group;
}

/// The last of a group takes the number of the one that goes, as in the kernel.
void Host::forget(Socket& socket) {
  const auto group = group_of(socket);
  if (group.empty()) {
    std::erase(sockets_, &socket);
    return;
  }
  std::erase(sockets_, group.back());
  std::replace(sockets_.begin(), sockets_.end(), &socket, group.back());
}

Result<std::unique_ptr<net::UdpListener>> Host::listen_udp(const net::SocketAddress& local,
                                                           const net::UdpSocketOptions& options) {
  const std::string what = "cannot bind UDP " + local.to_string();
  const auto bound = bind(local, what);
  if (!bound) return std::unexpected(bound.error());
  for (const Socket* other : sockets_)
    if (overlap(other->local_, *bound) && !(other->reuse_port_ && options.reuse_port))
      return std::unexpected(net::socket_error(what, EADDRINUSE));
  return std::make_unique<Socket>(*this, *bound, net::SocketAddress(), options.reuse_port);
}

Result<std::unique_ptr<net::TcpListener>> Host::listen_tcp(const net::SocketAddress& local,
                                                           const net::TcpOptions& options,
                                                           net::TcpListener::Accepted accepted) {
  return tcp_->listen(local, options, std::move(accepted));
}

Result<std::unique_ptr<net::TcpListener>> Host::listen_unix(const std::string& path, const net::TcpOptions&,
                                                            net::TcpListener::Accepted) {
  return fail(ErrorKind::usage,
              "cannot listen on " + path + ": the simulated network has no Unix-domain sockets");
}

Result<std::unique_ptr<net::DatagramPath>> Host::open_udp(const net::SocketAddress& target, net::UdpBuffers) {
  const auto source = source_for(target.ip());
  if (!source) return fail(ErrorKind::unreachable, "no route to " + target.to_string());
  return std::unique_ptr<net::DatagramPath>(
      std::make_unique<Socket>(*this, net::SocketAddress(*source, free_port()), target));
}

std::unique_ptr<net::TcpConnecting> Host::open_tcp(const std::vector<net::SocketAddress>& targets,
                                                   Duration timeout, net::TcpConnected connected,
                                                   net::TcpAddressFailed failed) {
  return std::make_unique<TcpRace>(*tcp_, targets, timeout, std::move(connected), std::move(failed));
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
