#include "masque/address_pool.h"

#include "base/bytes.h"
#include "masque/ip_range.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

// That are looked at while nobody else can have the pool.
constexpr std::size_t entries_at_once = 256;

// Of a larger prefix the rest is leased only to those who ask for an address of it.
constexpr std::uint64_t max_counted = std::uint64_t{1} << 62;

constexpr std::array<std::string_view, 9> special_prefixes{"0.0.0.0/8",     "127.0.0.0/8", "169.254.0.0/16",
                                                           "224.0.0.0/4",   "240.0.0.0/4", "::/96",
                                                           "::ffff:0:0/96", "fe80::/10",   "ff00::/8"};

bool overlap(const net::IpPrefix& a, const net::IpPrefix& b) {
  return a.address().is_v4() == b.address().is_v4() && (a.contains(b.address()) || b.contains(a.address()));
}

unsigned width_of(const net::IpPrefix& prefix) {
  return static_cast<unsigned>(prefix.address().octets().size() * 8);
}

}  // namespace

AddressLease::AddressLease(AddressLease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)), address_(other.address_) {}

AddressLease& AddressLease::operator=(AddressLease&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(address_, other.address_);
  return *this;
}

AddressLease::~AddressLease() {
  if (pool_ != nullptr) pool_->give_back(address_);
}

net::IpAddress AddressPool::Range::at(std::uint64_t number) const {
  std::array<std::uint8_t, 16> octets{};
  copy_bytes(prefix.address().octets(), octets.data());
  const std::size_t size = prefix.address().octets().size();
  // The bits that the number has are 0 in the prefix.
  for (std::size_t i = size; i-- > 0 && number != 0; number >>= 8)
    octets[i] |= static_cast<std::uint8_t>(number);
  return *net::IpAddress::from_octets(Bytes(octets).first(size));
}

bool AddressPool::Range::passed(const net::IpAddress& address) const {
  // There may be no address behind the last one in the prefix.
  return next == count ? can_lease(address) : address < at(first + next);
}

Result<std::unique_ptr<AddressPool>> AddressPool::make(std::span<const net::IpPrefix> prefixes,
                                                       const AddressPoolOptions& options) {
  std::unique_ptr<AddressPool> pool(new AddressPool(options));
  for (const net::IpPrefix& prefix : prefixes)
    if (auto added = pool->add(prefix); !added) return std::unexpected(std::move(added.error()));
  return pool;
}

AddressPool::~AddressPool() = default;

std::unique_lock<std::mutex> AddressPool::lock() const {
  const std::scoped_lock turn(turn_);
  return std::unique_lock(mutex_);
}

Result<> AddressPool::add(const net::IpPrefix& prefix) {
  const bool v4 = prefix.address().is_v4();
  for (const std::string_view special : special_prefixes)
    if (overlap(prefix, *net::IpPrefix::parse(special)))
      return fail(ErrorKind::usage,
                  fmt::format("the address pool {} has addresses of {}, which no client can use",
                              prefix.to_string(), special));
  for (const Range& other : family(v4).ranges)
    if (overlap(prefix, other.prefix))
      return fail(ErrorKind::usage, fmt::format("the address pools {} and {} overlap",
                                                other.prefix.to_string(), prefix.to_string()));
  const unsigned host_bits = width_of(prefix) - prefix.length();
  if (host_bits == 0)
    return fail(ErrorKind::usage,
                fmt::format("the address pool {} is one address, which would be the gateway's own: "
                            "give a prefix of at most /{}",
                            prefix.to_string(), width_of(prefix) - 1));
  Range range{.prefix = prefix, .own = prefix.address()};
  const std::uint64_t all = host_bits >= 62 ? max_counted : std::uint64_t{1} << host_bits;
  if (host_bits == 1) {  // both ends of a link (RFC 3021, RFC 6164)
    range.first = 1;
    range.count = 1;
  } else {
    // IPv6 has no broadcast address, but its first is every router's (RFC 4291 §2.6.1).
    range.nobodys_first = prefix.address();
    if (v4) range.nobodys_last = last_address(prefix);
    range.own = range.at(1);
    range.first = 2;
    range.count = all - 2 - (v4 ? 1 : 0);
  }
  Family& of = family(v4);
  of.capacity += std::min(range.count, max_counted - of.capacity);
  of.ranges.push_back(range);
  return {};
}

std::size_t AddressPool::limit(const Family& family) const {
  return std::min<std::uint64_t>(options_.leases_per_client, std::max<std::uint64_t>(1, family.capacity / 2));
}

Result<> AddressPool::check(const Family& family, const ClientKey& client) const {
  const auto known = family.clients.find(client);
  if (known == family.clients.end() || known->second.leases < limit(family)) return {};
  return fail(ErrorKind::resource,
              fmt::format("the client has {} leased addresses, and may have no more", known->second.leases));
}

const AddressPool::Range* AddressPool::range_with(const Family& family, const net::IpAddress& address) {
  const auto found =
      std::ranges::find_if(family.ranges, [&](const Range& range) { return range.prefix.contains(address); });
  return found == family.ranges.end() ? nullptr : &*found;
}

