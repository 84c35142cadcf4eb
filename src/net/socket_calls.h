// Helpers for the sockets of net: error texts, options, local address.
#pragma once

#include "base/result.h"
#include "net/address.h"

#include <string>

namespace sallyport::net {

/// "WHAT: the system's text", with the ErrorKind for `number` and, where known, the remedy.
Error socket_error(const std::string& what, int number);

/// The same for connect(), which also assigns the local port: no free port is reported by two errno values,
/// whose texts do not say so.
Error connect_error(const std::string& what, int number);

/// False, with errno set, where the kernel refuses.
bool set_socket_option(int fd, int level, int name, int value);

/// The address that the socket is bound to.
SocketAddress local_address(int fd);

/// Whether `fd` is one of the last `reserve` descriptors of the process's limit. The kernel assigns the
/// lowest free one, so these are used when nearly all others are.
bool is_reserved(int fd, unsigned reserve);

/// [::], which with IPV6_V6ONLY off also takes IPv4.
bool is_wildcard_v6(const SocketAddress& address);

}  // namespace sallyport::net
