#include "tcp_host.h"

#include "binding.h"
#include "host.h"
#include "net/socket_calls.h"
#include "network.h"
#include "tcp_acceptor.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace sallyport::sim {

TcpHost::TcpHost(Host& host)
    : host_(host), reap_(timers(), [this](Time) {
        std::erase_if(connections_, [](const auto& one) { return one->is_closed() && !one->is_held(); });
      }) {}

TcpHost::~TcpHost() = default;

net::Timers& TcpHost::timers() const {
  return host_.network_.timers();
}

Result<std::unique_ptr<net::TcpListener>> TcpHost::listen(const net::SocketAddress& local,
                                                          const net::TcpOptions& options,
                                                          net::TcpListener::Accepted accepted) {
  const std::string what = "cannot listen on TCP " + local.to_string();
  const Result<net::SocketAddress> bound = host_.bind(local, what);
  if (!bound) return std::unexpected(bound.error());
  for (const TcpAcceptor* other : acceptors_)
    if (overlap(other->local(), *bound) && !(other->options().reuse_port && options.reuse_port))
      return std::unexpected(net::socket_error(what, EADDRINUSE));
  auto acceptor = std::make_unique<TcpAcceptor>(*this, *bound, options, std::move(accepted));
  acceptors_.push_back(acceptor.get());
  return acceptor;
}

Result<std::unique_ptr<TcpStream>> TcpHost::open(const net::SocketAddress& remote,
                                                 TcpConnection::Opened opened) {
  const auto source = host_.source_for(remote.ip());
  if (!source)
    return std::unexpected(net::socket_error("cannot connect to " + remote.to_string(), ENETUNREACH));
  const net::NetPath path{net::SocketAddress(*source, host_.free_port()), remote};
  TcpConnection& connection = *connections_.emplace_back(std::make_unique<TcpConnection>(*this, path));
  auto stream = std::make_unique<TcpStream>(timers(), connection, nullptr);
  connection.connect(std::move(opened));
  return stream;
}

std::size_t TcpHost::mss_to(const net::SocketAddress& remote) const {
  constexpr std::size_t most = 1400, least = 64;
  const std::size_t headers = ip_header_size(remote) + tcp_header_size;
  const std::size_t mtu = std::min(host_.up.profile.mtu, host_.down.profile.mtu);
  return std::clamp(mtu > headers ? mtu - headers : 0, least, most);
}

void TcpHost::send(const net::NetPath& path, const TcpSegment& segment) {
  Packet packet;
  packet.path = path;
  packet.protocol = Protocol::tcp;
  packet.bytes = write_tcp_segment(segment);
  host_.network_.transmit(host_, packet);
}

void TcpHost::arrive(const Packet& packet) {
  const auto segment = read_tcp_segment(packet.bytes);
  if (!segment) return;
  if (TcpConnection* const connection = find(packet.path)) return connection->on_segment(*segment);
  if (segment->rst) return;
  if (segment->syn && !segment->ack && acceptor_of(packet.path) != nullptr)
    return accept(packet.path, *segment);
  refuse(packet.path, *segment);
}

TcpConnection* TcpHost::find(const net::NetPath& as_sent) const {
  for (const auto& connection : connections_)
    if (!connection->is_closed() && connection->path().remote == as_sent.local &&
        connection->seen_as() == as_sent.remote)
      return connection.get();
  return nullptr;
}

/// One of a group by the path's hash, as the kernel chooses.
TcpAcceptor* TcpHost::acceptor_of(const net::NetPath& as_sent) const {
  std::vector<TcpAcceptor*> group;
  for (TcpAcceptor* acceptor : acceptors_)
    if (takes(acceptor->local(), as_sent.remote)) group.push_back(acceptor);
  return group.empty() ? nullptr : group[hash_of(as_sent) % group.size()];
}

void TcpHost::accept(const net::NetPath& as_sent, const TcpSegment& syn) {
  TcpConnection& connection = *connections_.emplace_back(
      std::make_unique<TcpConnection>(*this, net::NetPath{as_sent.remote, as_sent.local}));
  connection.accept(syn, [this, &connection](const Result<>& result) {
    if (result) hand_over(connection);
  });
}

void TcpHost::hand_over(TcpConnection& connection) {
  TcpAcceptor* const acceptor = acceptor_of({connection.path().remote, connection.path().local});
  if (acceptor == nullptr) return connection.abort();  // closed meanwhile
  acceptor->add(std::make_unique<TcpStream>(timers(), connection, acceptor->options().counters));
}

void TcpHost::refuse(const net::NetPath& as_sent, const TcpSegment& segment) {
  if (host_.behind_nat_) return;
  TcpSegment reset;
  reset.rst = reset.ack = true;
  reset.seq = segment.acked;
  reset.acked = segment.seq + segment.length();
  send({as_sent.remote, as_sent.local}, reset);
}

void TcpHost::reset_all() {
  const std::size_t count = connections_.size();  // who is told may open others
  for (std::size_t i = 0; i < count; ++i) connections_[i]->reset_from_between();
}

void TcpHost::move(const net::IpAddress* ip) {
  for (const auto& connection : connections_)
    connection->set_seen_as({ip != nullptr ? *ip : connection->seen_as().ip(), host_.free_port()});
}

bool TcpHost::uses_port(std::uint16_t port) const {
  return std::ranges::any_of(connections_,
                             [&](const auto& one) {
                               return one->path().local.port() == port || one->seen_as().port() == port;
                             }) ||
         std::ranges::any_of(acceptors_, [&](const auto* one) { return one->local().port() == port; });
}

std::size_t TcpHost::held_connections() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(connections_, [](const auto& one) { return one->is_held(); }));
}

}  // namespace sallyport::sim
