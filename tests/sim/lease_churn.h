// LeaseChurn: CONNECT-IP clients (RFC 9484) of one gateway with several workers, who come and go. They
// request addresses, send and are sent packets, end in order, by a reset, with their connection or without a
// word, and come back; the operator ends some of their tunnels, and takes tokens away for a while; now and
// then there are more of them than addresses. All the while it is compared what the clients know, what the
// pool and the workers say, and where packets come out. Sizes are chosen by lease_churn_test.cpp.
#pragma once

#include "gateway/lease_page.h"
#include "lease_device.h"
#include "lease_tunnel.h"
#include "network.h"
#include "sim_gateway.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

namespace sallyport::sim {

class LeaseChurn final : LeaseTunnel::Watcher {
 public:
  struct Options {
    std::uint64_t seed = 1;
    std::size_t tunnels = 10'000;    ///< about so many, all in all
    std::size_t identities = 2'000;  ///< that they have; 0: none, and a client is the host that it is on
    unsigned workers = 3;
    double loss =
        0;  ///< of packets, on their way to hosts and from them; with some, who gets none is not looked at
  };
  struct Figures {
    std::uint64_t connections = 0, asked = 0, assigned = 0, refused = 0, rejections = 0;
    /// How tunnels ended: by their client, with its connection, without a word, by the operator.
    std::uint64_t finished = 0, reset = 0, closed = 0, vanished = 0, disconnected = 0, revoked = 0;
    std::uint64_t came_back = 0;  ///< tunnels of those looked at that had the address from before
    std::uint64_t up = 0, down = 0, between = 0, into_networks = 0,
                  for_nobody = 0;  ///< packets that arrived, or for nobody
    std::size_t most_open = 0;
  };

  explicit LeaseChurn(Options options);
  ~LeaseChurn();

  /// Of the gateway's pool, and how many addresses of it can be leased: those with the numbers from 2 on.
  static net::IpPrefix pool_prefix(bool v4);
  static net::IpAddress address(bool v4, std::size_t number);
  /// What clients may announce networks of.
  static net::IpPrefix client_networks();
  static constexpr std::size_t capacity(bool v4) { return v4 ? 509 : 510; }

  /// Until all tunnels have come and gone.
  void run();
  /// Once gone, they have left nothing.
  void expect_nothing_left();
  const Figures& figures() const { return figures_; }

 private:
  struct Client;
  /// How a client goes.
  enum class Fate : std::uint8_t { in_order, closes, vanishes };
  /// A packet on its way.
  struct Sent {
    Time at;
    net::IpAddress to;
    std::uint64_t sender = 0;    // the tunnel; 0: it came from the device
    std::uint64_t expected = 0;  // see sure_to_come_to()
  };

  /// A tunnel that was asked for, and what was kept for its client then.
  struct Returning {
    Time asked;
    std::set<net::IpAddress> kept;
  };

  // lease_churn.cpp: what clients do
  void start_client(std::size_t tunnels, Duration within, Duration life);
  void open_tunnel(Client& client);
  void leave(Client& client, Fate fate);
  void bury(std::uint64_t client);
  LeaseTunnel::Options tunnel_options(const Client& client);
  std::vector<net::IpPrefix> wanted();
  void arrive();
  void rush();
  void disconnect_one();
  void revoke_one();
  std::shared_ptr<const masque::TokenTable> tokens() const;
  void use_tokens();
  /// `action` with the tunnel, unless it is gone or over by then.
  void later(LeaseTunnel& tunnel, Duration within, const std::function<void(LeaseTunnel&)>& action);
  void every(Duration pause, const std::function<void()>& action);
  /// Nobody is to have its addresses any more.
  void release(const LeaseTunnel& tunnel);
  void on_assigned(LeaseTunnel& tunnel) override;
  void on_gone(LeaseTunnel& tunnel, const std::string& why) override;

  // lease_checks.cpp
  void send_down();
  void send_up();
  /// The tunnel that a packet for the address is sure to come to, if that stays open; 0: none.
  std::uint64_t sure_to_come_to(const net::IpAddress& address) const;
  void on_packet(LeaseTunnel& tunnel, Bytes packet, bool destined) override;
  void on_up(Bytes packet);
  void check_network(std::uint64_t tunnel, const net::IpAddress& address);
  void check();
  void check_arrivals(std::map<std::uint64_t, Sent>& under_way);
  void check_gateway();
  static void check_page(const gateway::Leases& leases);
  /// The addresses that the pool keeps for the tunnel's client.
  std::set<net::IpAddress> kept_for(const LeaseTunnel& tunnel) const;
  /// Of the same client, as the gateway knows them.
  std::size_t tunnels_like(const LeaseTunnel& tunnel) const;
  void look_for_return(const LeaseTunnel& tunnel);
  void look_at_return(const LeaseTunnel& tunnel);
  double count_of(unsigned worker, const std::string& metric) const;

  net::IpAddress some_address(bool v4);
  /// The tunnel that has the first leased address from a random one on; null: there is none of that version.
  LeaseTunnel* some_tunnel(bool v4);
  LeaseTunnel* find(std::uint64_t number) const;
  masque::AddressPool& pool() const { return *gateway_->setup().ip->network()->pool; }
  std::size_t leased(bool v4) const { return pool().figures(v4).leased; }

  const Options options_;
  Network network_;
  Host& far_ = network_.add_host("far.sim.test");
  std::vector<Host*> hosts_;
  std::vector<std::unique_ptr<LeaseDevice>> devices_;
  std::unique_ptr<SimGateway> gateway_;
  std::map<std::uint64_t, std::unique_ptr<Client>> clients_;
  std::uint64_t last_client_ = 0, last_tunnel_ = 0, last_packet_ = 0;
  std::map<std::uint64_t, LeaseTunnel*> tunnels_;    // of all clients that are there
  std::map<net::IpAddress, LeaseTunnel*> holders_;   // as their clients know
  std::map<net::IpPrefix, std::uint64_t> networks_;  // the tunnel that got the last packet for each
  std::map<std::uint64_t, Returning> returning_;
  std::map<std::string, Time> last_asked_;  // by identity
  std::deque<std::string> recent_;          // identities whose tunnels ended last
  std::string revoked_;                     // an identity; empty: none
  /// Of clients that vanished: nothing passes.
  std::unordered_set<net::SocketAddress, net::SocketAddressHash> silent_;
  std::map<std::uint64_t, Sent> down_, up_;  // by the number in their payload
  Time crowded_until_{};                     // there may be too few addresses
  bool stopped_ = false;
  std::uint64_t checks_ = 0;
  Figures figures_;
};

}  // namespace sallyport::sim
