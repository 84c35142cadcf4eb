// What LeaseChurn compares: where packets come out, and what the pool, the workers and the page of leases
// say.
#include "admin/metric_set.h"
#include "gateway/lease_page.h"
#include "lease_churn.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"
#include "net/udp_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <ranges>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

/// After it, a packet that has not arrived was lost.
constexpr Duration on_the_way = 1s;
/// Workers have told each other of a lease.
constexpr Duration told = 20ms;

std::vector<std::uint8_t> packet_with(const net::IpAddress& source, const net::IpAddress& destination,
                                      std::uint64_t number) {
  const net::UdpHeader header{
      .source = source, .destination = destination, .source_port = 443, .destination_port = 443};
  const std::size_t size = net::udp_headers_size(source.is_v6());
  std::array<std::uint8_t, sizeof number> payload{};
  std::memcpy(payload.data(), &number, sizeof number);
  std::vector<std::uint8_t> packet(size + payload.size());
  net::write_udp_headers(packet, header, payload);
  copy_bytes(payload, packet.data() + size);
  return packet;
}

struct Read {
  net::IpPacket header;
  std::uint64_t number = 0;
};

/// Nothing: it is no packet of ours, so an ICMP error.
std::optional<Read> read(Bytes packet) {
  const auto header = net::parse_ip(packet);
  if (!header || header->protocol != net::protocol::udp) return std::nullopt;
  Read all{.header = *header};
  const auto payload = net::udp_payload(packet, *header);
  EXPECT_TRUE(payload && payload->size() == sizeof all.number);
  if (payload) std::memcpy(&all.number, payload->data(), sizeof all.number);
  return all;
}

net::IpAddress far_address(bool v4) {
  return *net::IpAddress::parse(v4 ? "203.0.113.1" : "2001:db8::1");
}

}  // namespace

net::IpAddress LeaseChurn::some_address(bool v4) {
  return address(v4, 2 + network_.dice().below(capacity(v4)));
}

LeaseTunnel* LeaseChurn::some_tunnel(bool v4) {
  auto at = holders_.lower_bound(some_address(v4));
  if (at == holders_.end() || at->first.is_v4() != v4) at = holders_.lower_bound(address(v4, 0));
  return at == holders_.end() || at->first.is_v4() != v4 ? nullptr : at->second;
}

/// From behind the device, by any worker's queue, to an address of the pool or into a network that may be
/// somebody's.
void LeaseChurn::send_down() {
  Dice& dice = network_.dice();
  const bool v4 = dice.happens(0.5);
  net::IpAddress to = some_address(v4);
  if (v4 && dice.happens(0.2))
    to = net::IpAddress::v4({10, 64, static_cast<std::uint8_t>(dice.below(16)), 9});
  Sent sent{.at = network_.now(), .to = to};
  sent.expected = sure_to_come_to(to);
  const std::uint64_t number = ++last_packet_;
  down_.emplace(number, sent);
  std::vector<std::uint8_t> packet = packet_with(far_address(v4), to, number);
  devices_[dice.below(devices_.size())]->put_in(packet, sent.at);
}

/// To the far host, or to another client.
void LeaseChurn::send_up() {
  Dice& dice = network_.dice();
  const bool v4 = dice.happens(0.5);
  LeaseTunnel* const from = some_tunnel(v4);
  if (from == nullptr) return;
  const auto source = std::ranges::find(from->addresses(), v4, &net::IpAddress::is_v4);
  const std::uint64_t number = ++last_packet_;
  Sent sent{.at = network_.now(), .to = far_address(v4), .sender = from->options().number};
  if (!from->options().scope.is_any_target() || dice.happens(0.5)) {
    up_.emplace(number, sent);
  } else {
    sent.to = some_address(v4);
    sent.expected = sure_to_come_to(sent.to);
    // Its request was for other hosts than clients.
    if (sent.expected != 0 && !find(sent.expected)->options().scope.is_any_target()) sent.expected = 0;
    down_.emplace(number, sent);
  }
  from->send(packet_with(*source, sent.to, number));
}

