// Addresses to listen on, as flags name them: parsing them, and explaining why one could not be bound.
#pragma once

#include "base/result.h"
#include "net/address.h"

#include <string_view>
#include <vector>

namespace sallyport::net {

/// "192.0.2.1:443", "[::]:443", ":443" (all addresses, IPv6 and IPv4), "localhost:443" (a name: all its
/// addresses). `forms`: how to write one, for the error.
Result<std::vector<SocketAddress>> parse_listen(std::string_view text,
                                                std::string_view forms = "HOST:PORT, [IPV6]:PORT or :PORT");

/// Whether `text` ends with a colon and a number, as what parse_listen() takes does.
bool has_port(std::string_view text);

/// The error for a bind that failed with `errno_code`, naming `flag`.
Error explain_bind(std::string_view flag, const SocketAddress& address, std::string_view transport,
                   const Error& why);

}  // namespace sallyport::net
