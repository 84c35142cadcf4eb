// AddressPool: the addresses that a gateway assigns to its CONNECT-IP clients (RFC 9484 §4.7.1): one IPv4 and
// one IPv6 address a tunnel, out of the prefixes of --ip-pool. A client that comes back gets the address that
// it had for as long as no other needs it.
//
// One a process, shared by all workers: each call locks it. It is asked when a tunnel opens, ends or requests
// addresses, never for a packet. Leasing and giving back take time logarithmic in the number of clients.
#pragma once

#include "base/result.h"
#include "masque/client_key.h"
#include "net/address.h"

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

namespace sallyport::masque {

class AddressPool;

/// An address that is leased for as long as this lives. It must not outlive the pool.
class AddressLease {
 public:
  AddressLease(AddressLease&& other) noexcept;
  AddressLease& operator=(AddressLease&& other) noexcept;
  ~AddressLease();

  const net::IpAddress& address() const { return address_; }

 private:
  friend class AddressPool;
  AddressLease(AddressPool& pool, const net::IpAddress& address) : pool_(&pool), address_(address) {}

  AddressPool* pool_;
  net::IpAddress address_;
};

struct AddressPoolOptions {
  /// Addresses that one client may have of one IP version, leased and remembered ones together: enough for
  /// all tunnels of `sallyport tun --devices`. Never more than half of the pool (docs/threat-model.md,
  /// "tunnel flood").
  std::size_t leases_per_client = 1024;
  /// Leases of one IP version that are over and remembered for their clients; the oldest is forgotten first.
  std::size_t remembered = 32'768;
};

class AddressPool {
 public:
  /// Any number of prefixes of either IP version. In each, the first address is the gateway's own; that of
  /// the network itself and an IPv4 network's broadcast address are nobody's, save in a /31 or /127. Error
  /// kind usage: a prefix has no room, overlaps another, or holds addresses that are no ordinary unicast
  /// ones.
  static Result<std::unique_ptr<AddressPool>> make(std::span<const net::IpPrefix> prefixes,
                                                   const AddressPoolOptions& options = {});
  ~AddressPool();

  /// An address for `client`: one that it had before, if there is such; else one that nobody is remembered
  /// for; else the one that was given back the longest ago. A client that would have more than it may loses
  /// the oldest of those that are remembered for it. Error kind resource: all are leased, or the client
  /// leases as many as it may have, or there is no prefix of the IP version.
  Result<AddressLease> lease(const ClientKey& client, bool v4);
  /// This very address. Errors: resource, as above, or it is leased or remembered for another; denied, it is
  /// not in a prefix, or one of those that are never leased.
  Result<AddressLease> lease(const ClientKey& client, const net::IpAddress& address);

  bool has(bool v4) const { return !(v4 ? v4_ : v6_).ranges.empty(); }
  /// The gateway's own addresses, each with the length of its prefix as `second`.
  std::vector<std::pair<net::IpAddress, unsigned>> own_addresses() const;

  struct Figures {
    std::size_t leased = 0, remembered = 0;
    std::uint64_t capacity = 0;  ///< addresses that can be leased; of large IPv6 prefixes not all are counted
  };
  Figures figures(bool v4) const;
  /// Leases that are over, and whom their addresses are remembered for: of each IP version those first that
  /// were given back first. For the admin port: there may be tens of thousands, so that it lets others in
  /// between, and what is leased or given back meanwhile may be there or not.
  std::vector<std::pair<net::IpAddress, ClientKey>> remembered() const;

 private:
  friend class AddressLease;

  struct Range {
    net::IpPrefix prefix;
    net::IpAddress own;
    /// Of the addresses that can be leased, as numbers behind the prefix's first: the first, how many there
    /// are, and which of them are next; those before it were leased, or are still.
    std::uint64_t first = 0, count = 0, next = 0;

    net::IpAddress at(std::uint64_t number) const;
    std::optional<net::IpAddress> nobodys_first, nobodys_last;  ///< the network's and its broadcast address
    bool can_lease(const net::IpAddress& address) const {
      return address != own && address != nobodys_first && address != nobodys_last;
    }
    /// Whether `next` has passed the address.
    bool passed(const net::IpAddress& address) const;
  };

  struct Client {
    std::size_t leases = 0;
    std::list<net::IpAddress> remembered;  // the youngest at the back
  };
  using Clients = std::map<ClientKey, Client>;
  /// An address that is leased or remembered.
  struct Entry {
    Clients::iterator client;
    bool leased = true;
    std::uint64_t given_back = 0;                               // of the family's, where it is remembered
    std::list<net::IpAddress>::iterator by_age{}, by_client{};  // likewise
  };
  using Entries = std::map<net::IpAddress, Entry>;
  /// Of one IP version.
  struct Family {
    std::vector<Range> ranges;
    std::uint64_t capacity = 0;  // see Figures
    Entries entries;
    std::list<net::IpAddress> remembered;  // the oldest in front
    std::set<net::IpAddress> free;         // that were leased, and are forgotten
    Clients clients;                       // of the entries
    std::size_t leased = 0;
    std::uint64_t given_back = 0;  // how often something was
  };
  struct Remembered {
    std::uint64_t given_back;
    net::IpAddress address;
    ClientKey client;
  };

  explicit AddressPool(const AddressPoolOptions& options) : options_(options) {}
  /// `mutex_`, in turn: whoever waits has it before one that has just had it.
  std::unique_lock<std::mutex> lock() const;
  Family& family(bool v4) { return v4 ? v4_ : v6_; }
  Result<> add(const net::IpPrefix& prefix);
  /// How many addresses a client may have.
  std::size_t limit(const Family& family) const;
  /// Whether the client may have one lease more.
  Result<> check(const Family& family, const ClientKey& client) const;
  static const Range* range_with(const Family& family, const net::IpAddress& address);
  AddressLease take(Family& family, const ClientKey& client, net::IpAddress address);
  /// Of an entry that is remembered: nobody has it any more.
  static void forget(Family& family, Entries::iterator entry);
  /// Of an address that is remembered: it is anybody's again.
  static void release(Family& family, net::IpAddress address);
  void give_back(const net::IpAddress& address);
  /// Adds what is remembered among some entries, those behind `last`, which becomes the last of them. False:
  /// there are no more.
  bool copy_some(bool v4, std::optional<net::IpAddress>& last, std::vector<Remembered>& to) const;

  const AddressPoolOptions options_;
  mutable std::mutex turn_;  // of the next one that has the mutex
  mutable std::mutex mutex_;
  Family v4_, v6_;
};

}  // namespace sallyport::masque
