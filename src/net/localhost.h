// The names of this machine that need no name service (RFC 6761 §6.3). For resolving, and for listening.
#pragma once

#include "net/address.h"

#include <string_view>
#include <vector>

namespace sallyport::net {

/// The loopback addresses for "localhost" and names below it; none for other names. For systems whose hosts
/// file lacks them.
std::vector<IpAddress> localhost_addresses(std::string_view name);

}  // namespace sallyport::net
