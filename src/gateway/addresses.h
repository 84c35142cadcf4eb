// Addresses of listeners: parsing, and choosing free ports before any worker starts.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/event_loop.h"

#include <string_view>
#include <vector>

namespace sallyport::gateway {

/// "192.0.2.1:443", "[::]:443", ":443" (all addresses, IPv6 and IPv4), "localhost:443" (a name: all its
/// addresses). `forms`: how to write one, for the error.
Result<std::vector<net::SocketAddress>> parse_listen(
    std::string_view text, std::string_view forms = "HOST:PORT, [IPV6]:PORT or :PORT");

/// Whether `text` ends with a colon and a number, as what parse_listen() takes does.
bool has_port(std::string_view text);

/// The same addresses with a port chosen for each port 0, free for UDP and, with `tcp`, for TCP. The error
/// names the address and the remedy: in use, not permitted, or not of this machine.
Result<std::vector<net::SocketAddress>> claim_ports(net::EventLoop& loop,
                                                    const std::vector<net::SocketAddress>& wanted, bool tcp);

/// The error for a bind that failed with `errno_code`, naming `flag`.
Error explain_bind(std::string_view flag, const net::SocketAddress& address, std::string_view transport,
                   const Error& why);

}  // namespace sallyport::gateway
