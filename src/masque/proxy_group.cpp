#include "masque/proxy_group.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sallyport::masque {
namespace {

/// As both ends name it. A UDP socket has its port for itself, so what lies between may have changed where it
/// sent to; TCP connections to several targets may share one.
net::NetPath exit_of(Protocol carried, const net::NetPath& socket) {
  assert(carried != Protocol::ip);
  const auto plain = [](const net::SocketAddress& address) {
    return net::SocketAddress(address.ip().unmapped(), address.port());
  };
  return {plain(socket.local), carried == Protocol::udp ? net::SocketAddress() : plain(socket.remote)};
}

}  // namespace

std::shared_ptr<ClientAccount> ProxyGroup::account_of(const ClientKey& client) {
  Accounts& shard = accounts_[client.hash() % shards];
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

bool ProxyGroup::came_out_here(Protocol over, const net::NetPath& path) {
  const net::NetPath exit = exit_of(over, {path.remote, path.local});
  Exits& shard = exits_at(exit);
  const std::scoped_lock lock(shard.mutex);
  return shard.of(over).contains(exit);
}

TunnelExit::TunnelExit(ProxyGroup& group, Protocol carried, const net::NetPath& socket)
    : group_(&group), exit_(exit_of(carried, socket)), carried_(carried) {
  ProxyGroup::Exits& shard = group.exits_at(exit_);
  const std::scoped_lock lock(shard.mutex);
  shard.of(carried).insert(exit_);
}

TunnelExit::TunnelExit(TunnelExit&& other) noexcept
    : group_(std::exchange(other.group_, nullptr)), exit_(other.exit_), carried_(other.carried_) {}

TunnelExit& TunnelExit::operator=(TunnelExit&& other) noexcept {
  std::swap(group_, other.group_);
  std::swap(exit_, other.exit_);
  std::swap(carried_, other.carried_);
  return *this;
}

TunnelExit::~TunnelExit() {
  if (group_ == nullptr) return;
  ProxyGroup::Exits& shard = group_->exits_at(exit_);
  const std::scoped_lock lock(shard.mutex);
  shard.of(carried_).erase(exit_);
}

}  // namespace sallyport::masque
