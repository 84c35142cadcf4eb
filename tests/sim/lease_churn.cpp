#include "lease_churn.h"

#include "http/h3_connection.h"
#include "identity.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr std::size_t hosts = 100;
constexpr Duration soon = 1ms;  // in a later turn, when what was to be sent was sent
/// A client vanishes without a word, and its leases are back after this.
constexpr Duration idle_timeout = 8s;
/// On average, 60 tunnels a second come, which have some 300 addresses of each IP version at a time.
constexpr Duration between_clients = 65ms;
constexpr std::size_t most_tunnels = 7;
constexpr std::size_t rush_clients = 40, rush_tunnels = 20;
constexpr std::array rushes{0.2, 0.45, 0.7};  // when so much is done

std::string token_of(const std::string& identity) {
  return identity + "-0123456789abcdef";
}

}  // namespace

net::IpPrefix LeaseChurn::pool_prefix(bool v4) {
  return *net::IpPrefix::parse(v4 ? "10.7.0.0/23" : "fd07::/119");
}

net::IpAddress LeaseChurn::address(bool v4, std::size_t number) {
  std::array<std::uint8_t, 16> octets{};
  const net::IpPrefix pool = pool_prefix(v4);
  const std::size_t size = pool.address().octets().size();
  std::ranges::copy(pool.address().octets(), octets.begin());
  octets[size - 2] |= static_cast<std::uint8_t>(number >> 8);
  octets[size - 1] |= static_cast<std::uint8_t>(number);
  return *net::IpAddress::from_octets(Bytes(octets).first(size));
}

net::IpPrefix LeaseChurn::client_networks() {
  return {net::IpAddress::v4({10, 64, 0, 0}), 16};
}

struct LeaseChurn::Client final : http::ConnectionHandler {
  Client(LeaseChurn& its_scene, std::uint64_t its_number) : scene(its_scene), number(its_number) {}
  void on_connection_closed(http::Connection&, const Error* why) override {
    // The gateway ends what has had no tunnels for long.
    if (why != nullptr && !leaves) ADD_FAILURE() << "a connection ended: " << why->message;
    scene.network_.after(soon, [&its = scene, n = number] { its.bury(n); });
  }

  LeaseChurn& scene;
  const std::uint64_t number;
  Host* host = nullptr;
  bool leaves = false;
  std::vector<std::unique_ptr<LeaseTunnel>> tunnels;  // outlive their connection
  std::unique_ptr<net::DatagramPath> path;
  std::unique_ptr<http::Connection> connection;
};

LeaseChurn::LeaseChurn(Options options) : options_(options), network_(options.seed) {
  for (std::size_t i = 0; i < hosts; ++i) {
    hosts_.push_back(&network_.add_host(fmt::format("client{}", i)));
    hosts_.back()->up.profile.loss = hosts_.back()->down.profile.loss = options_.loss;
  }
  SimGateway::Options gateway;
  gateway.workers = options_.workers;
  gateway.masque->protocols = {masque::Protocol::ip};
  gateway.masque->tokens = tokens();
  gateway.limits.idle_timeout = idle_timeout;
  gateway.ip.pool = {pool_prefix(true), pool_prefix(false)};
  gateway.ip.client_networks = {client_networks()};
  gateway.ip.between_clients = true;
  for (unsigned i = 0; i < options_.workers; ++i) {
    devices_.push_back(std::make_unique<LeaseDevice>([this](Bytes packet) { on_up(packet); }));
    gateway.ip_ports.push_back(devices_.back().get());
  }
  gateway_ =
      std::make_unique<SimGateway>(network_, network_.add_host("gateway.sim.test"), std::move(gateway));
  network_.set_filter([this](const Packet& packet) {
    return !silent_.contains(packet.path.local) && !silent_.contains(packet.path.remote);
  });
}

LeaseChurn::~LeaseChurn() {
  stopped_ = true;
  for (const auto& [number, client] : clients_) client->leaves = true;
  clients_.clear();
}

std::shared_ptr<const masque::TokenTable> LeaseChurn::tokens() const {
  if (options_.identities == 0) return nullptr;
  std::string lines;
  for (std::size_t i = 0; i < options_.identities; ++i) {
    const std::string name = fmt::format("client-{}", i);
    if (name != revoked_) lines += fmt::format("{} {}\n", name, token_of(name));
  }
  return *masque::TokenTable::parse(lines, "tokens");
}

void LeaseChurn::use_tokens() {
  auto next = std::make_shared<config::Configuration>(*gateway_->configuration());
  next->masque->tokens = tokens();
  EXPECT_TRUE(gateway_->apply(std::move(next)));
}

void LeaseChurn::run() {
  std::size_t rushed = 0;
  const auto is_over = [this] { return figures_.asked >= options_.tunnels; };
  every(between_clients, [&, this] {
    if (is_over()) return;
    arrive();
    const double done = static_cast<double>(figures_.asked) / static_cast<double>(options_.tunnels);
    if (rushed < rushes.size() && done >= rushes[rushed]) rush(), ++rushed;
  });
  every(20ms, [this] { send_down(); });
  every(20ms, [this] { send_up(); });
  every(500ms, [this] { check(); });
  every(700ms, [this] { disconnect_one(); });
  if (options_.identities > 0) every(2s, [this] { revoke_one(); });
  constexpr Duration limit = std::chrono::hours(1);
  EXPECT_TRUE(network_.run_until([&] { return is_over() && clients_.empty(); }, limit));
  stopped_ = true;
}