std::uint64_t LeaseChurn::sure_to_come_to(const net::IpAddress& address) const {
  const auto at = holders_.find(address);
  if (at == holders_.end() || at->second->assigned_at() + told > network_.now()) return 0;
  return at->second->options().number;
}

void LeaseChurn::on_packet(LeaseTunnel& tunnel, Bytes packet, bool destined) {
  EXPECT_TRUE(destined) << "tunnel " << tunnel.options().number << " got a packet that is not for it";
  const auto got = read(packet);
  if (!got) return;
  const auto at = down_.find(got->number);
  ASSERT_NE(at, down_.end()) << "it came twice, or late";
  const Sent sent = at->second;
  down_.erase(at);
  EXPECT_EQ(got->header.destination, sent.to);
  const std::uint64_t number = tunnel.options().number;
  if (sent.expected != 0 && sent.expected != number) {
    const LeaseTunnel* const other = find(sent.expected);
    EXPECT_TRUE(other == nullptr || other->has_ended())
        << "a packet for tunnel " << sent.expected << " came to tunnel " << number;
  }
  if (sent.sender != 0)
    ++figures_.between;
  else if (pool_prefix(true).contains(sent.to) || pool_prefix(false).contains(sent.to))
    ++figures_.down;
  else
    check_network(number, sent.to);
}

/// The first who announces a network has it for as long as it is there.
void LeaseChurn::check_network(std::uint64_t tunnel, const net::IpAddress& address) {
  ++figures_.into_networks;
  std::uint64_t& last = networks_[{address, 24}];
  const LeaseTunnel* const before = find(last);
  EXPECT_TRUE(last == tunnel || before == nullptr || before->has_ended())
      << "packets for " << address.to_string() << " went to tunnel " << last << ", now to " << tunnel;
  last = tunnel;
}

void LeaseChurn::on_up(Bytes packet) {
  const auto got = read(packet);
  if (!got || got->header.destination != far_address(got->header.source.is_v4())) return;
  const auto at = up_.find(got->number);
  ASSERT_NE(at, up_.end()) << "it came twice, or late";
  const LeaseTunnel* const sender = find(at->second.sender);
  EXPECT_TRUE(sender == nullptr || sender->has(got->header.source));
  up_.erase(at);
  ++figures_.up;
}

void LeaseChurn::check() {
  check_arrivals(down_);
  check_arrivals(up_);
  for (const auto& [number, tunnel] : tunnels_)
    EXPECT_FALSE(!tunnel->has_ended() && tunnel->waits_since(network_.now() - on_the_way))
        << "tunnel " << number << " has no answer to its requests";
  check_gateway();
}

void LeaseChurn::check_arrivals(std::map<std::uint64_t, Sent>& under_way) {
  const auto is_open = [this](std::uint64_t number) {
    const LeaseTunnel* const tunnel = find(number);
    return tunnel != nullptr && !tunnel->has_ended();
  };
  while (!under_way.empty() && under_way.begin()->second.at + on_the_way < network_.now()) {
    const Sent& sent = under_way.begin()->second;
    const std::uint64_t expected = &under_way == &up_ ? sent.sender : sent.expected;
    if (expected == 0) ++figures_.for_nobody;
    EXPECT_FALSE(options_.loss == 0 && is_open(expected) && (sent.sender == 0 || is_open(sent.sender)))
        << "a packet of tunnel " << sent.sender << " for " << sent.to.to_string() << " was lost";
    under_way.erase(under_way.begin());
  }
}

