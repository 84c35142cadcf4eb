// ClientKey: whom limits count as one client: an identity where there is one, wherever it comes from; else an
// IPv4 address or an IPv6 /64, which is what one host may take addresses from at will.
#pragma once

#include "net/address.h"

#include <compare>
#include <string>

namespace sallyport::masque {

/// The IPv4 address, or the IPv6 /64, that `address` stands for.
inline net::IpAddress client_block(const net::IpAddress& address) {
  const net::IpAddress plain = address.unmapped();
  return plain.is_v4() ? plain : net::IpPrefix(plain, 64).address();
}

struct ClientKey {
  std::string identity;
  net::IpAddress block;  ///< the default one where there is an identity

  friend auto operator<=>(const ClientKey&, const ClientKey&) = default;
};

}  // namespace sallyport::masque