void LeaseChurn::every(Duration pause, const std::function<void()>& action) {
  network_.after(pause, [this, pause, action] {
    if (stopped_) return;
    action();
    every(pause, action);
  });
}

void LeaseChurn::later(LeaseTunnel& tunnel, Duration within,
                       const std::function<void(LeaseTunnel&)>& action) {
  network_.after(network_.dice().span(within), [this, number = tunnel.options().number, action] {
    LeaseTunnel* const found = find(number);
    if (found != nullptr && !found->has_ended()) action(*found);
  });
}

LeaseTunnel* LeaseChurn::find(std::uint64_t number) const {
  const auto found = tunnels_.find(number);
  return found == tunnels_.end() ? nullptr : found->second;
}

void LeaseChurn::arrive() {
  const Duration life = 2s + network_.dice().span(10s);
  start_client(1 + network_.dice().below(most_tunnels), life / 2, life);
}

/// Of so many there are not enough addresses, until they and those who vanished are gone.
void LeaseChurn::rush() {
  constexpr Duration life = 3s;
  for (std::size_t i = 0; i < rush_clients; ++i) start_client(rush_tunnels, 300ms, life);
  crowded_until_ = network_.now() + life + idle_timeout + 4s;
}

void LeaseChurn::start_client(std::size_t tunnels, Duration within, Duration life) {
  const std::uint64_t number = ++last_client_;
  Client& client = *clients_.emplace(number, std::make_unique<Client>(*this, number)).first->second;
  ++figures_.connections;
  client.host = hosts_[network_.dice().below(hosts_.size())];
  client.path = *client.host->open_udp({gateway_->host().address(), SimGateway::port});
  quic::ClientOptions quic;
  quic.trust = client_trust();
  quic.host = gateway_->host().name();
  quic.origin = quic.host + ":443";
  quic.config.keep_alive = 3s;
  client.connection = std::move(*http::make_h3_client({network_.timers(), network_.random()}, *client.path,
                                                      quic, client, http::Limits{}));
  for (std::size_t i = 0; i < tunnels; ++i)
    network_.after(network_.dice().span(within), [this, number] {
      if (const auto at = clients_.find(number); at != clients_.end()) open_tunnel(*at->second);
    });
  const std::array fates{Fate::in_order, Fate::in_order, Fate::closes, Fate::vanishes};
  network_.after(life, [this, number, fate = fates[network_.dice().below(fates.size())]] {
    if (const auto at = clients_.find(number); at != clients_.end()) leave(*at->second, fate);
  });
}

LeaseTunnel::Options LeaseChurn::tunnel_options(const Client& client) {
  Dice& dice = network_.dice();
  LeaseTunnel::Options options{.number = ++last_tunnel_, .identity = client.host->address().to_string()};
  if (options_.identities > 0) {
    do {
      options.identity = dice.happens(0.6) && !recent_.empty()
                             ? recent_[dice.below(recent_.size())]
                             : fmt::format("client-{}", dice.below(options_.identities));
    } while (options.identity == revoked_);
    options.token = token_of(options.identity);
  }
  // Wherever only one IP version leads, addresses are of that one.
  const std::uint64_t which = dice.below(10);
  if (which < 2) options.scope.target = *net::IpPrefix::parse("203.0.113.0/24");
  if (which == 2) options.scope.target = far_.name();
  if (which == 3 || which == 4) options.scope.target = *net::IpPrefix::parse("2001:db8::/32");
  options.v4 = which != 3 && which != 4;
  options.v6 = which > 2;
  return options;
}

void LeaseChurn::open_tunnel(Client& client) {
  if (client.leaves) return;
  Dice& dice = network_.dice();
  LeaseTunnel::Watcher& watcher = *this;
  client.tunnels.push_back(
      std::make_unique<LeaseTunnel>(watcher, *client.connection, tunnel_options(client)));
  LeaseTunnel& tunnel = *client.tunnels.back();
  tunnels_.emplace(tunnel.options().number, &tunnel);
  ++figures_.asked;
  look_for_return(tunnel);
  if (dice.happens(0.15)) tunnel.request_addresses(wanted());
  if (dice.happens(0.1))
    tunnel.advertise({net::IpAddress::v4({10, 64, static_cast<std::uint8_t>(dice.below(16)), 0}), 24});
  if (dice.happens(0.5)) return;  // it ends with its client
  const bool resets = dice.happens(0.4);
  later(tunnel, dice.happens(0.1) ? 15ms : 6s, [this, resets](LeaseTunnel& which) {
    release(which);
    ++(resets ? figures_.reset : figures_.finished);
    resets ? which.reset() : which.finish();
  });
}

