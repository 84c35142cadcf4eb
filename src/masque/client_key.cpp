#include "masque/client_key.h"

#include <functional>

namespace sallyport::masque {

net::IpAddress client_block(const net::IpAddress& address) {
  const net::IpAddress plain = address.unmapped();
  return plain.is_v4() ? plain : net::IpPrefix(plain, 64).address();
}

ClientKey::ClientKey(const Identity& identity, const net::IpAddress& address) {
  if (identity.is_known())
    who_ = identity.name;
  else
    who_ = client_block(address);
}

std::size_t ClientKey::hash() const {
  if (const std::string* name = identity()) return std::hash<std::string>{}(*name);
  std::size_t sum = 0;
  for (const std::uint8_t octet : address()->octets()) sum = sum * 31 + octet;
  return sum;
}

}  // namespace sallyport::masque
