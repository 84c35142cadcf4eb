// ClientKey: whom limits and counters take for one client: an identity where there is one, wherever it comes
// from; else an IPv4 address or an IPv6 /64, which is what one host may take addresses from at will.
#pragma once

#include "masque/identity.h"
#include "net/address.h"

#include <compare>
#include <cstddef>
#include <string>
#include <variant>

namespace sallyport::masque {

/// The IPv4 address, or the IPv6 /64, that `address` stands for: what a ClientKey without an identity has,
/// and on whose behalf a net::Resolver is asked, which knows nothing of identities.
net::IpAddress client_block(const net::IpAddress& address);

class ClientKey {
 public:
  /// Of a client that showed itself to be `identity`, at `address`, which counts where it is nobody in
  /// particular.
  ClientKey(const Identity& identity, const net::IpAddress& address);
  /// Of a client of whom nothing else is known.
  explicit ClientKey(const net::IpAddress& address) : who_(client_block(address)) {}

  /// The identity's name; null: it is an address.
  const std::string* identity() const { return std::get_if<std::string>(&who_); }
  /// A client_block(); null: it is an identity.
  const net::IpAddress* address() const { return std::get_if<net::IpAddress>(&who_); }

  /// Not keyed, as that of a net::SocketAddress.
  std::size_t hash() const;
  friend auto operator<=>(const ClientKey&, const ClientKey&) = default;

 private:
  std::variant<std::string, net::IpAddress> who_;
};

}  // namespace sallyport::masque