/// Any address, this one, somebody else's, the gateway's own, one of another network, or a prefix.
std::vector<net::IpPrefix> LeaseChurn::wanted() {
  Dice& dice = network_.dice();
  std::vector<net::IpPrefix> all;
  for (std::uint64_t i = 1 + dice.below(3); i > 0; --i) {
    const bool v4 = dice.happens(0.5);
    const unsigned width = v4 ? 32 : 128;
    const net::IpAddress any = v4 ? net::IpAddress() : net::IpAddress::v6({});
    switch (dice.below(6)) {
      case 0:
      case 1:
        all.emplace_back(any, width);
        break;
      case 2:
      case 3:
        all.emplace_back(some_address(v4), width);
        break;
      case 4:
        all.emplace_back(some_address(v4), width - 2);
        break;
      default:
        all.emplace_back(v4 ? far_.address() : *net::IpAddress::parse("fd07::1"), width);
    }
  }
  return all;
}

void LeaseChurn::on_assigned(LeaseTunnel& tunnel) {
  for (const net::IpAddress& address : tunnel.addresses()) {
    const auto [at, is_new] = holders_.emplace(address, &tunnel);
    EXPECT_EQ(at->second, &tunnel) << address.to_string() << " is tunnel " << at->second->options().number
                                   << "'s, and now " << tunnel.options().number << "'s";
    if (!is_new) continue;
    const bool v4 = address.is_v4();
    // Neither the network's, nor the gateway's, nor a broadcast address.
    EXPECT_GE(address, LeaseChurn::address(v4, 2));
    EXPECT_LE(address, LeaseChurn::address(v4, 1 + capacity(v4)));
  }
  look_at_return(tunnel);
  if (tunnel.assigned_at() != network_.now()) return;
  ++figures_.assigned;
  if (network_.dice().happens(0.4))
    later(tunnel, 2s, [this](LeaseTunnel& which) { which.request_addresses(wanted()); });
}

void LeaseChurn::release(const LeaseTunnel& tunnel) {
  for (const net::IpAddress& address : tunnel.addresses())
    if (const auto at = holders_.find(address); at != holders_.end() && at->second == &tunnel)
      holders_.erase(at);
  figures_.rejections += tunnel.rejections();
  recent_.push_back(tunnel.options().identity);
  if (recent_.size() > 64) recent_.pop_front();
}

void LeaseChurn::on_gone(LeaseTunnel& tunnel, const std::string& why) {
  if (!tunnel.addresses().empty()) {
    ADD_FAILURE() << "tunnel " << tunnel.options().number << " ended: " << why;
    return release(tunnel);
  }
  EXPECT_NE(why.find("addresses of the pool are leased"), std::string::npos) << why;
  EXPECT_LT(network_.now(), crowded_until_) << why;
  ++figures_.refused;
}

void LeaseChurn::leave(Client& client, Fate fate) {
  client.leaves = true;
  for (const auto& tunnel : client.tunnels) {
    if (tunnel->has_ended()) continue;
    release(*tunnel);
    ++(fate == Fate::in_order ? figures_.finished
       : fate == Fate::closes ? figures_.closed
                              : figures_.vanished);
    fate == Fate::in_order ? tunnel->finish() : tunnel->forget();
  }
  switch (fate) {
    case Fate::in_order:
      return client.connection->shutdown();
    case Fate::closes:
      return client.connection->close({ErrorKind::cancelled, "no longer needed"});
    case Fate::vanishes:
      silent_.insert(client.path->net_path().local);
      network_.after(soon, [this, number = client.number] { bury(number); });
  }
}

void LeaseChurn::bury(std::uint64_t client) {
  const auto at = clients_.find(client);
  if (at == clients_.end()) return;
  for (const auto& tunnel : at->second->tunnels) tunnels_.erase(tunnel->options().number);
  clients_.erase(at);
}

void LeaseChurn::disconnect_one() {
  LeaseTunnel* const tunnel = some_tunnel(network_.dice().happens(0.5));
  if (tunnel == nullptr) return;
  const net::IpAddress address = tunnel->addresses().back();
  release(*tunnel);
  tunnel->forget();
  ++figures_.disconnected;
  unsigned ended = 0;
  for (unsigned i = 0; i < options_.workers; ++i)
    if (gateway_->worker(i).end_ip_tunnel(address)) ++ended;
  EXPECT_EQ(ended, 1u) << address.to_string();
}

/// Of those who have one tunnel, as it is by chance which of several ends first: seeds are to repeat.
void LeaseChurn::revoke_one() {
  const LeaseTunnel* const found = some_tunnel(network_.dice().happens(0.5));
  if (found == nullptr || tunnels_like(*found) != 1) return;
  revoked_ = found->options().identity;
  for (const auto& [number, tunnel] : tunnels_) {
    if (tunnel->has_ended() || tunnel->options().identity != revoked_) continue;
    release(*tunnel);
    tunnel->forget();
    ++figures_.revoked;
  }
  use_tokens();
  network_.after(500ms, [this] {
    revoked_.clear();
    use_tokens();
  });
}

}  // namespace sallyport::sim
