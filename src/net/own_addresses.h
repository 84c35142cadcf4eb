// OwnAddresses: whether an address is this machine's, as its kernel routes at this moment: what is sent there
// never leaves the machine. For a proxy, which must not let strangers reach its own host from the inside.
#pragma once

#include "base/unique_fd.h"
#include "net/address.h"

#include <cstdint>

namespace sallyport::net {

class OwnAddresses {
 public:
  OwnAddresses();
  /// Costs two system calls. Follows addresses that come and go.
  bool contains(const IpAddress& address);

 private:
  UniqueFd routes_;  // an rtnetlink socket; none where the system has no such thing
  std::uint32_t sequence_ = 0;
};

}  // namespace sallyport::net