void LeaseChurn::check_gateway() {
  gateway::Leases leases;
  std::map<net::IpAddress, const masque::IpTunnelFigures*> open;
  for (unsigned i = 0; i < options_.workers; ++i) leases.open.push_back(gateway_->worker(i).ip_tunnels());
  leases.remembered = pool().remembered();
  std::size_t tunnels = 0;
  for (const auto& of_worker : leases.open)
    for (const masque::IpTunnelFigures& each : of_worker) {
      ++tunnels;
      for (const net::IpAddress& address : each.addresses)
        EXPECT_TRUE(open.emplace(address, &each).second) << "two tunnels have " << address.to_string();
    }
  figures_.most_open = std::max(figures_.most_open, tunnels);
  EXPECT_LE(tunnels, gateway_->proxy().open[masque::Protocol::ip]);
  EXPECT_EQ(gateway_->setup().proxies->tunnels, gateway_->proxy().open[masque::Protocol::ip]);
  for (const bool v4 : {true, false}) {
    const auto figures = pool().figures(v4);
    const auto is_version = [v4](const auto& entry) { return entry.first.is_v4() == v4; };
    EXPECT_EQ(figures.capacity, capacity(v4));
    EXPECT_EQ(figures.leased, static_cast<std::size_t>(std::ranges::count_if(open, is_version)));
    EXPECT_EQ(figures.remembered,
              static_cast<std::size_t>(std::ranges::count_if(leases.remembered, is_version)));
    EXPECT_LE(figures.leased + figures.remembered, figures.capacity);
  }
  for (const auto& [address, tunnel] : holders_) {
    const auto at = open.find(address);
    ASSERT_NE(at, open.end()) << address.to_string() << " is tunnel " << tunnel->options().number << "'s";
    EXPECT_GE(at->second->addresses.size(), tunnel->addresses().size()) << address.to_string();
    if (options_.identities > 0) {
      EXPECT_EQ(at->second->identity, tunnel->options().identity);
    }
  }
  check_page(leases);
}

/// Each address is there once, and those that are open have what is open.
void LeaseChurn::check_page(const gateway::Leases& leases) {
  std::map<std::string, std::set<std::string>, std::less<>> shown, wanted;
  for (const auto& of_worker : leases.open)
    for (const masque::IpTunnelFigures& each : of_worker)
      for (const net::IpAddress& address : each.addresses) wanted["open"].insert(address.to_string());
  for (const auto& [address, client] : leases.remembered) wanted["kept"].insert(address.to_string());
  std::set<std::string> all;
  const std::string page = gateway::leases_as_text(leases, WallTime{});
  for (const auto line : std::views::split(std::string_view(page).substr(page.find('\n') + 1), '\n')) {
    const std::string_view text(line.begin(), line.end());
    if (text.empty()) continue;
    const std::size_t first = text.find('\t'), second = text.find('\t', first + 1);
    ASSERT_NE(second, std::string_view::npos);
    for (const auto part : std::views::split(text.substr(first + 1, second - first - 1), ',')) {
      const std::string address(part.begin(), part.end());
      EXPECT_TRUE(all.insert(address).second) << address << " is there twice";
      shown[std::string(text.substr(0, first))].insert(address);
    }
  }
  EXPECT_EQ(shown, wanted);
}

std::set<net::IpAddress> LeaseChurn::kept_for(const LeaseTunnel& tunnel) const {
  const masque::ClientKey key = options_.identities > 0
                                    ? masque::ClientKey({.name = tunnel.options().identity}, {})
                                    : masque::ClientKey(*net::IpAddress::parse(tunnel.options().identity));
  std::set<net::IpAddress> kept;
  for (const auto& [address, client] : pool().remembered())
    if (client == key) kept.insert(address);
  return kept;
}

std::size_t LeaseChurn::tunnels_like(const LeaseTunnel& tunnel) const {
  std::size_t count = 0;
  for (unsigned i = 0; i < options_.workers; ++i)
    for (const masque::IpTunnelFigures& each : gateway_->worker(i).ip_tunnels())
      if (tunnel.options().identity ==
          (options_.identities > 0 ? each.identity : each.client.ip().unmapped().to_string()))
        ++count;
  return count;
}

