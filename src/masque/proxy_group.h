// ProxyGroup: what the proxies of one process share, one a worker: how much each client holds over all of
// them (docs/threat-model.md, "tunnel flood" and "unread datagrams"), and where their tunnels come out
// (docs/threat-model.md, "proxy loop"). Used from all their threads, and only when a tunnel opens or ends, or
// something has to be held back: never for a packet that passes.
#pragma once

#include "masque/byte_budget.h"
#include "masque/client_key.h"
#include "masque/failed_attempts.h"
#include "masque/protocol.h"
#include "net/address.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_set>

namespace sallyport::masque {

/// Bytes of datagrams that may be held for one client, be it that it does not read or that its targets did
/// not answer yet, and for all of them together.
inline constexpr std::size_t client_hold = 2 * 1024 * 1024;
inline constexpr std::size_t group_hold = 32 * 1024 * 1024;

/// What one client holds. Its counters may be read and changed from any thread.
struct ClientAccount {
  explicit ClientAccount(ByteBudget& all) : held(client_hold, &all) {}
  std::atomic<std::size_t> tunnels = 0;
  ByteBudget held;  ///< what its DatagramSenders hold and, until targets answer, its UdpFlows
};

class ProxyGroup {
 public:
  /// The account of `client`, which is kept for as long as anybody has it. It must not outlive the group.
  std::shared_ptr<ClientAccount> account_of(const ClientKey& client);
  std::atomic<std::size_t> tunnels = 0;  ///< of all clients
  /// By which guessing of tokens is slowed down, whichever worker is asked.
  const std::shared_ptr<FailedAttempts> failures = std::make_shared<FailedAttempts>();

  /// Whether a connection that has come in by `path`, over UDP (QUIC) or TCP, came out of a tunnel of the
  /// group's that carries that.
  bool came_out_here(Protocol over, const net::NetPath& path);

 private:
  friend class TunnelExit;
  // In parts, so that workers seldom wait for each other.
  static constexpr std::size_t shards = 16;
  struct alignas(64) Accounts {
    std::mutex mutex;
    std::map<ClientKey, std::weak_ptr<ClientAccount>> clients;
    std::size_t sweep_at = 64;
  };
  struct LocalHash {
    std::size_t operator()(const net::NetPath& path) const { return net::SocketAddressHash{}(path.local); }
  };
  struct alignas(64) Exits {
    std::mutex mutex;
    std::unordered_set<net::NetPath, LocalHash> udp, tcp;
    auto& of(Protocol carried) { return carried == Protocol::udp ? udp : tcp; }
  };
  Exits& exits_at(const net::NetPath& exit) { return exits_[exit.local.port() % shards]; }

  ByteBudget held_{group_hold};
  std::array<Accounts, shards> accounts_;
  std::array<Exits, shards> exits_;
};

/// Where a tunnel comes out: its socket towards the target. Known to the group for as long as this lives.
class TunnelExit {
 public:
  TunnelExit() = default;
  /// `carried`: UDP or TCP. What carries IP has no socket.
  TunnelExit(ProxyGroup& group, Protocol carried, const net::NetPath& socket);
  TunnelExit(TunnelExit&& other) noexcept;
  TunnelExit& operator=(TunnelExit&& other) noexcept;
  ~TunnelExit();

 private:
  ProxyGroup* group_ = nullptr;
  net::NetPath exit_;
  Protocol carried_ = Protocol::udp;
};

}  // namespace sallyport::masque
