// PinnedAddresses: addresses that a user gave for names (`--resolve`), in place of what the name service
// says; and which family of addresses may be used at all (`-4`, `-6`). Part of a Context.
#pragma once

#include "base/result.h"
#include "net/address.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::dial {

enum class AddressFamily : std::uint8_t { any, ipv4, ipv6 };

class PinnedAddresses {
 public:
  /// Takes "HOST:PORT:ADDRESS[,ADDRESS]...", as curl does; HOST may be "*", which stands for every other.
  /// Later ones replace earlier ones. Error kind usage.
  Result<> add(std::string_view text);
  /// In the user's order; empty where none were given.
  std::vector<net::IpAddress> find(const std::string& host, std::uint16_t port) const;

 private:
  std::map<std::pair<std::string, std::uint16_t>, std::vector<net::IpAddress>> addresses_;
};

/// Those of `addresses` that are of `family`.
std::vector<net::IpAddress> of_family(std::vector<net::IpAddress> addresses, AddressFamily family);

}  // namespace sallyport::dial
