// OwnAddresses: whether an address is this machine's own, by the kernel's current routes. For a proxy, which
// must not give its clients access to services of its own host.
#pragma once

#include "base/unique_fd.h"
#include "net/address.h"

#include <cstdint>

namespace sallyport::net {

class OwnAddresses {
 public:
  OwnAddresses();
  /// Costs two system calls. Follows changes of the addresses.
  bool contains(const IpAddress& address);

 private:
  UniqueFd routes_;  // an rtnetlink socket; none where the system has no such thing
  std::uint32_t sequence_ = 0;
};

}  // namespace sallyport::net
