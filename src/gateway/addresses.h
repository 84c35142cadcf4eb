// Addresses of listeners: from what a user writes to what is bound, and found to be free before any worker
// starts.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/event_loop.h"

#include <optional>
#include <string_view>
#include <vector>

namespace sallyport::gateway {

/// "192.0.2.1:443", "[::]:443", ":443" (all addresses, IPv6 and IPv4), "localhost:443" (a name: all its
/// addresses).
Result<std::vector<net::SocketAddress>> parse_listen(std::string_view text);

/// An error where one command line names an address and port twice, also by a wildcard that contains it.
/// `admin`: where it is TCP and `listen` is too; otherwise nothing.
Result<> check_named_once(const std::vector<net::SocketAddress>& listen,
                          const std::optional<net::SocketAddress>& admin);

/// The same addresses with ports for those that had none, each free for UDP and, with `tcp`, for TCP. The
/// error names the address and the mend: somebody else's, not ours to use, not this machine's.
Result<std::vector<net::SocketAddress>> claim_ports(net::EventLoop& loop,
                                                    const std::vector<net::SocketAddress>& wanted, bool tcp);

/// A bind that failed with `errno_code`, as a sentence for whoever typed `flag`.
Error explain_bind(std::string_view flag, const net::SocketAddress& address, std::string_view transport,
                   const Error& why);

}  // namespace sallyport::gateway