Result<AddressLease> AddressPool::lease(const ClientKey& client, bool v4) {
  const auto locked = lock();
  Family& of = family(v4);
  if (auto may = check(of, client); !may) return std::unexpected(std::move(may.error()));
  if (const auto known = of.clients.find(client);
      known != of.clients.end() && !known->second.remembered.empty())
    return take(of, client, known->second.remembered.back());
  // Those that were leased before the new ones, so that `free` does not grow.
  if (!of.free.empty()) return take(of, client, *of.free.begin());
  for (Range& range : of.ranges)
    while (range.next < range.count) {
      const net::IpAddress address = range.at(range.first + range.next++);
      if (!of.entries.contains(address)) return take(of, client, address);  // else somebody had asked for it
    }
  if (!of.remembered.empty()) return take(of, client, of.remembered.front());
  return fail(ErrorKind::resource,
              of.ranges.empty() ? fmt::format("the address pool has no IPv{} addresses", v4 ? 4 : 6)
                                : fmt::format("all IPv{} addresses of the pool are leased", v4 ? 4 : 6));
}

Result<AddressLease> AddressPool::lease(const ClientKey& client, const net::IpAddress& address) {
  const auto locked = lock();
  Family& of = family(address.is_v4());
  const Range* const range = range_with(of, address);
  if (range == nullptr || !range->can_lease(address))
    return fail(ErrorKind::denied, fmt::format("{} is none of the pool's addresses", address.to_string()));
  if (auto may = check(of, client); !may) return std::unexpected(std::move(may.error()));
  if (const auto entry = of.entries.find(address); entry != of.entries.end()) {
    if (entry->second.leased)
      return fail(ErrorKind::resource, fmt::format("{} is leased", address.to_string()));
    // Or clients could take away each other's addresses.
    if (entry->second.client->first != client)
      return fail(ErrorKind::resource, fmt::format("{} is kept for another client", address.to_string()));
  }
  return take(of, client, address);
}

// By value: the address may be that of a list which is changed here.
AddressLease AddressPool::take(Family& family, const ClientKey& client, net::IpAddress address) {
  if (const auto entry = family.entries.find(address); entry != family.entries.end()) forget(family, entry);
  family.free.erase(address);
  const auto leasing = family.clients.try_emplace(client).first;
  ++leasing->second.leases;
  ++family.leased;
  family.entries.emplace(address, Entry{.client = leasing});
  // Or whoever names one address after the other would have everybody's forgotten.
  const Client& has = leasing->second;
  if (has.leases + has.remembered.size() > limit(family)) release(family, has.remembered.front());
  return {*this, address};
}

void AddressPool::forget(Family& family, Entries::iterator entry) {
  const Clients::iterator client = entry->second.client;
  client->second.remembered.erase(entry->second.by_client);
  family.remembered.erase(entry->second.by_age);
  family.entries.erase(entry);
  if (client->second.leases == 0 && client->second.remembered.empty()) family.clients.erase(client);
}

// By value, as above.
void AddressPool::release(Family& family, net::IpAddress address) {
  forget(family, family.entries.find(address));
  if (range_with(family, address)->passed(address)) family.free.insert(address);
}

void AddressPool::give_back(const net::IpAddress& address) {
  const auto locked = lock();
  Family& of = family(address.is_v4());
  Entry& entry = of.entries.find(address)->second;
  Client& client = entry.client->second;
  entry.leased = false;
  entry.given_back = ++of.given_back;
  --client.leases;
  --of.leased;
  entry.by_age = of.remembered.insert(of.remembered.end(), address);
  entry.by_client = client.remembered.insert(client.remembered.end(), address);
  if (of.remembered.size() > options_.remembered) release(of, of.remembered.front());
}

std::vector<std::pair<net::IpAddress, unsigned>> AddressPool::own_addresses() const {
  std::vector<std::pair<net::IpAddress, unsigned>> own;
  for (const Family* of : {&v4_, &v6_})
    for (const Range& range : of->ranges) own.emplace_back(range.own, range.prefix.length());
  return own;
}

AddressPool::Figures AddressPool::figures(bool v4) const {
  const auto locked = lock();
  const Family& of = v4 ? v4_ : v6_;
  return {.leased = of.leased, .remembered = of.remembered.size(), .capacity = of.capacity};
}

bool AddressPool::copy_some(bool v4, std::optional<net::IpAddress>& last, std::vector<Remembered>& to) const {
  const auto locked = lock();
  const Entries& entries = (v4 ? v4_ : v6_).entries;
  auto at = last ? entries.upper_bound(*last) : entries.begin();
  for (std::size_t left = entries_at_once; left > 0 && at != entries.end(); --left, ++at) {
    last = at->first;
    if (!at->second.leased) to.push_back({at->second.given_back, at->first, at->second.client->first});
  }
  return at != entries.end();
}

std::vector<std::pair<net::IpAddress, ClientKey>> AddressPool::remembered() const {
  std::vector<std::pair<net::IpAddress, ClientKey>> all;
  for (const bool v4 : {true, false}) {
    std::vector<Remembered> found;
    // By address, as an order in which each is met once, whatever is given back meanwhile.
    for (std::optional<net::IpAddress> last; copy_some(v4, last, found);) {
    }
    std::ranges::sort(found, {}, &Remembered::given_back);
    for (Remembered& each : found) all.emplace_back(each.address, std::move(each.client));
  }
  return all;
}

}  // namespace sallyport::masque