void LeaseChurn::look_for_return(const LeaseTunnel& tunnel) {
  Time& last = last_asked_[tunnel.options().identity];
  // Others of the same client are all known by then.
  if (network_.dice().happens(0.2) && last + on_the_way < network_.now() && tunnels_like(tunnel) == 0)
    returning_.emplace(tunnel.options().number, Returning{network_.now(), kept_for(tunnel)});
  last = network_.now();
}

/// Whoever has an address kept gets that. Where a client has other tunnels, these may have had it meanwhile.
void LeaseChurn::look_at_return(const LeaseTunnel& tunnel) {
  const auto at = returning_.find(tunnel.options().number);
  if (at == returning_.end()) return;
  const auto [asked, kept] = std::move(at->second);
  returning_.erase(at);
  if (last_asked_.at(tunnel.options().identity) != asked || tunnels_like(tunnel) > 1) return;
  const std::set<net::IpAddress> left = kept_for(tunnel);
  for (const bool v4 : {true, false}) {
    if (!(v4 ? tunnel.options().v4 : tunnel.options().v6)) continue;
    const auto is_back = [&](const net::IpAddress& address) {
      return address.is_v4() == v4 && kept.contains(address);
    };
    const auto is_left = [&](const net::IpAddress& address) {
      return address.is_v4() == v4 && left.contains(address);
    };
    const bool came_back = std::ranges::any_of(tunnel.addresses(), is_back);
    if (came_back) ++figures_.came_back;
    EXPECT_TRUE(came_back || std::ranges::none_of(kept, is_left))
        << tunnel.options().identity << " has another address than before";
  }
}

double LeaseChurn::count_of(unsigned worker, const std::string& metric) const {
  admin::MetricSet figures;
  gateway_->worker(worker).collect(figures);
  const std::string text = figures.to_text();
  const std::size_t at = text.find("\nsallyport_" + metric + " ");
  return at == std::string::npos ? -1 : std::stod(text.substr(text.find(' ', at)));
}

void LeaseChurn::expect_nothing_left() {
  EXPECT_TRUE(network_.run_until([this] { return gateway_->is_idle(); }, 60s));
  network_.run_for(told);
  check();
  EXPECT_EQ(leased(true) + leased(false), 0u);
  EXPECT_EQ(gateway_->setup().proxies->tunnels, 0u);
  for (const auto& [address, client] : pool().remembered()) {
    const auto account = gateway_->setup().proxies->account_of(client);
    EXPECT_EQ(account->tunnels, 0u);
    EXPECT_EQ(account->held.taken(), 0u);
  }
  // No worker leads a packet anywhere.
  const std::string dropped = "masque_ip_dropped_total{reason=\"no_tunnel\"}";
  for (unsigned i = 0; i < options_.workers; ++i) {
    const double before = count_of(i, dropped);
    for (const bool v4 : {true, false})
      for (std::size_t number = 2; number < 2 + capacity(v4); ++number) {
        std::vector<std::uint8_t> packet = packet_with(far_address(v4), address(v4, number), 0);
        devices_[i]->put_in(packet, network_.now());
      }
    EXPECT_EQ(count_of(i, dropped) - before, static_cast<double>(capacity(true) + capacity(false)));
  }
  EXPECT_TRUE(gateway_->setup().ip->network()->claims->claim(client_networks()))
      << "of a tunnel that is gone";
  for (const bool v4 : {true, false}) {
    std::vector<masque::AddressLease> all;
    for (std::size_t i = 0; i < capacity(v4); ++i) {
      auto lease = pool().lease(masque::ClientKey({.name = fmt::format("after {}", i)}, {}), v4);
      ASSERT_TRUE(lease) << i << ": " << lease.error().message;
      all.push_back(*std::move(lease));
    }
    EXPECT_FALSE(pool().lease(masque::ClientKey({.name = "one more"}, {}), v4));
  }
}

}  // namespace sallyport::sim
