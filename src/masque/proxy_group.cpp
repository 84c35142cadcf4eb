#include "masque/proxy_group.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace sallyport::masque {
namespace {

/// As both ends name it. A UDP socket has its port for itself, so what lies between may have changed where it
/// sent to; TCP connections to several targets may share one.
net::NetPath exit_of(bool udp, const net::NetPath& socket) {
  const auto plain = [](const net::SocketAddress& address) {
    return net::SocketAddress(address.ip().unmapped(), address.port());
  };
  return {plain(socket.local), udp ? net::SocketAddress() : plain(socket.remote)};
}

}  // namespace

std::shared_ptr<ClientAccount> ProxyGroup::account_of(const ClientKey& client) {
  std::size_t sum = std::hash<std::string>{}(client.identity);
  for (const std::uint8_t octet : client.block.octets()) sum = sum * 31 + octet;
  Accounts& shard = accounts_[sum % shards];
  const std::scoped_lock lock(shard.mutex);
  if (const auto found = shard.clients.find(client); found != shard.clients.end())
    if (auto account = found->second.lock()) return account;
  if (shard.clients.size() >= shard.sweep_at) {
    std::erase_if(shard.clients, [](const auto& entry) { return entry.second.expired(); });
    shard.sweep_at = std::max<std::size_t>(64, 2 * shard.clients.size());
  }
  auto account = std::make_shared<ClientAccount>(held_);
  shard.clients[client] = account;
  return account;
}

bool ProxyGroup::came_out_here(bool udp, const net::NetPath& path) {
  const net::NetPath exit = exit_of(udp, {path.remote, path.local});
  Exits& shard = exits_at(exit);
  const std::scoped_lock lock(shard.mutex);
  return shard.of(udp).contains(exit);
}

TunnelExit::TunnelExit(ProxyGroup& group, bool udp, const net::NetPath& socket)
    : group_(&group), exit_(exit_of(udp, socket)), udp_(udp) {
  ProxyGroup::Exits& shard = group.exits_at(exit_);
  const std::scoped_lock lock(shard.mutex);
  shard.of(udp).insert(exit_);
}

TunnelExit::TunnelExit(TunnelExit&& other) noexcept
    : group_(std::exchange(other.group_, nullptr)), exit_(other.exit_), udp_(other.udp_) {}

TunnelExit& TunnelExit::operator=(TunnelExit&& other) noexcept {
  std::swap(group_, other.group_);
  std::swap(exit_, other.exit_);
  std::swap(udp_, other.udp_);
  return *this;
}

TunnelExit::~TunnelExit() {
  if (group_ == nullptr) return;
  ProxyGroup::Exits& shard = group_->exits_at(exit_);
  const std::scoped_lock lock(shard.mutex);
  shard.of(udp_).erase(exit_);
}

}  // namespace sallyport::masque
